import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { readShellWords, splitShellWords } from './shell-words.ts'
import { shellQuote } from './text.ts'

describe('the words of a line', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['  \n ', []],
    ['a  b\tc \n', ['a', 'b', 'c']],
    [`'a b'"c d"e`, ['a bc de']],
    [`'' ""`, ['', '']],
    [`"\\"\\\\\\$\\\`" "\\n"`, ['"\\$`', '\\n']],
    ['a\\ b \\$x', ['a b', '$x']],
    ['a \\\n  b \\\r\n c', ['a', 'b', 'c']],
    ['a\\\nb "c\\\nd"', ['ab', 'cd']],
    [`'a\nb' "c\nd"`, ['a\nb', 'c\nd']],
    ['a#b a~b {} }x %^,=', ['a#b', 'a~b', '{}', '}x', '%^,=']],
    [`"it's!" 'say "$HOME" \\'`, ["it's!", 'say "$HOME" \\']],
  ])('%j', (text, words) => {
    expect(splitShellWords(text)).toEqual(words)
  })

  it('are told with their places', () => {
    expect(readShellWords(` a 'b c' "d"`)).toEqual([
      { text: 'a', at: 1 },
      { text: 'b c', at: 3 },
      { text: 'd', at: 9 },
    ])
  })

  it.each<[string, string]>([
    [
      'run $HOME',
      `column 5: a shell would put a value here in place of "$"; put the word in single quotes: '$HOME'`,
    ],
    ['run "$HOME"', 'column 6: a shell would put a value here in place of "$", in double quotes too'],
    ['run `id`', 'column 5: a shell would run a command here'],
    [
      'run *.txt',
      `column 5: a shell would look for files because of "*"; put the word in single quotes: '*.txt'`,
    ],
    ['é ~/x', 'column 3: a shell would put a home directory here'],
    ['x=~/x', 'column 3: a shell would put a home directory here'],
    ['a # b', 'column 3: a shell would skip all'],
    ['a; b', 'column 2: a shell would end the command at ";"'],
    [
      'a span:{1..3}',
      `column 8: many shells would make several words here because of "{"; put the word in single quotes: 'span:{1..3}'`,
    ],
    ['a b!', 'column 4'],
    ['a > b', 'column 3'],
    ['a (b)', 'column 3'],
    ['a\nb', 'column 2: a new line begins another command; end the line with \\ to go on'],
    ["a 'b", "column 3: this quote is not closed: write '"],
    ['a \\\n "b', 'line 2, column 2: this quote is not closed: write "'],
    ['a \\', 'column 3: nothing follows the last "\\"'],
  ])('%j is refused with its place', (text, words) => {
    expect(() => splitShellWords(text)).toThrow(AppError)
    expect(() => splitShellWords(text)).toThrow(`cannot read the command line at ${words}`)
  })

  it('read back whatever was quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
        expect(splitShellWords(words.map(shellQuote).join(' '))).toEqual(words)
      }),
      { numRuns: 1_000 },
    )
  })

  it('are those of a real shell wherever there are any', () => {
    const piece = fc.constantFrom(
      'a', 'b', ' ', ' ', '\\', "'", '"', '\n', '$', '`', '*', '#', '~', '{', '}', '!', '=', ';', 'é', '\t', '[', '?',
    ) // biome-ignore format: a list
    let compared = 0
    const script = 'set -f; f() { for w; do printf "%s\\0" "$w"; done; }; '
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
        (line) => {
          let words: string[]
          try {
            words = splitShellWords(line)
          } catch {
            return
          }
          const read = execFileSync('sh', ['-c', `${script}f ${line.trimStart()}`], { encoding: 'utf8' })
          expect(read.split('\0').slice(0, -1)).toEqual(words)
          compared += 1
        },
      ),
      { numRuns: 1_000 },
    )
    expect(compared).toBeGreaterThan(100)
  })
})
