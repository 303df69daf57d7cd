import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linesOf, textPieces } from '../core/bytes.suite.ts'
import { limits } from '../protocol/limits.ts'
import { TestLog } from './log-views.suite.ts'

const logTexts = fc.array(fc.constantFrom(...textPieces), { maxLength: 60 }).map((parts) => parts.join(''))

let log: TestLog
beforeEach(() => {
  log = new TestLog()
})
afterEach(() => log.close())

describe('a search', () => {
  it('finds each line that has the text, once, with its number', async () => {
    const sought = fc.constantFrom('a', 'ab', 'aba', 'A', 'ä', '€', 'x\r')
    await fc.assert(
      fc.asyncProperty(
        logTexts,
        sought,
        fc.boolean(),
        fc.integer({ min: 1, max: 5 }),
        async (text, q, matchCase, limit) => {
          log.write(text)
          const fold = (some: string) => (matchCase ? some : some.toLowerCase())
          const wanted = linesOf(text).flatMap((line, at) =>
            fold(line).includes(fold(q)) ? [{ line: at + 1, text: line }] : [],
          )
          // so that each call knows the lines
          await log.lines({ from: 1 })
          const found = await log.searchAll({ q, matchCase, limit })
          expect(found.map(({ line, text }) => ({ line, text }))).toEqual(wanted)
          for (const { offset, textOffset, matchOffset, text: shown } of found) {
            expect(textOffset).toBe(offset)
            const at = Buffer.from(text).subarray(matchOffset).toString()
            expect(fold(at).startsWith(fold(q))).toBe(true)
            expect(matchOffset).toBe(offset + Buffer.byteLength(shown.slice(0, fold(shown).indexOf(fold(q)))))
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it('finds what lies over the borders of what is read at a time', async () => {
    const border = 1024 * 1024
    for (const at of [border - 6, border - 5, border - 1, border, border + 1, 65_536 - 3, 65_536]) {
      log.write(`${'-'.repeat(at - 1)}\nneedle here\n${'.'.repeat(border)}\n`)
      const found = await log.searchAll({ q: 'NEEDLE' })
      expect(found).toEqual([{ line: 2, offset: at, matchOffset: at, textOffset: at, text: 'needle here' }])
    }
  })

  it('shows of a long line what is around it', async () => {
    const before = 'ä'.repeat(1_000)
    log.write(`first\n${before}needle${'ö'.repeat(3_000)}\nlast needle\n`)
    const [long, last] = await log.searchAll({ q: 'needle' })
    expect(long).toMatchObject({ line: 2, offset: 6, matchOffset: 2_006 })
    const { text = '', textOffset = 0 } = long ?? {}
    expect(text).toMatch(/^ä+needleö+$/)
    expect(Buffer.byteLength(text)).toBeGreaterThan(limits.logMatchBytes - 4)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limits.logMatchBytes)
    expect((2_006 - textOffset) / 2).toBe(text.indexOf('needle'))
    expect(last).toMatchObject({ line: 3, text: 'last needle' })
  })

  it('goes on from any byte, and knows the line where it is counted', async () => {
    await log.close()
    log = new TestLog('small', { idleMs: 0 })
    log.write('a needle\n'.repeat(1_000))
    log.isDone = true
    const uncounted = await log.search({ q: 'needle', offset: 905, limit: 1 })
    expect(uncounted.items[0]).toMatchObject({ line: null, offset: 909 })
    await log.close()
    log = new TestLog()
    log.write('a needle\n'.repeat(1_000))
    const counted = await log.search({ q: 'needle', offset: 905, limit: 2 })
    expect(counted.items).toMatchObject([
      { line: 102, offset: 909 },
      { line: 103, offset: 918 },
    ])
    expect(counted.next).toBe(927)
    const within = await log.search({ q: 'needle', offset: 901, limit: 1 })
    expect(within.items[0]).toMatchObject({ line: 101, offset: 900, matchOffset: 902 })
    expect(await log.search({ q: 'needle', offset: 8_999 })).toEqual({ items: [], next: null, size: 9_000 })
    expect(await log.search({ q: 'needle', offset: 99_999 })).toEqual({ items: [], next: null, size: 9_000 })
  })

  it('looks no longer than a bounded time, and comes through all of it', async () => {
    await log.close()
    log = new TestLog('usual')
    // nearly what is sought, everywhere
    log.write(`${'ä'.repeat(150)}\n`.repeat(100_000))
    log.append('the end')
    let calls = 0
    let offset: number | null = 0
    const found = []
    while (offset !== null) {
      const start = performance.now()
      const answer: Awaited<ReturnType<TestLog['search']>> = await log.search({ q: 'THE END', offset })
      expect(performance.now() - start).toBeLessThan(1_500)
      found.push(...answer.items)
      calls += 1
      if (answer.next !== null) expect(answer.next).toBeGreaterThan(offset)
      offset = answer.next
    }
    expect(found).toMatchObject([{ text: 'the end', line: 100_001 }])
    expect(calls).toBeGreaterThanOrEqual(1)
  })

  it('stops when nobody waits for it', async () => {
    log.write('a\n'.repeat(200_000))
    log.signal.abort()
    const { next, size } = await log.search({ q: 'none' })
    expect(next).toBeGreaterThan(0)
    expect(next).toBeLessThan(size)
  })

  it('is refused over a line break, and where too many wait', async () => {
    log.write('a')
    await expect(log.search({ q: 'a\nb' })).rejects.toMatchObject({ code: 'invalid_request' })
    const stuck = Promise.withResolvers<void>()
    log.gate = stuck.promise
    const all = Array.from({ length: 30 }, () => log.search({ q: 'a' }))
    const refused = await Promise.allSettled(all.slice(25))
    for (const each of refused)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'too_many' } })
    stuck.resolve()
    const told = await Promise.allSettled(all)
    expect(told.filter(({ status }) => status === 'fulfilled')).toHaveLength(21)
  })

  it('gives up its place in the row when its caller goes away', async () => {
    log.write('a')
    const stuck = Promise.withResolvers<void>()
    log.gate = stuck.promise
    const first = log.search({ q: 'a' })
    const second = log.search({ q: 'a' })
    log.signal.abort()
    await expect(second).rejects.toMatchObject({ code: 'too_many' })
    log.signal = new AbortController()
    const third = log.search({ q: 'a' })
    stuck.resolve()
    await first
    expect((await third).items).toHaveLength(1)
  })
})
