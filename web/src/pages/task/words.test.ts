import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isOdd, piecesOf, shownJson, typedLine } from './words.ts'

const told = (word: string) =>
  piecesOf(word)
    .pieces.map(({ text, isOdd }) => (isOdd ? `[${text}]` : text))
    .join('')

describe('a word on the screen', () => {
  it.each([
    ['plain', 'plain'],
    ['two words', 'two words'],
    [' led', '[·]led'],
    ['led  ', 'led[··]'],
    ['   ', '[···]'],
    ['a\nb\tc', 'a[\\n]b[\\t]c'],
    ['\u001b[31mred', '[\\x1b][31mred'],
    ['abc\u202edcba', 'abc[\\x202e]dcba'],
    ['größe 東京 ✓', 'größe 東京 ✓'],
    ['', ''],
  ])('%j is told', (word, text) => expect(told(word)).toBe(text))

  it('of several lines has them one below the other', () => {
    const { pieces } = piecesOf('a\nb\n\nc')
    const lines = pieces.map(({ text, isEnd }) => `${text}${isEnd === true ? '|' : ''}`).join('')
    expect(lines).toBe('a\\n|b\\n|\\n|c')
  })

  it('is cut where it is long', () => {
    expect(piecesOf('x'.repeat(50), 10)).toEqual({
      pieces: [{ text: 'x'.repeat(10), isOdd: false }],
      more: 40,
    })
  })

  it('never has a character in it that a screen acts upon', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (word) => {
        expect(piecesOf(word).pieces.some(({ text }) => isOdd(text))).toBe(false)
      }),
    )
  })
})

describe('a line to be typed', () => {
  it('is quoted only where it has to be', () => {
    expect(typedLine(['sh', '-c', 'exit 1'])).toBe("sh -c 'exit 1'")
    expect(typedLine(['echo', "it's\n", ''])).toBe("echo $'it\\'s\\n' ''")
  })

  it('is read by a shell as the same words, and acts upon no terminal', () => {
    // without what no argument can be: NUL, and half of a pair
    const word = fc
      .string({ unit: 'binary', maxLength: 12 })
      .filter((text) => !text.includes('\0') && text.isWellFormed())
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const line = typedLine(words)
        expect(isOdd(line)).toBe(false)
        const read = execFileSync('bash', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
        expect(read.split('\0').slice(0, -1)).toEqual(words)
      }),
      { numRuns: 60 },
    )
  })
})

it('shows JSON that means the same, with nothing unseen in it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const shown = shownJson({ value, text })
      expect(JSON.parse(shown)).toEqual(JSON.parse(JSON.stringify({ value, text })))
      expect(shown.split('\n').some(isOdd)).toBe(false)
    }),
  )
})
