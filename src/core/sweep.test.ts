import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { combinationsOf, parseSweep, type SweepMode, sizeOf, spanFiles, spanLines } from './sweep.ts'

function wordsOf(words: string[], mode: SweepMode = 'product', files?: Map<string, string[]>): string[][] {
  return [...combinationsOf(parseSweep(words, mode, files))].map((each) => each.words.map(({ text }) => text))
}

describe('a sweep', () => {
  it('is each with each, the last span fastest', () => {
    expect(wordsOf(['job', 'span:{1..2}', '--x=span:[a,b]'])).toEqual([
      ['job', '1', '--x=a'],
      ['job', '1', '--x=b'],
      ['job', '2', '--x=a'],
      ['job', '2', '--x=b'],
    ])
  })

  it('without a span is the command itself', () => {
    const sweep = parseSweep(['job', '', '--x'], 'product')
    expect([sweep.count, sweep.sizes]).toEqual([1, []])
    expect(wordsOf(['job', '', '--x'])).toEqual([['job', '', '--x']])
    expect(wordsOf(['job'], 'zip')).toEqual([['job']])
  })

  it('pairs spans of one length', () => {
    expect(wordsOf(['span:{1..3}', 'span:[a,b,c]'], 'zip')).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ])
    expect(() => parseSweep(['span:{1..3}', 'span:[a,b]'], 'zip')).toThrow(
      'cannot pair span:{1..3} (3 values) with span:[a,b] (2 values)',
    )
    expect(sizeOf(parseSweep(['span:{1..2}', 'span:[a,b]'], 'zip'), 'task')).toBe('2 tasks')
    expect(sizeOf(parseSweep(['span:{1..2}', 'span:[a,b]'], 'product'), 'task')).toBe('4 tasks (2 × 2)')
  })

  it('takes the lines of a file', () => {
    const words = ['--in=span:@list', 'span:@list']
    expect(spanFiles(words)).toEqual(['list'])
    expect(spanLines('a\nb c\r\n\nd')).toEqual(['a', 'b c', '', 'd'])
    expect(wordsOf(['--in=span:@list'], 'product', new Map([['list', ['a', 'b c']]]))).toEqual([
      ['--in=a'],
      ['--in=b c'],
    ])
    expect(() => parseSweep(words, 'product', new Map([['list', []]]))).toThrow('has no line')
  })

  it('keeps that a word is a number only where it is nothing else', () => {
    const [combination] = combinationsOf(
      parseSweep(['span:{1..1}', 'xspan:', '-span:{1..1}', '7'], 'product'),
    )
    expect(combination?.words.map(({ isNumber }) => isNumber)).toEqual([true, false, false, false])
    expect(combination?.values).toEqual(['1', '1'])
  })

  it('has as many as it says, all different, for all sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }), (sizes) => {
        const sweep = parseSweep(
          sizes.map((size) => `span:{1..${size}}`).flatMap((word) => [word, ',']),
          'product',
        )
        expect(sweep.sizes).toEqual(sizes)
        const all = [...combinationsOf(sweep)].map(({ values }) => values.join())
        expect(sweep.count).toBe(sizes.reduce((product, size) => product * size, 1))
        expect(new Set(all).size).toBe(sweep.count)
        // as nested loops have it
        expect(all).toEqual(all.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })))
      }),
    )
  })

  it('keeps every character that stands outside of spans, for all words', () => {
    const plain = fc.string().filter((text) => !text.includes('span:') && !/[A-Za-z0-9]$/.test(text))
    const after = fc.string().filter((text) => !`:${text}`.includes('span:'))
    fc.assert(
      fc.property(fc.array(fc.tuple(plain, after), { minLength: 1, maxLength: 3 }), (around) => {
        const words = around.map(([before, behind]) => `${before}span:[x,y]${behind}`)
        const last = around.map(([before, behind]) => `${before}y${behind}`)
        const sweep = parseSweep(words, 'product')
        expect(sweep.count).toBe(2 ** around.length)
        expect(sweep.at(sweep.count - 1).words.map(({ text }) => text)).toEqual(last)
      }),
    )
  })

  it('is made or refused in a sentence, for all words', () => {
    const piece = fc.constantFrom(
      'span:',
      'span:1',
      '{1..2}',
      '[a,b]',
      '@f',
      '..',
      '{',
      ']',
      '"',
      '_',
      'a',
      '-',
    )
    const word = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
    const files = new Map([['f', ['1', '2']]])
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), fc.boolean(), (words, isZip) => {
        try {
          const sweep = parseSweep(words, isZip ? 'zip' : 'product', files)
          expect([...combinationsOf(sweep)]).toHaveLength(sweep.count)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })

  it('of too many combinations is refused before anything is made', () => {
    expect(() => parseSweep(Array(4).fill('span:{1..1000}'), 'product')).toThrow('1000 × 1000 × 1000 × 1000')
    expect(parseSweep(['span:{1..1000}', 'span:{1..1000}'], 'product').count).toBe(1_000_000)
  })
})

describe('words that a shell has expanded', () => {
  it.each([
    [
      ['span:1', 'span:2', 'span:3'],
      [['1'], ['2'], ['3']],
    ],
    [
      ['--lr=span:1', '--lr=span:2'],
      [['--lr=1'], ['--lr=2']],
    ],
    [
      ['a_span:01_b', 'a_span:02_b'],
      [['a_01_b'], ['a_02_b']],
    ],
    [
      ['span:C', 'span:A'],
      [['C'], ['A']],
    ],
    [
      ['span:-2', 'span:0', 'span:2'],
      [['-2'], ['0'], ['2']],
    ],
    [
      ['span:1', 'span:2', 'fixed', 'span:[x]'],
      [
        ['1', 'fixed', 'x'],
        ['2', 'fixed', 'x'],
      ],
    ],
    [
      ['-a=span:1', '-a=span:2', '-b=span:1', '-b=span:2'],
      [
        ['-a=1', '-b=1'],
        ['-a=1', '-b=2'],
        ['-a=2', '-b=1'],
        ['-a=2', '-b=2'],
      ],
    ],
  ])('%j are the span again, and it is said', (words, combinations) => {
    expect(wordsOf(words)).toEqual(combinations)
    expect(parseSweep(words, 'product').notes[0]).toContain(`${words[0]} … `)
  })

  it.each([
    [['span:1', 'span:2', 'span:1', 'span:2']],
    [['span:1', 'span:2', 'span:5', 'span:6']],
    [['span:1-a', 'span:1-b', 'span:2-a', 'span:2-b']],
    [['span:1', 'span:x']],
    [['span:1', 'span:1']],
    [['span:1-span:3', 'span:2-span:3']],
  ])('%j could be several spans: quotes are asked for', (words) => {
    expect(() => parseSweep(words, 'product')).toThrow('cannot tell which spans')
  })

  it('are numbers where the range was of numbers, and only the value differs from the quoted span', () => {
    const expanded = ['f', 'span:1', 'span:2', 'n=span:5', 'n=span:6', 'span:a', 'span:b']
    const quoted = ['f', 'span:{1..2}', 'n=span:{5..6}', 'span:{a..b}']
    expect([...combinationsOf(parseSweep(expanded, 'product'))]).toEqual([
      ...combinationsOf(parseSweep(quoted, 'product')),
    ])
  })

  it('are what the quoted range is, for all ranges', () => {
    const end = fc.integer({ min: -30, max: 30 })
    fc.assert(
      fc.property(end, end, (from, to) => {
        const quoted = wordsOf(['x', `--n=span:{${from}..${to}}`])
        const expanded = quoted.map(([, word]) => String(word).replace('--n=', '--n=span:'))
        expect(wordsOf(['x', ...expanded])).toEqual(quoted)
      }),
    )
  })

  it('may be one alone, where that is a number or a letter', () => {
    expect(wordsOf(['job', '--n=span:1', 'span:a'])).toEqual([['job', '--n=1', 'a']])
    for (const word of ['span:1..5', 'span:a,b', 'span:'])
      expect(() => parseSweep(['job', word], 'product')).toThrow(AppError)
    expect(wordsOf(['job', 'timespan:5'])).toEqual([['job', 'timespan:5']])
  })
})

it('names the parameters by their options', () => {
  const words = [
    '--lr=span:[a]',
    '--n',
    'span:{1..1}',
    'k=span:[b]',
    'x-span:[c]',
    '--lr=span:[d]',
    '--n',
    'y',
  ]
  expect(parseSweep(['train', ...words], 'product').at(0).parameters).toEqual({
    lr: 'a',
    n: '1',
    k: 'b',
    arg5: 'c',
    lr_2: 'd',
  })
})
