/** Texts that people are shown: what others wrote is made printable first. */

/** Control characters, and those that turn the direction of writing: a name must not draw on the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** The text with every unprintable character written out. */
export function printable(text: string): string {
  return text.replace(
    unprintable,
    (char) => named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** One word of a command line as a POSIX shell would read it back; also zsh, which looks `=name` up. */
export function shellQuote(word: string): string {
  return /^(?!=)[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** `1 task`, `3 tasks`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

const plain = /^[\u0020-\u007e]*$/
/** Drawn over the character before, or not at all. */
const widthless = /^[\p{Mn}\p{Me}\p{Cf}]$/u
/** What UAX #11 calls wide, near enough: CJK, its punctuation and full-width forms, and pictures. */
const wide =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]$/u

/** Columns that a printable text takes on a terminal. */
export function displayWidth(text: string): number {
  if (plain.test(text)) return text.length
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

function charWidth(char: string): number {
  return widthless.test(char) ? 0 : wide.test(char) ? 2 : 1
}

/** The text, or as much of its beginning as fits, and an ellipsis. `width` is in columns. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  return width < 1 ? '' : `${fitting([...text], width - 1).join('')}…`
}

/** The text, or an ellipsis and as much of its end as fits. */
export function cutStart(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  return width < 1
    ? ''
    : `…${fitting([...text].reverse(), width - 1)
        .reverse()
        .join('')}`
}

/** The first characters that fit. */
function fitting(chars: string[], width: number): string[] {
  let room = width
  const at = chars.findIndex((char) => {
    room -= charWidth(char)
    return room < 0
  })
  return at < 0 ? chars : chars.slice(0, at)
}
