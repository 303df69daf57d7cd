import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, linesOf, tear, textOf, textPieces } from './bytes.suite.ts'
import { brokenUtf8, LineCutter, lastWithin, TailFinder, wholeUtf8 } from './log-lines.ts'

const logTexts = fc.array(fc.constantFrom(...textPieces), { maxLength: 60 }).map((parts) => parts.join(''))
/** Where a log is torn when it is read. */
const tears = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 })

const unbounded = { headBytes: 1_000_000, totalBytes: 1_000_000 }

describe('lines that are read forward', () => {
  it('are those of the whole text, wherever it is torn', () => {
    fc.assert(
      fc.property(
        logTexts,
        tears,
        fc.nat(5),
        fc.integer({ min: 1, max: 8 }),
        (text, lengths, skip, count) => {
          const cutter = new LineCutter({ offset: 7, skip, count, ...unbounded })
          for (const piece of tear(bytesOf(text), lengths)) cutter.push(piece)
          const whole = linesOf(text).slice(skip)
          const open = cutter.openLine
          const given = open === null ? cutter.lines : [...cutter.lines, open]
          expect(given.map(({ head }) => textOf(head))).toEqual(whole.slice(0, count))
          expect(open !== null).toBe(whole.length > 0 && whole.length <= count && !text.endsWith('\n'))
          expect(cutter.isFull).toBe(cutter.lines.length === count)
          for (const { offset, bytes, head } of given)
            expect(bytesOf(text).subarray(offset - 7, offset - 7 + bytes)).toEqual(Uint8Array.from(head))
        },
      ),
    )
  })

  it('are given page by page from where the last page ended', () => {
    fc.assert(
      fc.property(logTexts, tears, fc.integer({ min: 1, max: 4 }), (text, lengths, count) => {
        const bytes = bytesOf(text)
        const read: string[] = []
        for (let offset = 0; offset < bytes.length; ) {
          const cutter = new LineCutter({ offset, count, ...unbounded })
          for (const piece of tear(bytes.subarray(offset), lengths)) cutter.push(piece)
          read.push(...cutter.lines.map(({ head }) => textOf(head)))
          if (cutter.openLine !== null) read.push(textOf(cutter.openLine.head))
          offset = cutter.openLine === null ? cutter.nextOffset : bytes.length
        }
        expect(read).toEqual(linesOf(text))
      }),
    )
  })

  it('keep no more than their first bytes, and tell their whole length', () => {
    fc.assert(
      fc.property(logTexts, tears, fc.integer({ min: 1, max: 5 }), (text, lengths, headBytes) => {
        const cutter = new LineCutter({ offset: 0, count: 1_000, headBytes, totalBytes: 1_000_000 })
        for (const piece of tear(bytesOf(text), lengths)) cutter.push(piece)
        const wanted = linesOf(text).map((line) => bytesOf(line))
        const given = [...cutter.lines, ...(cutter.openLine === null ? [] : [cutter.openLine])]
        expect(given.map(({ bytes }) => bytes)).toEqual(wanted.map(({ length }) => length))
        for (const [at, { head }] of given.entries())
          expect(Uint8Array.from(head)).toEqual(wanted[at]?.slice(0, headBytes))
      }),
    )
  })

  it('stop where they are much together, but not before the first', () => {
    const cutter = new LineCutter({ offset: 0, count: 9, headBytes: 100, totalBytes: 5 })
    cutter.push(bytesOf('123456789\nx\n'))
    expect([cutter.lines.length, cutter.isFull, cutter.nextOffset]).toEqual([1, true, 10])
  })
})

describe('lines that are read from the end', () => {
  it('are the last of the whole text, wherever it is torn', () => {
    fc.assert(
      fc.property(logTexts, tears, fc.integer({ min: 1, max: 8 }), (text, lengths, count) => {
        const bytes = bytesOf(text)
        const finder = new TailFinder(bytes.length, count)
        let start: number | null = bytes.length === 0 ? 0 : null
        for (const piece of tear(bytes, lengths).reverse()) start ??= finder.push(piece)
        const last = linesOf(text).slice(-count)
        expect(linesOf(textOf(bytes.subarray(start ?? -1)))).toEqual(last)
      }),
    )
  })

  it('begin, as far as they were looked for, with one that begins there', () => {
    const finder = new TailFinder(12, 9)
    expect([finder.push(bytesOf('ne\n')), finder.firstStart]).toEqual([null, null])
    expect([finder.push(bytesOf('b\nli')), finder.firstStart]).toEqual([null, 7])
  })

  it('are fewer where they are much together, but the last is among them', () => {
    const line = (bytes: number) => ({ offset: 0, bytes, head: new Uint8Array(bytes) })
    expect(lastWithin([line(4), line(3), line(2)], 5).map(({ bytes }) => bytes)).toEqual([3, 2])
    expect(lastWithin([line(4), line(9)], 5).map(({ bytes }) => bytes)).toEqual([9])
    expect(lastWithin([], 5)).toEqual([])
  })
})

describe('a character of several bytes', () => {
  it('that is cut through is left out at the end and passed over at the beginning', () => {
    fc.assert(
      fc.property(logTexts, fc.nat(200), (text, at) => {
        const bytes = bytesOf(text)
        const head = bytes.subarray(0, at)
        const shown = textOf(head.subarray(0, wholeUtf8(head)))
        expect(text.startsWith(shown)).toBe(true)
        expect(head.length - bytesOf(shown).length).toBeLessThan(4)
        const tail = bytes.subarray(at)
        expect(text.endsWith(textOf(tail.subarray(brokenUtf8(tail))))).toBe(true)
      }),
    )
  })

  it('that is none stays as it is', () => {
    for (const bytes of [[0x80], [0xff, 0x80, 0x80, 0x80, 0x80], [0x61, 0x80], [0xc3, 0xa4, 0xa4]])
      expect(wholeUtf8(Uint8Array.from(bytes))).toBe(bytes.length)
  })
})
