import { describe, expect, it, vi } from 'vitest'
import type { LogMatch } from '../../../src/protocol/schemas.ts'
import { SearchRun } from './search-run.ts'

/** A log of ten-byte lines, of which some are found. */
class Log {
  lines: boolean[]
  /** Bytes that one call looks through. */
  step = 100
  /** Answers are given only when somebody lets them go. */
  hold: Promise<void> = Promise.resolve()
  calls = 0
  failure: Error | null = null

  constructor(count: number, found: (line: number) => boolean) {
    this.lines = Array.from({ length: count }, (_, at) => found(at + 1))
  }

  async search({ offset = 0, limit = 100 }: { offset?: number; limit?: number }) {
    this.calls += 1
    if (this.calls > 1) await this.hold
    if (this.failure !== null) throw this.failure
    const size = this.lines.length * 10
    const to = Math.min(size, offset + this.step)
    const items: LogMatch[] = []
    let line = Math.floor(offset / 10)
    for (; line * 10 < to && items.length < limit; line += 1) {
      const at = { offset: line * 10, matchOffset: line * 10, textOffset: line * 10 }
      if (this.lines[line]) items.push({ line: line + 1, ...at, text: 'found' })
    }
    return { items, next: line * 10 < size ? line * 10 : null, size }
  }
}

function run(log: Log, from = 0): SearchRun {
  return new SearchRun({ q: 'x', matchCase: false }, from, {
    search: (query) => log.search(query),
    onChange: () => {},
  })
}

const done = (search: SearchRun) => vi.waitFor(() => expect(search.isLooking).toBe(false), { timeout: 5_000 })
const linesOf = ({ hits }: SearchRun) => hits.map(({ line }) => line)

describe('a search through a log', () => {
  it('goes through all of it, from where it begins, and has the matches in order', async () => {
    const search = run(new Log(100, (line) => line % 20 === 0), 505)
    await done(search)
    expect(linesOf(search)).toEqual([20, 40, 60, 80, 100])
    expect(search.progress).toBe(1)
  })

  it('steps to the next and the one before, around the ends', async () => {
    const search = run(new Log(100, (line) => line % 20 === 0), 505)
    await done(search)
    expect(search.step(505, 1)?.line).toBe(60)
    expect(search.step(590, 1)?.line).toBe(80)
    expect(search.step(990, 1)?.line).toBe(20)
    expect(search.step(590, -1)?.line).toBe(40)
    expect(search.step(0, -1)?.line).toBe(100)
    expect(search.rankOf(590)).toBe(3)
    expect(search.rankOf(600)).toBeNull()
  })

  it('says the next one while it goes on, and the one before only when it is known', async () => {
    const log = new Log(10_000, (line) => line % 1_000 === 0)
    log.step = 20_000
    const { promise, resolve } = Promise.withResolvers<void>()
    log.hold = promise
    const search = run(log, 40_000)
    await vi.waitFor(() => expect(search.hits.length).toBeGreaterThan(0))
    expect(search.isLooking).toBe(true)
    expect(search.step(40_000, 1)?.line).toBe(5_000)
    expect(search.step(40_000, -1)).toBeNull()
    // what lies before where it began is not known
    expect(search.step(10, 1)).toBeNull()
    expect(search.progress).toBeLessThan(1)
    resolve()
    await done(search)
    expect(search.step(40_000, -1)?.line).toBe(4_000)
  })

  it('finds nothing, and is done', async () => {
    const search = run(new Log(50, () => false))
    await done(search)
    expect(search.hits).toEqual([])
    expect(search.step(0, 1)).toBeNull()
  })

  it('ends where there are more than anybody looks at', async () => {
    const log = new Log(100_000, () => true)
    log.step = 1_000_000
    const search = run(log)
    await done(search)
    expect(search.isFull).toBe(true)
    expect(search.hits.length).toBeLessThan(10_600)
    expect(log.calls).toBeLessThan(40)
  })

  it('goes on as the log grows, and tells no line twice', async () => {
    const log = new Log(100, (line) => line === 100)
    const search = run(log)
    await done(search)
    log.lines.push(false, true)
    search.grow(1_020)
    await done(search)
    expect(linesOf(search)).toEqual([100, 102])
    const { calls } = log
    search.grow(1_020)
    expect(log.calls).toBe(calls)
  })

  it('tries again where a call fails, and ends when nobody wants it any more', async () => {
    const log = new Log(10, () => true)
    log.failure = new Error('away')
    const search = run(log)
    await vi.waitFor(() => expect(search.error).toBe(log.failure))
    log.failure = null
    await done(search)
    expect(search.error).toBeNull()
    expect(search.hits).toHaveLength(10)
    log.failure = new Error('away')
    const other = run(log)
    other.close()
    await done(other)
    expect(other.hits).toEqual([])
  })
})
