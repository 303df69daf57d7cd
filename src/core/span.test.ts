import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { parseWord } from './span.ts'

/** The texts of a word's only span. */
function valuesOf(word: string): string[] {
  const [part] = parseWord(word)
  if (part?.kind !== 'axis') throw new Error(`${word} has no values`)
  return Array.from({ length: part.axis.count }, (_, index) => part.axis.at(index).text)
}

describe('a range', () => {
  it.each([
    ['1..3', ['1', '2', '3']],
    ['3..1', ['3', '2', '1']],
    ['-1..1', ['-1', '0', '1']],
    ['0..100..50', ['0', '50', '100']],
    ['10..0..-4', ['10', '6', '2']],
    ['01..10..3', ['01', '04', '07', '10']],
    ['-05..5..5', ['-05', '000', '005']],
    ['7..7', ['7']],
    ['A..D', ['A', 'B', 'C', 'D']],
    ['e..a..2', ['e', 'c', 'a']],
    ['0.1..0.5..0.1', ['0.1', '0.2', '0.3', '0.4', '0.5']],
    ['0..1..0.25', ['0.00', '0.25', '0.50', '0.75', '1.00']],
    ['0.3..-0.1..0.2', ['0.3', '0.1', '-0.1']],
    ['1..2..5', ['1']],
  ])('%s', (range, values) => {
    expect(valuesOf(`span:{${range}}`)).toEqual(values)
  })

  it('knows numbers from letters', () => {
    const isNumber = (word: string) =>
      parseWord(word).map((part) => part.kind === 'axis' && part.axis.at(0).isNumber)
    expect([isNumber('span:{1..2}'), isNumber('span:{a..b}'), isNumber('span:[1,2]')]).toEqual([
      [true],
      [false],
      [false],
    ])
  })

  it('is exact and as long as it says, for all decimals', () => {
    const decimal = fc.tuple(fc.integer({ min: -60, max: 60 }), fc.integer({ min: 0, max: 2 }))
    const text = (whole: number, decimals: number) => (whole / 10 ** decimals).toFixed(decimals)
    fc.assert(
      fc.property(
        decimal,
        decimal,
        fc.tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: 0, max: 3 })),
        (...all) => {
          const [first, last, step] = all.map(([whole, decimals]) => text(whole, decimals))
          const [from, to, by] = all.map(([whole, decimals]) => whole * 10 ** (3 - decimals)) as [
            number,
            number,
            number,
          ]
          const values = valuesOf(`span:{${first}..${last}..${step}}`)
          const wanted = Math.floor(Math.abs(to - from) / by) + 1
          expect(values).toHaveLength(wanted)
          for (const [index, value] of values.entries())
            expect(Math.round(Number(value) * 1000)).toBe(from + Math.sign(to - from) * by * index)
          expect(new Set(values).size).toBe(wanted)
        },
      ),
    )
  })

  it('of a million takes no time', () => {
    const [part] = parseWord('span:{1..1000000000}')
    expect(part?.kind === 'axis' && part.axis.at(999_999_999).text).toBe('1000000000')
  })
})

describe('a list', () => {
  it.each([
    ['a,b', ['a', 'b']],
    ['a, b ,c', ['a', 'b', 'c']],
    ['one two,three', ['one two', 'three']],
    ['"a, b",""', ['a, b', '']],
    [`' x ', y`, [' x ', 'y']],
    ['"say \\"hi\\"","back\\\\slash"', ['say "hi"', 'back\\slash']],
    [`'it''`, null],
    ['[1,2],[3,4]', ['[1,2]', '[3,4]']],
    ['{"a":[1,2]},x', ['{"a":[1,2]}', 'x']],
    ["don't,x", ["don't", 'x']],
  ])('[%s]', (list, values) => {
    if (values === null) expect(() => parseWord(`span:[${list}]`)).toThrow(AppError)
    else expect(valuesOf(`span:[${list}]`)).toEqual(values)
  })

  it('gives back whatever was quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (items) => {
        const quoted = items.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`)
        expect(valuesOf(`span:[${quoted.join(',')}]`)).toEqual(items)
      }),
    )
  })
})

describe('a word', () => {
  it('keeps what stands around its spans', () => {
    const kinds = parseWord('--lr=span:[0.1,0.01]_span:{1..2}.txt').map((part) =>
      part.kind === 'text' ? part.text : part.kind,
    )
    expect(kinds).toEqual(['--lr=', 'axis', '_', 'axis', '.txt'])
  })

  it.each([
    ['span::{1..2}', 'span:{1..2}'],
    ['a span::', 'a span:'],
    ['timespan:5', 'timespan:5'],
    ['Span:{1..2}', 'Span:{1..2}'],
    ['plain', 'plain'],
  ])('%s is plain text', (word, text) => {
    expect(parseWord(word)).toEqual([{ kind: 'text', text }])
  })

  it('names a file to its end', () => {
    expect(parseWord('--in=span:@dir/a b.txt')).toEqual([
      { kind: 'text', text: '--in=' },
      { kind: 'file', path: 'dir/a b.txt' },
    ])
  })
})

describe('a wrong span', () => {
  it.each([
    ['span:', 'missing', 5],
    ['span:x', 'write {first..last}', 5],
    ['span:{1..2', 'not closed', 10],
    ['span:{}', 'write a range like', 6],
    ['span:{1..}', 'write a range like', 6],
    ['span:{32,64}', 'write a list in brackets: span:[32,64]', 5],
    ['span:{1..x}', '"x" is neither', 9],
    ['span:{A..z}', 'within A..Z', 9],
    ['span:{a..e..0.5}', 'whole number', 12],
    ['span:{1..2..0}', 'may not be 0', 12],
    ['span:{1..2..3..4}', 'no more', 6],
    ['span:{0.1..0.5}', 'needs a step', 14],
    ['span:{1..2000000000}', 'more than', 6],
    ['span:[', 'not closed', 6],
    ['span:[]', 'item is missing', 6],
    ['span:[a,,b]', 'item is missing', 8],
    ['span:["a]', 'quote is not closed', 6],
    ['span:["a"b]', 'comes , or ]', 9],
    ['span:@', 'file is missing', 6],
  ])('%s is told with a mark under the character', (word, why, at) => {
    let error: unknown
    try {
      parseWord(`x=${word}`)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(AppError)
    const { message, details } = error as AppError
    expect(message).toContain(why)
    const [shown, caret] = String(details?.fix).split('\n')
    expect([shown, caret?.indexOf('^')]).toEqual([`x=${word}`, 2 + 2 + at])
  })

  it('has its mark below the right character, whatever stands before it', () => {
    for (const before of ['😀é', 'x'.repeat(500), '\u202e\n']) {
      let fix = ''
      try {
        parseWord(`${before}=span:{1..%}`)
      } catch (error) {
        fix = error instanceof AppError ? String(error.details?.fix) : ''
      }
      const [shown = '', caret = ''] = fix.split('\n')
      expect([...shown][caret.indexOf('^') - 2]).toBe('%')
      expect(shown).not.toMatch(/\p{C}/u)
    }
  })

  it('never fails in another way', () => {
    const piece = fc.oneof(
      fc.constantFrom('span:', '{', '}', '[', ']', '..', ',', '"', "'", '@', ':', '-', '0.1'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          parseWord(pieces.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })
})
