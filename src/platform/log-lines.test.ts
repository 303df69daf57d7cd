import { renameSync, truncateSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linesOf, textPieces } from '../core/bytes.suite.ts'
import { limits } from '../protocol/limits.ts'
import { TestLog } from './log-views.suite.ts'
import { waitFor } from './wait.ts'

const logTexts = fc.array(fc.constantFrom(...textPieces), { maxLength: 60 }).map((parts) => parts.join(''))

let log: TestLog
beforeEach(() => {
  log = new TestLog()
})
afterEach(() => log.close())

const texts = ({ items }: { items: { text: string }[] }) => items.map(({ text }) => text)
const many = (count: number) => Array.from({ length: count }, (_, at) => `line ${at + 1}\n`).join('')

describe('lines', () => {
  it('are those of the whole text, from any number, from any byte and from the end', async () => {
    const counts = fc.integer({ min: 1, max: 9 })
    await fc.assert(
      fc.asyncProperty(
        logTexts,
        counts,
        fc.integer({ min: 1, max: 70 }),
        fc.boolean(),
        async (text, count, from, isDone) => {
          log.write(text)
          log.isDone = isDone
          const lines = linesOf(text)
          const name = `${Math.random()}`
          const page = await log.lines({ from, count }, name)
          expect(texts(page)).toEqual(lines.slice(from - 1, from - 1 + count))
          expect(page).toMatchObject({
            lineCount: lines.length,
            isEnded: isDone,
            size: Buffer.byteLength(text),
          })
          const isThere = from <= lines.length
          expect(page.firstLine).toBe(isThere ? from : null)
          if (isThere) {
            const offset = page.items[0]?.offset ?? -1
            expect(await log.lines({ offset, count }, name)).toEqual(page)
          }
          const last = await log.lines({ tail: true, count }, name)
          expect(texts(last)).toEqual(lines.slice(-count))
          expect(last.firstLine).toBe(lines.length === 0 ? null : Math.max(1, lines.length - count + 1))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('are read one page after the other, and the last is given again while it grows', async () => {
    log.write('one\r\ntwo\nthr')
    const first = await log.lines({})
    expect(texts(first)).toEqual(['one\r', 'two', 'thr'])
    expect([first.nextOffset, first.items[2]?.offset, first.isEnded]).toEqual([9, 9, false])
    log.append('ee\rand\nfour')
    const next = await log.lines({ offset: first.nextOffset, seen: first.size })
    expect([texts(next), next.firstLine]).toEqual([['three\rand', 'four'], 3])
    log.isDone = true
    const last = await log.lines({ offset: next.nextOffset })
    expect([texts(last), last.nextOffset, last.isEnded]).toEqual([['four'], last.size, true])
  })

  it('of one that is not there are none', async () => {
    const empty = { items: [], firstLine: null, nextOffset: 0, lineCount: 0, countedBytes: 0, size: 0 }
    for (const query of [{}, { tail: true }, { offset: 0 }, { from: 9 }])
      expect(await log.lines(query)).toEqual({ ...empty, isEnded: false, missingBytes: 0 })
  })

  it('are asked for at one place', async () => {
    const twice = [
      { from: 1, offset: 1 },
      { from: 1, tail: true },
      { offset: 1, tail: true },
    ]
    for (const query of twice)
      await expect(log.lines(query)).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('are fewer where they are long', async () => {
    await log.close()
    log = new TestLog('usual')
    const line = `${'x'.repeat(limits.logLineBytes + 1)}\n`
    log.write(line.repeat(300))
    const page = await log.lines({ count: 1_000 })
    expect(page.items).toHaveLength(128)
    expect(page.items[7]).toMatchObject({
      bytes: limits.logLineBytes + 1,
      text: line.slice(0, limits.logLineBytes),
    })
    expect((await log.lines({ offset: page.nextOffset })).firstLine).toBe(129)
    const last = await log.lines({ tail: true, count: 1_000 })
    expect([last.items.length, last.firstLine]).toEqual([128, 173])
  })

  it('show no half of a character', async () => {
    log.write(`${'x'.repeat(limits.logLineBytes - 1)}ä\nab${'€'.slice(0, 1)}`)
    log.append(Buffer.from([0xe2, 0x82]).toString('latin1'))
    const page = await log.lines({})
    expect(page.items[0]?.text).toBe('x'.repeat(limits.logLineBytes - 1))
    writeFileSync(log.path, Buffer.from([0x61, 0xe2, 0x82]))
    expect(texts(await log.lines({}, 'growing'))).toEqual(['a'])
    log.isDone = true
    expect(texts(await log.lines({}, 'ended'))).toEqual(['a\ufffd'])
  })
})

describe('a wait', () => {
  it('is over when something is written, also where the last line only grew', async () => {
    log.write('')
    const first = log.lines({ offset: 0, waitMs: 9_000 })
    await waitFor('it waits', () => log.reads.length > 2)
    log.append('a')
    expect(texts(await first)).toEqual(['a'])
    const next = log.lines({ offset: 0, seen: 1, waitMs: 9_000 })
    const { length } = log.reads
    await waitFor('it waits', () => log.reads.length > length + 1)
    log.append('b')
    expect(texts(await next)).toEqual(['ab'])
    const before = log.reads.length
    const fromLine = log.lines({ from: 2, waitMs: 9_000 })
    // what comes while it looks may not be counted yet, and is told as that
    await waitFor('it waits', () => log.reads.length > before + 1)
    log.append('\nc')
    expect(texts(await fromLine)).toEqual(['c'])
  })

  it('is over when the task has ended', async () => {
    log.write('a')
    const waiting = log.lines({ offset: 0, seen: 1, waitMs: 9_000 })
    await waitFor('it waits', () => log.reads.length > 2)
    log.isDone = true
    expect(await waiting).toMatchObject({ isEnded: true, nextOffset: 1 })
  })

  it('is none where there are lines that the caller has not got', async () => {
    log.write('a\nb\nc\n')
    const page = await log.lines({ offset: 2, seen: 6, waitMs: 9_000 })
    expect(texts(page)).toEqual(['b', 'c'])
  })
})

describe('the count of lines', () => {
  it('is made once for all who ask', async () => {
    log.write(many(1_000))
    log.isDone = true
    const pages = await Promise.all(
      [...Array(20).keys()].map((at) => log.lines({ from: 40 * at + 1, count: 1 })),
    )
    expect(texts({ items: pages.flatMap(({ items }) => items) })).toEqual(
      [...Array(20).keys()].map((at) => `line ${40 * at + 1}`),
    )
    const scans = log.reads.filter(([, limit]) => limit === 100)
    expect(new Set(scans.map(([offset]) => offset)).size).toBe(scans.length)
  })

  it('is not waited for by the last lines', async () => {
    log.write(many(1_000))
    const { size } = await log.lines({ tail: true })
    const gated = new TestLog()
    try {
      gated.write(many(1_000))
      const stuck = Promise.withResolvers<void>()
      const makeReader: TestLog['makeReader'] = (signal) => {
        const read = gated.makeReader(signal)
        // what is counted waits
        return async (offset, limit, waitMs) => {
          if (limit === 100) await stuck.promise
          return read(offset, limit, waitMs)
        }
      }
      const page = await gated.views.lines('1', makeReader, { tail: true, count: 2 }, gated.signal.signal)
      expect([texts(page), page.firstLine, page.size]).toEqual([['line 999', 'line 1000'], null, size])
      stuck.resolve()
    } finally {
      await gated.close()
    }
  })

  it('begins anew where the file is another or is shorter', async () => {
    log.write(many(1_000))
    expect((await log.lines({ from: 1_000 })).lineCount).toBe(1_000)
    truncateSync(log.path, 14)
    expect(await log.lines({ from: 1 })).toMatchObject({ lineCount: 2, size: 14 })
    const other = `${log.path}.other`
    writeFileSync(other, 'x\n'.repeat(5_000))
    renameSync(other, log.path)
    expect(texts(await log.lines({ from: 4_999 }))).toEqual(['x', 'x'])
  })

  it('goes on while somebody asks, and stops then', async () => {
    await log.close()
    log = new TestLog('small', { idleMs: 0 })
    log.write(many(1_000))
    const page = await log.lines({ from: 900 })
    expect(page.items).toEqual([])
    expect(page.countedBytes).toBeLessThan(page.size)
    await log.views.close()
  })

  it('is told to fail only to who needs it', async () => {
    log.write(many(1_000))
    const makeReader: TestLog['makeReader'] = (signal) => {
      const read = log.makeReader(signal)
      return (offset, limit, waitMs) =>
        limit === 100 ? Promise.reject(new Error('no')) : read(offset, limit, waitMs)
    }
    const { signal } = log.signal
    await expect(log.views.lines('1', makeReader, { from: 9 }, signal)).rejects.toThrow('no')
    expect(texts(await log.views.lines('1', makeReader, { offset: 0, count: 1 }, signal))).toEqual(['line 1'])
    expect(texts(await log.views.lines('1', makeReader, { tail: true, count: 1 }, signal))).toEqual([
      'line 1000',
    ])
  })

  it('is kept of the last logs that were asked for', async () => {
    log.write(many(100))
    log.isDone = true
    const scansOf = async (name: string) => {
      const before = log.reads.length
      await log.lines({ from: 100 }, name)
      return log.reads.slice(before).filter(([, limit]) => limit === 100).length
    }
    expect(await scansOf('1')).toBeGreaterThan(0)
    expect(await scansOf('1')).toBe(0)
    for (const name of ['2', '3', '4', '5']) await log.lines({ from: 50 }, name)
    expect(await scansOf('1')).toBeGreaterThan(0)
    expect(await scansOf('5')).toBe(0)
  })
})

describe('one line of many megabytes', () => {
  const lineBytes = 20_000_000
  const long = `${'x'.repeat(lineBytes)}`

  beforeEach(async () => {
    await log.close()
    log = new TestLog('usual')
  })

  it('is given with its length, and what follows', async () => {
    log.write(`first\n${long}\nlast\n`)
    log.isDone = true
    const page = await log.lines({ from: 1 })
    expect(texts(page)).toEqual(['first'])
    const next = await log.lines({ offset: page.nextOffset })
    expect([next.items.length, next.items[0]?.bytes, next.firstLine]).toEqual([1, lineBytes, 2])
    expect(texts(await log.lines({ offset: next.nextOffset }))).toEqual(['last'])
    expect(texts(await log.lines({ from: 3 }))).toEqual(['last'])
    const tail = await log.lines({ tail: true })
    expect([texts(tail), tail.firstLine]).toEqual([['last'], 3])
  })

  it('is known as far as it goes where it has no end', async () => {
    log.write(`first\n${long}`)
    const page = await log.lines({ from: 2 })
    expect([page.items[0]?.bytes, page.nextOffset, page.items.length]).toEqual([lineBytes, 6, 1])
    const tail = await log.lines({ tail: true })
    expect(tail).toEqual(page)
    log.isDone = true
    const ended = await log.lines({ tail: true })
    expect([ended.items[0]?.bytes, ended.items[0]?.offset, ended.nextOffset]).toEqual([
      lineBytes,
      6,
      ended.size,
    ])
    log.append('\n')
    const closed = [
      await log.lines({ tail: true }),
      await log.lines({ from: 2 }),
      await log.lines({ offset: 6 }),
    ]
    for (const { items, nextOffset, size } of closed)
      expect([items[0]?.bytes, items[0]?.offset, nextOffset - size]).toEqual([lineBytes, 6, 0])
  })

  it('is read no further than it must be', async () => {
    log.write(long)
    await log.lines({ tail: true, count: 1 })
    const read = log.reads.map(([, limit]) => limit).reduce((sum, limit) => sum + limit, 0)
    expect(read).toBeLessThan(2 * lineBytes)
    for (const [, limit] of log.reads) expect(limit).toBeLessThanOrEqual(limits.logReadBytes)
  })
})
