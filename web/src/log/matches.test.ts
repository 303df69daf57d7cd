import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutAt, matchesIn, matchPattern } from './matches.ts'

function shown(pieces: string[], sought: string, matchCase = false): string {
  const pattern = matchPattern(sought, matchCase)
  const spans = pattern === null ? [] : matchesIn(pieces.join(''), pattern)
  return cutAt(
    pieces.map((text) => ({ text })),
    spans,
  )
    .map(({ text, isMatch }) => (isMatch ? `[${text}]` : text))
    .join('')
}

describe('what is sought in a line', () => {
  it('is found as it stands there, in any case or in this one', () => {
    expect(shown(['an Error, an ERROR'], 'error')).toBe('an [Error], an [ERROR]')
    expect(shown(['an Error, an ERROR'], 'ERROR', true)).toBe('an Error, an [ERROR]')
    expect(shown(['Größe GRÖSSE größe'], 'größe')).toBe('[Größe] GRÖSSE [größe]')
    expect(shown(['a.b a+b (a) [a] $a'], 'a+b')).toBe('a.b [a+b] (a) [a] $a')
    expect(shown(['C:\\x/y-z'], '\\x/y-z')).toBe('C:[\\x/y-z]')
    expect(matchPattern('', false)).toBeNull()
  })

  it('may go over pieces of several colours', () => {
    expect(shown(['out of ', 'mem', 'ory: out'], 'of memory')).toBe('out [of ][mem][ory]: out')
  })

  it('leaves no character out', () => {
    const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '🎉') }), { maxLength: 6 })
    fc.assert(
      fc.property(pieces, fc.constantFrom('a', 'ab', 'b a', '🎉'), (pieces, sought) => {
        expect(shown(pieces, sought).replace(/[[\]]/g, '')).toBe(pieces.join(''))
      }),
    )
  })

  it('marks no more of a line than anybody looks at', () => {
    expect(matchesIn('a'.repeat(8_000), /a/g)).toHaveLength(200)
  })
})
