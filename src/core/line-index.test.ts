import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bytesOf, linesOf, tear, textPieces } from './bytes.suite.ts'
import { countLineEnds, LineIndex } from './line-index.ts'

const logTexts = fc.array(fc.constantFrom(...textPieces), { maxLength: 60 }).map((parts) => parts.join(''))
/** Where a log is torn when it is read. */
const tears = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 })

function indexOf(
  text: string,
  lengths: readonly number[],
  blockBytes: number,
  mostBlocks: number,
): LineIndex {
  const index = new LineIndex(blockBytes, mostBlocks)
  for (const piece of tear(bytesOf(text), lengths)) index.add(piece)
  return index
}

/** The byte behind so many line ends from an offset on. */
function behind(bytes: Uint8Array, offset: number, ends: number): number {
  let at = offset
  for (let passed = 0; passed < ends; passed += 1) at = bytes.indexOf(10, at) + 1
  return at
}

const blocks = fc.record({
  blockBytes: fc.integer({ min: 1, max: 40 }),
  mostBlocks: fc.integer({ min: 2, max: 9 }),
})

it('finds each line of any text, however it was torn and however few blocks it may keep', () => {
  fc.assert(
    fc.property(logTexts, tears, blocks, (text, lengths, { blockBytes, mostBlocks }) => {
      const index = indexOf(text, lengths, blockBytes, mostBlocks)
      const bytes = bytesOf(text)
      const lines = linesOf(text)
      expect([index.lineCount, index.countedBytes]).toEqual([lines.length, bytes.length])
      expect(index.isLineOpen).toBe(text !== '' && !text.endsWith('\n'))
      let start = 0
      for (const [at, line] of lines.entries()) {
        const place = index.placeOf(at + 1)
        expect(place === null ? null : behind(bytes, place.offset, place.skip)).toBe(start)
        start += bytesOf(line).length + 1
      }
      expect([index.placeOf(0), index.placeOf(lines.length + 1)]).toEqual([null, null])
    }),
  )
})

it('knows how many line ends lie before the block of each byte', () => {
  fc.assert(
    fc.property(logTexts, tears, blocks, (text, lengths, { blockBytes, mostBlocks }) => {
      const index = indexOf(text, lengths, blockBytes, mostBlocks)
      const bytes = bytesOf(text)
      for (let offset = 0; offset <= bytes.length; offset += 1) {
        const block = index.blockOf(offset)
        if (block === null) throw new Error(`byte ${offset} was counted`)
        expect(block.offset).toBeLessThanOrEqual(offset)
        expect(block.lineEnds).toBe(countLineEnds(bytes, 0, block.offset))
      }
      expect(index.blockOf(bytes.length + 1)).toBeNull()
    }),
  )
})

it('keeps no more than so many numbers', () => {
  const index = new LineIndex(8, 4)
  for (let turn = 0; turn < 10_000; turn += 1) index.add(bytesOf('a line\n'))
  expect([index.lineCount, index.placeOf(5_000)?.offset]).toEqual([10_000, 32_768])
})

it('counts the ends of short lines and of long ones alike', () => {
  const parts = fc.array(
    fc.tuple(fc.constantFrom('\n', 'a\n', `${'x'.repeat(3_000)}\n`), fc.integer({ min: 1, max: 900 })),
    {
      maxLength: 8,
    },
  )
  fc.assert(
    fc.property(parts, (all) => {
      const text = all.map(([line, times]) => line.repeat(times)).join('')
      const ends = all.reduce((sum, [, times]) => sum + times, 0)
      expect(countLineEnds(bytesOf(text))).toBe(ends)
      expect(countLineEnds(Buffer.from(text), 1)).toBe(ends - (text.startsWith('\n') ? 1 : 0))
    }),
    { numRuns: 30 },
  )
})
