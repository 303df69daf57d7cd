/** The words of a command as they are, also where they are empty, or have in them what no screen shows. */
import { printable, shellQuote } from '../../../../src/core/text.ts'

/** A part of a word. `isOdd`: not to be seen as it is, so it is written out. */
export interface Piece {
  text: string
  isOdd: boolean
  /** A line of the word ends here. */
  isEnd?: boolean
}

/** Longer words are cut on the screen. */
const shownChars = 4_000

/** What is shown of a word; `more`: so many characters are left out. */
export function piecesOf(word: string, chars = shownChars): { pieces: Piece[]; more: number } {
  const shown = word.slice(0, chars)
  const pieces: Piece[] = []
  let at = 0
  const push = (text: string, isOdd: boolean) => {
    const last = pieces.at(-1)
    if (text === '') return
    if (last?.isOdd === isOdd && last.isEnd !== true) last.text += text
    else pieces.push({ text, isOdd })
  }
  // blanks at the ends, tabs, and all that `printable` writes out
  for (const { 0: found, index } of shown.matchAll(/^ +| +$|[^\p{L}\p{N}\p{P}\p{S}\p{M} ]+/gu)) {
    push(shown.slice(at, index), false)
    for (const char of found) {
      const written = char === ' ' ? '·' : printable(char)
      push(written, written !== char)
      const last = pieces.at(-1)
      if (char === '\n' && last !== undefined) last.isEnd = true
    }
    at = index + found.length
  }
  push(shown.slice(at), false)
  return { pieces, more: word.length - shown.length }
}

/** Is there something in it that cannot be typed, or that turns the direction of writing? */
export function isOdd(word: string): boolean {
  return printable(word) !== word
}

/**
 * A line that a shell reads back as these words, without a character that a terminal would act upon: odd words are
 * written as `$'…'` (POSIX.1-2024 XCU 2.2.4; bash, zsh, ksh, busybox).
 */
export function typedLine(words: readonly string[]): string {
  return words.map((word) => (isOdd(word) ? dollarQuote(word) : shellQuote(word))).join(' ')
}

const bytes = new TextEncoder()

function dollarQuote(word: string): string {
  let text = ''
  for (const char of word) {
    if (char === '\n') text += '\\n'
    else if (char === '\t') text += '\\t'
    else if (char === "'" || char === '\\') text += `\\${char}`
    else if (isOdd(char))
      for (const byte of bytes.encode(char)) text += `\\${byte.toString(8).padStart(3, '0')}`
    else text += char
  }
  return `$'${text}'`
}

/** JSON that shows every character: what cannot be seen stands as `\u…`, which means the same. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) =>
      [...line]
        .map((char) => (isOdd(char) ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char))
        .join(''),
    )
    .join('\n')
}
