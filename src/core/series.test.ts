import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Series } from './series.ts'

/** Pieces of time one behind the other, some with nothing between them. */
const pieces = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200_000 })),
    forMs: fc.integer({ min: 1, max: 20_000 }),
    value: fc.integer({ min: 0, max: 64 }),
  }),
  { minLength: 1, maxLength: 400 },
)

function fill(
  series: Series,
  given: { gapMs: number; forMs: number; value: number }[],
  startMs = 1_000,
): number {
  let at = startMs
  for (const { gapMs, forMs, value } of given) {
    series.add(0, at + gapMs, at + gapMs + forMs, value)
    at += gapMs + forMs
  }
  return at
}

const sums = (series: Series, channel = 0) =>
  Array.from({ length: series.length }, (_, step) => series.at(step, channel)).reduce(
    (all, { sum, ms }) => ({ sum: all.sum + sum, ms: all.ms + ms }),
    { sum: 0, ms: 0 },
  )

describe('a series', () => {
  it('keeps each step as long as there is room', () => {
    const series = new Series(1, 10, 4)
    series.add(0, 0, 10, 1)
    series.add(0, 10, 20, 3)
    series.add(0, 35, 40, 8)
    expect(series).toMatchObject({ startMs: 0, stepMs: 10, length: 4 })
    expect(series.values(0)).toEqual([1, 3, null, 8])
  })

  it('merges neighbours when it is full: their mean by time', () => {
    const series = new Series(1, 10, 4)
    for (const [at, value] of [1, 3, 5, 9].entries()) series.add(0, at * 10, at * 10 + 10, value)
    series.add(0, 40, 50, 7)
    expect(series).toMatchObject({ stepMs: 20, length: 3 })
    expect(series.values(0)).toEqual([2, 7, 7])
  })

  it('tells nothing of a time of which nothing is known, also when that is merged away', () => {
    const series = new Series(1, 10, 4)
    series.add(0, 0, 10, 4)
    series.add(0, 70, 80, 2)
    expect(series.values(0)).toEqual([4, null, null, 2])
  })

  it('divides what lies across steps', () => {
    const series = new Series(1, 10, 8)
    series.add(0, 5, 6, 1)
    series.add(0, 10, 30, 2)
    expect([0, 1, 2].map((step) => series.at(step, 0))).toEqual([
      { sum: 11, ms: 6 },
      { sum: 20, ms: 10 },
      { sum: 10, ms: 5 },
    ])
  })

  it('keeps its channels apart', () => {
    const series = new Series(2, 10, 4)
    series.add(0, 0, 10, 1)
    series.add(1, 10, 20, 2)
    expect([series.values(0), series.values(1)]).toEqual([
      [1, null],
      [null, 2],
    ])
  })

  it.each([
    [Number.NaN, 10, 1],
    [0, Number.POSITIVE_INFINITY, 1],
    [0, 10, Number.NaN],
    [10, 10, 1],
    [10, 5, 1],
  ])('takes no nonsense (%s to %s: %s)', (from, to, value) => {
    const series = new Series(1, 10, 4)
    series.add(0, from, to, value)
    expect(series).toMatchObject({ startMs: null, length: 0 })
  })

  it('leaves out what lies before its start', () => {
    const series = new Series(1, 10, 4)
    series.add(0, 100, 110, 1)
    series.add(0, 0, 50, 9)
    series.add(0, 90, 105, 9)
    expect(series.at(0, 0)).toEqual({ sum: 10 + 45, ms: 15 })
  })

  it('never has more steps than its limit, keeps every sum, and ends where the last piece ends', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 2, max: 40 }), (given, limit) => {
        const series = new Series(1, 5_000, limit)
        const end = fill(series, given)
        expect(series.length).toBeLessThanOrEqual(limit)
        const ms = given.reduce((all, { forMs }) => all + forMs, 0)
        const sum = given.reduce((all, { forMs, value }) => all + forMs * value, 0)
        expect(sums(series).ms / ms).toBeCloseTo(1, 4)
        if (sum > 0) expect(sums(series).sum / sum).toBeCloseTo(1, 4)
        const start = series.startMs ?? Number.NaN
        expect(start).toBe(1_000 + (given[0]?.gapMs ?? 0))
        expect(start + series.length * series.stepMs).toBeGreaterThanOrEqual(end)
        expect(start + (series.length - 1) * series.stepMs).toBeLessThan(end)
      }),
    )
  })

  it('tells a mean between the smallest and the largest value, and at least half its limit of steps', () => {
    fc.assert(
      fc.property(pieces, (given) => {
        const limit = 16
        const series = new Series(1, 5_000, limit)
        fill(series, given)
        const known = series.values(0).filter((value) => value !== null)
        const all = given.map(({ value }) => value)
        for (const value of known) {
          expect(value).toBeGreaterThanOrEqual(Math.min(...all) - 1e-3)
          expect(value).toBeLessThanOrEqual(Math.max(...all) + 1e-3)
        }
        if (series.stepMs > 5_000) expect(series.length).toBeGreaterThan(limit / 2)
      }),
    )
  })

  it('comes back from its bytes and goes on', () => {
    fc.assert(
      fc.property(pieces, pieces, (before, after) => {
        const whole = new Series(1, 5_000, 12)
        const end = fill(whole, before)
        const again = Series.decode(whole.encode(), 12)
        if (again === null) throw new Error('it does not know its own bytes')
        fill(whole, after, end)
        fill(again, after, end)
        expect(again.encode()).toEqual(whole.encode())
      }),
    )
  })

  it('knows bytes that are not its own', () => {
    const bytes = new Series(1, 10, 4).encode()
    expect(Series.decode(bytes, 4)).toMatchObject({ startMs: null, length: 0 })
    expect(Series.decode(bytes.slice(0, 20), 4)).toBeNull()
    expect(Series.decode(new Uint8Array([...bytes, 1, 2, 3]), 4)).toBeNull()
    expect(Series.decode(new Uint8Array(64), 4)).toBeNull()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (any) => {
        Series.decode(any, 4)
      }),
    )
  })

  it('has room for fewer from when it is told so', () => {
    const series = new Series(1, 10, 64)
    for (let at = 0; at < 64; at += 1) series.add(0, at * 10, at * 10 + 10, at)
    series.limit = 16
    series.add(0, 640, 650, 64)
    expect(series.length).toBeLessThanOrEqual(16)
    expect(sums(series)).toEqual({ sum: 20_800, ms: 650 })
  })
})
