import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockLines } from './line-blocks.ts'
import { LogDoc } from './log-doc.ts'
import { MemoryLog } from './log-server.suite.ts'

function numbered(count: number, from = 1): string {
  return Array.from({ length: count }, (_, at) => `line ${from + at}\n`).join('')
}

/** All that the document says of lines is so. */
function expectTrue(doc: LogDoc, log: MemoryLog): void {
  const { lines } = log
  for (let index = 0; index < doc.total + 2; index += 1) {
    const line = doc.lineAt(index)
    if (line === null) continue
    const number = doc.numberAt(index)
    if (number === null || line.isOpen) continue
    expect(line.text).toBe(lines[number - 1])
  }
  if (doc.isCounted && doc.size === log.size) expect(doc.total).toBe(lines.length)
  // those without numbers are the last, without a gap
  const loose = Array.from({ length: doc.looseCount }, (_, at) => doc.lineAt(doc.looseFrom + at)?.text)
  const shown = loose.slice(0, -1)
  const at = lines.lastIndexOf(shown[0] ?? '')
  if (shown.length > 0) expect(lines.slice(at, at + shown.length)).toEqual(shown)
}

describe('what is known of a log', () => {
  it('shows the last lines before they have numbers, and numbers them when they are counted', () => {
    const log = new MemoryLog(numbered(3_000))
    const doc = new LogDoc()
    log.count(1_000)
    doc.takeTail(log.tail(100))
    expect(doc.isCounted).toBe(false)
    expect(doc.looseCount).toBe(100)
    // about as many as there are
    expect(Math.abs(doc.total - 3_000)).toBeLessThan(600)
    expect(doc.lineAt(doc.total - 1)).toMatchObject({ text: 'line 3000' })
    expect(doc.numberAt(doc.total - 1)).toBeNull()
    log.count()
    doc.takeCount(log.at(doc.looseOffset ?? 0, 1))
    expect(doc).toMatchObject({ isCounted: true, total: 3_000, looseCount: 0 })
    expect(doc.numberAt(2_999)).toBe(3_000)
    expect(doc.lineAt(2_900)?.text).toBe('line 2901')
    expect(doc.lineAt(2_899)).toBeNull()
  })

  it('numbers them also where the answer tells only that all is counted', () => {
    const log = new MemoryLog(`${numbered(50)}no end`)
    const doc = new LogDoc()
    doc.takeTail(log.tail(10))
    log.count()
    doc.takeCount({ ...log.at(log.size, 1), firstLine: null })
    expect(doc).toMatchObject({ isCounted: true, total: 51 })
    expect(doc.lineAt(50)?.text).toBe('no end')
    expect(doc.end?.number).toBe(51)
  })

  it('reads on before lines without numbers, by their bytes', () => {
    const log = new MemoryLog(numbered(2_000))
    const doc = new LogDoc()
    doc.takeTail(log.tail(50))
    for (let reads = 0; doc.looseCount < 2_000; reads += 1) {
      expect(reads).toBeLessThan(20)
      const [wanted] = doc.missing(doc.looseFrom - 10, doc.looseFrom + 40)
      if (wanted?.kind !== 'before') throw new Error('it asks for something else')
      doc.takeBefore(log.at(wanted.offset, 1_000), wanted.offset)
      expectTrue(doc, log)
    }
    expect(doc.lineAt(doc.looseFrom)?.text).toBe('line 1')
    expect(doc.missing(0, 50)).toEqual([])
  })

  it('reads further back where a line is longer than what was read', () => {
    const log = new MemoryLog(`first\n${'x'.repeat(9_000)}\n${numbered(20)}`)
    const doc = new LogDoc()
    doc.takeTail(log.tail(20))
    for (let reads = 0; doc.looseCount < 22 && reads < 20; reads += 1) {
      const [wanted] = doc.missing(doc.looseFrom - 1, doc.looseFrom)
      if (wanted?.kind === 'before') doc.takeBefore(log.at(wanted.offset, 1_000), wanted.offset)
    }
    expect(doc.lineAt(doc.looseFrom)?.text).toBe('first')
  })

  it('asks for what is not at hand in blocks, and for a last line again when it has grown', () => {
    const log = new MemoryLog(`${numbered(1_000)}half`)
    log.count()
    const doc = new LogDoc()
    doc.takeTail(log.tail(10))
    expect(doc.missing(300, 700)).toEqual([
      { kind: 'lines', from: 301, count: 2 * blockLines - 300 },
      { kind: 'lines', from: 513, count: blockLines },
    ])
    doc.takeLines(log.from(301, 212))
    expect(doc.missing(300, 500)).toEqual([])
    expect(doc.missing(995, 1_000)).toEqual([])
    log.write(' and whole\nnext\n')
    log.count()
    doc.takeStats(log.tail(1))
    expect(doc.total).toBe(1_002)
    expect(doc.missing(995, 1_002)).toEqual([{ kind: 'lines', from: 1_001, count: 24 }])
    doc.takeLines(log.from(1_001))
    expect(doc.lineAt(1_000)?.text).toBe('half and whole')
    expect(doc.missing(995, 1_002)).toEqual([])
  })

  it('goes on at the end: a line without an end is replaced as it grows', () => {
    const log = new MemoryLog(`${numbered(5)}10 %`)
    const doc = new LogDoc()
    doc.takeTail(log.tail())
    log.write('\r20 %')
    doc.takeNext(log.at(doc.end?.offset ?? 0))
    log.count()
    log.write('\r30 %\nline 7\n')
    doc.takeNext(log.at(doc.end?.offset ?? 0))
    expect(doc).toMatchObject({ total: 7, isCounted: true })
    expect(doc.lineAt(5)).toMatchObject({ text: '10 %\r20 %\r30 %', isOpen: false })
    log.isEnded = true
    log.write('no line feed')
    doc.takeNext(log.at(doc.end?.offset ?? 0))
    expect(doc).toMatchObject({ total: 8, isEnded: true })
    expect(doc.lineAt(7)).toMatchObject({ text: 'no line feed', isOpen: false })
  })

  it('begins anew where the log is another one', () => {
    const log = new MemoryLog(numbered(100))
    log.count()
    const doc = new LogDoc()
    doc.takeTail(log.tail())
    log.replace('other\n')
    doc.takeNext(log.at(6))
    expect(doc).toMatchObject({ end: null, size: 6 })
    expect(doc.lineAt(50)).toBeNull()
    doc.takeTail(log.tail())
    expect(doc.lineAt(0)?.text).toBe('other')
  })

  it('keeps the numbers of lines that are read again before they are counted again', () => {
    const log = new MemoryLog(numbered(400))
    log.count()
    const doc = new LogDoc()
    doc.takeTail(log.tail(100))
    log.write(numbered(20, 401))
    doc.takeTail({ ...log.tail(100), firstLine: null })
    expect(doc).toMatchObject({ looseCount: 0, total: 420 })
    expect(doc.lineAt(419)?.text).toBe('line 420')
  })

  it('carries open colours to the lines behind, as far as they are at hand, and not for ever', () => {
    const log = new MemoryLog(`${numbered(299)}\x1b[31mred\n${numbered(2_700, 301)}`)
    log.count()
    const doc = new LogDoc()
    doc.takeLines(log.from(301, 200))
    expect(doc.lineAt(310)?.state).toBe('')
    doc.takeLines(log.from(257, 44))
    expect(doc.lineAt(298)?.state).toBe('')
    expect(doc.lineAt(300)?.state).toContain('38;5;1')
    expect(doc.lineAt(499)?.state).toContain('38;5;1')
    for (let from = 501; from < 3_000; from += 256) doc.takeLines(log.from(from, 256))
    expect(doc.lineAt(1_299)?.state).toContain('38;5;1')
    expect(doc.lineAt(1_301)?.state).toBe('')
    expect(doc.lineAt(2_999)?.state).toBe('')
  })

  it('keeps little, whatever is looked at', () => {
    const log = new MemoryLog(numbered(40_000))
    log.count()
    const doc = new LogDoc({ blocks: 10, chars: 20_000 })
    doc.takeLines(log.from(1, 256))
    for (let from = 257; from < 40_000; from += 256) {
      doc.touch(0, 100)
      doc.takeLines(log.from(from, 256))
      expect(doc.kept.blocks).toBeLessThanOrEqual(10)
      expect(doc.kept.chars).toBeLessThanOrEqual(20_000)
    }
    expect(doc.lineAt(50)?.text).toBe('line 51')
    expect(doc.lineAt(20_000)).toBeNull()
  })

  it('never says of a line what is not so, in whatever order it learns', () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('write' as const), lines: fc.nat(300), half: fc.boolean() }),
      fc.record({ do: fc.constant('count' as const), bytes: fc.nat(4_000) }),
      fc.record({
        do: fc.constantFrom('tail' as const, 'next' as const, 'loose' as const, 'stats' as const),
      }),
      fc.record({ do: fc.constant('look' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const log = new MemoryLog(numbered(700))
        const doc = new LogDoc({ blocks: 4, chars: 100_000 })
        let next = 701
        for (const act of actions) {
          if (act.do === 'write') {
            log.write(`${numbered(act.lines, next)}${act.half ? 'half ' : ''}`)
            next += act.lines
          } else if (act.do === 'count') log.count(act.bytes)
          else if (act.do === 'tail') doc.takeTail(log.tail(60))
          else if (act.do === 'next' && doc.end !== null) doc.takeNext(log.at(doc.end.offset, 100))
          else if (act.do === 'loose' && doc.looseOffset !== null) doc.takeCount(log.at(doc.looseOffset, 1))
          else if (act.do === 'stats') doc.takeStats(log.tail(1))
          else if (act.do === 'look') {
            const first = Math.floor(act.share * doc.total)
            for (const wanted of doc.missing(first, first + 40)) {
              if (wanted.kind === 'lines') doc.takeLines(log.from(wanted.from, wanted.count))
              else doc.takeBefore(log.at(wanted.offset, 1_000), wanted.offset)
            }
          }
          expectTrue(doc, log)
        }
        log.count()
        doc.takeTail(log.tail(60))
        expect(doc).toMatchObject({ isCounted: true, total: log.lines.length })
        expectTrue(doc, log)
      }),
      { numRuns: 300 },
    )
  })
})
