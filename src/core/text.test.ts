import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cut, cutStart, displayWidth } from './text.ts'

it.each([
  ['abc', 3],
  ['', 0],
  ['für', 3],
  ['fu\u0308r', 3],
  ['日本語', 6],
  ['한국어', 6],
  ['ｆｕｌｌ', 8],
  ['🎉', 2],
  ['a\u200db', 2],
  ['→ … ✔', 5],
])('%j is as wide as %i columns', (text, width) => {
  expect(displayWidth(text)).toBe(width)
})

it('cuts at either end, and marks the cut', () => {
  expect([cut('node1.example', 6), cutStart('node1.example:0', 6)]).toEqual(['node1…', '…ple:0'])
  expect([cut('日本語', 4), cutStart('日本語', 4)]).toEqual(['日…', '…語'])
  expect([cut('abc', 3), cut('abc', 1), cut('abc', 0)]).toEqual(['abc', '…', ''])
})

it('never gives more than there is room for', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ' ', '語', '🎉', '\u0308') })
  fc.assert(
    fc.property(text, fc.nat(20), (given, width) => {
      expect(displayWidth(cut(given, width))).toBeLessThanOrEqual(width)
      expect(displayWidth(cutStart(given, width))).toBeLessThanOrEqual(width)
      if (displayWidth(given) <= width)
        expect([cut(given, width), cutStart(given, width)]).toEqual([given, given])
    }),
  )
})
