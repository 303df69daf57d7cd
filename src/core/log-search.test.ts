import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, textPieces } from './bytes.suite.ts'
import { bytePattern } from './log-search.ts'

const logTexts = fc.array(fc.constantFrom(...textPieces), { maxLength: 60 }).map((parts) => parts.join(''))

function firstOf(text: string, sought: string, matchCase: boolean): number {
  const latin1 = Buffer.from(bytesOf(text)).toString('latin1')
  return bytePattern(sought, matchCase).pattern.exec(latin1)?.index ?? -1
}

const sought = fc.array(fc.constantFrom('a', 'b', 'A', 'ä', 'Ä', 'ß', '€', '😀', '.', '(', '\\', '\r'), {
  minLength: 1,
  maxLength: 4,
})

describe('a text that is searched for in bytes', () => {
  it('is found where a search of bytes for its own would find it', () => {
    fc.assert(
      fc.property(logTexts, sought, (text, chars) => {
        const bytes = Buffer.from(text)
        expect(firstOf(text, chars.join(''), true)).toBe(bytes.indexOf(chars.join('')))
      }),
    )
  })

  it('is found in any case where both are made small, for what is one letter small and large', () => {
    fc.assert(
      fc.property(logTexts, sought, (text, chars) => {
        const at = firstOf(text, chars.join(''), false)
        const small = Buffer.from(text.toLowerCase()).indexOf(chars.join('').toLowerCase())
        expect(at).toBe(small)
      }),
    )
  })

  it('knows its longest match', () => {
    fc.assert(
      fc.property(sought, (chars) => {
        const { maxBytes } = bytePattern(chars.join(''), false)
        expect(maxBytes).toBe(bytesOf(chars.join('')).length)
      }),
    )
    // the Kelvin sign takes three bytes, and is a k of one
    expect(bytePattern('\u212a', false).maxBytes).toBe(3)
  })

  it('is not found in a form of several letters, nor in half a character', () => {
    expect(firstOf('SS', 'ß', false)).toBe(-1)
    expect(firstOf('Ã', 'ä', false)).toBe(-1)
    expect(firstOf('ÀÉ', 'àé', false)).toBe(0)
  })

  it('is searched for in pieces that are short where it is long', () => {
    expect(bytePattern('error', false).pieceBytes).toBe(64 * 1024)
    const { pieceBytes, maxBytes } = bytePattern('ä'.repeat(200), false)
    expect(pieceBytes * maxBytes).toBeLessThanOrEqual(1024 * 1024)
  })
})
