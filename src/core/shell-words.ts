/**
 * The words of a command line as a POSIX shell reads them (POSIX.1-2024 XCU 2.2). Nothing is expanded and nothing is
 * done: what a shell would expand or act upon is an error that says where, and what to write instead. `shellQuote`
 * writes a word that this reads back.
 */
import { AppError } from './errors.ts'
import { printable, shellQuote } from './text.ts'

/** A word, and where it begins in the text, in UTF-16 units from 0. */
export interface ShellWord {
  text: string
  at: number
}

/** The words of one command. @throws AppError `invalid_request` that names the column; details `at`, `fix` */
export function splitShellWords(text: string): string[] {
  return readShellWords(text).map((word) => word.text)
}

/** The same, each with its place. */
export function readShellWords(text: string): ShellWord[] {
  return new Reader(text).words()
}

/** A sentence about one place of a line. Columns count characters from 1. */
export function badLine(text: string, at: number, why: string, fix?: string): AppError {
  const before = text.slice(0, at).split('\n')
  const column = [...(before.at(-1) ?? '')].length + 1
  const place = before.length > 1 ? `line ${before.length}, column ${column}` : `column ${column}`
  const told = fix === undefined ? '' : `; ${fix}`
  return new AppError('invalid_request', `cannot read the command line at ${place}: ${why}${told}`, {
    details: { at, ...(fix !== undefined && { fix }) },
  })
}

/** What a shell does with these where they are not quoted. */
const actions: Record<string, string> = {
  $: 'a shell would put a value here in place of "$"',
  '`': 'a shell would run a command here because of "`"',
  '*': 'a shell would look for files because of "*"',
  '?': 'a shell would look for files because of "?"',
  '[': 'a shell would look for files because of "["',
  '{': 'many shells would make several words here because of "{"',
  '~': 'a shell would put a home directory here in place of "~"',
  '#': 'a shell would skip all from "#" on',
  '!': 'many shells would put an earlier command here in place of "!"',
  ';': 'a shell would end the command at ";"',
  '|': 'a shell would end the command at "|"',
  '&': 'a shell would end the command at "&"',
  '<': 'a shell would read a file because of "<"',
  '>': 'a shell would write a file because of ">"',
  '(': 'a shell would not take "(" as a part of a word',
  ')': 'a shell would not take ")" as a part of a word',
}

const blank = /[ \t\r]/

class Reader {
  readonly #text: string
  readonly #words: ShellWord[] = []
  #at = 0
  /** Where the word began that is being read; null: between words. */
  #start: number | null = null
  #word = ''

  constructor(text: string) {
    this.#text = text
  }

  words(): ShellWord[] {
    while (this.#at < this.#text.length) this.#step()
    this.#end()
    return this.#words
  }

  #step(): void {
    const char = this.#text[this.#at] ?? ''
    if (char === '\\') return this.#escape()
    if (char === '\n') return this.#newLine()
    if (blank.test(char)) {
      this.#end()
      this.#at += 1
      return
    }
    this.#start ??= this.#at
    if (char === "'") return this.#single()
    if (char === '"') return this.#double()
    if (this.#isActedUpon(char)) throw this.#unquoted(actions[char] ?? '')
    this.#word += char
    this.#at += 1
  }

  #isActedUpon(char: string): boolean {
    if (!Object.hasOwn(actions, char)) return false
    const before = this.#at === this.#start ? undefined : this.#text[this.#at - 1]
    if (char === '#') return before === undefined
    if (char === '~') return before === undefined || before === '=' || before === ':'
    return char !== '{' || this.#text[this.#at + 1] !== '}'
  }

  #end(): void {
    if (this.#start !== null) this.#words.push({ text: this.#word, at: this.#start })
    this.#start = null
    this.#word = ''
  }

  /** A line ends the command; empty ones around it do not count. */
  #newLine(): void {
    this.#end()
    const at = this.#at
    this.#at += 1
    if (this.#words.length === 0 || this.#text.slice(at).trim() === '') return
    throw badLine(this.#text, at, 'a new line begins another command', 'end the line with \\ to go on')
  }

  #escape(): void {
    const ending = /^\\\r?\n/.exec(this.#text.slice(this.#at, this.#at + 3))
    if (ending !== null) {
      this.#at += ending[0].length
      return
    }
    const start = this.#at
    this.#start ??= start
    const next = this.#text[start + 1]
    if (next === undefined)
      throw badLine(this.#text, start, 'nothing follows the last "\\"', 'write \\\\ for a backslash')
    this.#word += next
    this.#at += 2
  }

  #single(): void {
    const close = this.#text.indexOf("'", this.#at + 1)
    if (close < 0) throw badLine(this.#text, this.#at, "this quote is not closed: write '")
    this.#word += this.#text.slice(this.#at + 1, close)
    this.#at = close + 1
  }

  #double(): void {
    const open = this.#at
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const char = this.#text[this.#at] ?? ''
      const next = this.#text[this.#at + 1]
      if (char === '"') {
        this.#at += 1
        return
      }
      if (char === '$' || char === '`') throw this.#unquoted(`${actions[char]}, in double quotes too`)
      if (char === '\\' && next !== undefined && '$`"\\\n'.includes(next)) {
        if (next !== '\n') this.#word += next
        this.#at += 1
      } else this.#word += char
    }
    throw badLine(this.#text, open, 'this quote is not closed: write "')
  }

  #unquoted(why: string): AppError {
    const { text } = this.#wholeWord()
    const plain = text.length <= 40 && !/['"\\]/.test(text) ? `: ${printable(shellQuote(text))}` : ''
    return badLine(this.#text, this.#at, why, `put the word in single quotes${plain}`)
  }

  /** All up to the next blank. */
  #wholeWord(): { text: string } {
    const start = this.#start ?? this.#at
    return { text: /^\S*/.exec(this.#text.slice(start))?.[0] ?? '' }
  }
}
