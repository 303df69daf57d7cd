import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addSample,
  addStep,
  addSums,
  blockBytes,
  blockOfStep,
  clearSums,
  fineStepMs,
  isBlockOver,
  type LoadSample,
  levels,
  meanOf,
  mergeStep,
  newBlock,
  newSums,
  type Range,
  ranges,
  stepOfFine,
  thinWindowOf,
  valuesOf,
  windowOf,
} from './load-history.ts'

const empty: LoadSample = {
  cpuPercent: null,
  memoryUsedBytes: null,
  coresAllocated: 0,
  memoryAllocatedBytes: 0,
  cores: 8,
  memoryBytes: 2 ** 34,
  tasksRunning: 0,
}
const cpu = (cpuPercent: number | null): LoadSample => ({ ...empty, cpuPercent })
const [fine] = levels
const nowMs = fc.integer({ min: 0, max: 4_102_444_800_000 })
const range = fc.constantFrom<Range>('hour', 'day', 'month')

describe('sums', () => {
  it('tell the mean of each field, of those samples that knew it', () => {
    const sums = newSums(2)
    addSample(sums, 1, cpu(10))
    addSample(sums, 1, cpu(null))
    addSample(sums, 1, cpu(20))
    expect(meanOf(sums, 1, 'cpuPercent')).toBe(15)
    expect(meanOf(sums, 1, 'cores')).toBe(8)
    expect(meanOf(sums, 1, 'memoryUsedBytes')).toBeNull()
    expect(meanOf(sums, 0, 'cores')).toBeNull()
    expect(valuesOf(sums)).toMatchObject({ cpuPercent: [null, 15], memoryBytes: [null, 2 ** 34] })
    clearSums(sums, 2)
    expect(valuesOf(sums).cores).toEqual([null, null])
  })
})

describe('a block', () => {
  it('keeps the mean and the number of all samples, in however many parts they came', () => {
    const parts = fc.array(fc.array(fc.option(fc.integer({ min: 0, max: 1000 })), { maxLength: 8 }), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(parts, fc.nat({ max: fine.blockSteps - 1 }), (given, at) => {
        const block = newBlock(fine)
        for (const part of given) {
          const sums = newSums(1)
          for (const value of part) addSample(sums, 0, { ...empty, coresAllocated: value })
          mergeStep(block, at, sums, 0)
        }
        const read = newSums(fine.blockSteps)
        for (let step = 0; step < fine.blockSteps; step += 1) addStep(read, step, block, step)
        const known = given.flat().filter((value) => value !== null)
        // what a part did not know counts with the weight of its neighbours: exact where all is known
        const isWhole = known.length === given.flat().length
        const mean = meanOf(read, at, 'coresAllocated')
        if (known.length === 0) expect(mean).toBeNull()
        else if (isWhole)
          expect(mean).toBeCloseTo(known.reduce((all, value) => all + value, 0) / known.length, 1)
        else {
          expect(mean).toBeGreaterThanOrEqual(Math.min(...known) - 0.01)
          expect(mean).toBeLessThanOrEqual(Math.max(...known) + 0.01)
        }
        expect(meanOf(read, at, 'cores')).toBe(given.flat().length === 0 ? null : 8)
        expect(meanOf(read, (at + 1) % fine.blockSteps, 'cores')).toBeNull()
      }),
    )
  })

  it('is as long as it says', () => {
    for (const level of levels) expect(newBlock(level).byteLength).toBe(blockBytes(level))
  })

  it('begins to know a field late', () => {
    const block = newBlock(fine)
    for (const value of [null, 30, null]) {
      const sums = newSums(1)
      addSample(sums, 0, cpu(value))
      mergeStep(block, 0, sums, 0)
    }
    const read = newSums(1)
    addStep(read, 0, block, 0)
    expect(meanOf(read, 0, 'cpuPercent')).toBe(30)
  })
})

describe('windows', () => {
  it('of a range end with the step of this moment, and are as long as the range', () => {
    fc.assert(
      fc.property(range, nowMs, (name, now) => {
        const { level, from, count, every } = windowOf(name, now)
        expect(every).toBe(1)
        expect(count * level.stepMs).toBe(ranges[name].lengthMs)
        const endMs = (from + count) * level.stepMs
        expect(endMs).toBeGreaterThan(now)
        expect(endMs - level.stepMs).toBeLessThanOrEqual(now)
      }),
    )
    expect(['hour', 'day', 'month'].map((name) => windowOf(name as Range, 0).count)).toEqual([
      360, 1_440, 1_440,
    ])
  })

  it('with few steps have at most those, nearly as many, and all of the range', () => {
    fc.assert(
      fc.property(range, fc.integer({ min: 1, max: 200 }), nowMs, (name, points, now) => {
        const { level, from, count, every } = thinWindowOf(name, points, now)
        const { lengthMs } = ranges[name]
        expect(count).toBeLessThanOrEqual(points)
        expect(count * every * level.stepMs).toBeGreaterThanOrEqual(lengthMs)
        // no step of it could be left out
        expect((count - 1) * every * level.stepMs).toBeLessThan(lengthMs)
        expect(Math.abs(from % every)).toBe(0)
        const endMs = (from + count * every) * level.stepMs
        expect(endMs).toBeGreaterThan(now)
        expect(endMs - every * level.stepMs).toBeLessThanOrEqual(now)
      }),
    )
    expect(thinWindowOf('day', 48, 0)).toMatchObject({ level: levels[2], every: 1, count: 48 })
    expect(thinWindowOf('hour', 48, 0)).toMatchObject({ level: fine, every: 8, count: 45 })
    expect(thinWindowOf('hour', 60, 0)).toMatchObject({ level: levels[1], every: 1, count: 60 })
    expect(thinWindowOf('month', 30, 0)).toMatchObject({ level: levels[2], every: 48, count: 30 })
  })

  it('lie in blocks that are kept', () => {
    fc.assert(
      fc.property(range, nowMs, (name, now) => {
        const { level, from, count } = windowOf(name, now)
        for (const step of [from, from + count - 1])
          expect(isBlockOver(level, blockOfStep(level, step), now)).toBe(false)
        const blockMs = level.stepMs * level.blockSteps
        const old = Math.floor((now - level.keepMs - 2 * blockMs) / blockMs)
        expect(isBlockOver(level, old, now)).toBe(true)
        expect(isBlockOver(level, Math.floor(now / blockMs) + 3, now)).toBe(true)
      }),
    )
  })

  it('of a finer level lie each within one step of the next', () => {
    fc.assert(
      fc.property(nowMs, (now) => {
        const step = Math.floor(now / fineStepMs)
        for (const level of levels) expect(stepOfFine(level, step)).toBe(Math.floor(now / level.stepMs))
      }),
    )
  })
})

it('sums are added to sums, step by step', () => {
  const [a, b] = [newSums(2), newSums(1)]
  addSample(a, 1, cpu(10))
  addSample(b, 0, cpu(30))
  addSums(a, 1, b, 0)
  expect(meanOf(a, 1, 'cpuPercent')).toBe(20)
  expect(meanOf(a, 0, 'cpuPercent')).toBeNull()
})
