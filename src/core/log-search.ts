/** What to look for in the bytes of a log. */

export interface BytePattern {
  /** On bytes as characters of one byte each (latin1). Global: `lastIndex` says where to begin. */
  pattern: RegExp
  /** The longest match. */
  maxBytes: number
  /** So many bytes can be searched at a time: some milliseconds also in the worst case, a text nearly like the one sought. */
  pieceBytes: number
}

/** Comparisons of a byte, of which some hundred take a microsecond. */
const stepsPerPiece = 1024 * 1024

/**
 * A pattern for a text in UTF-8. Without `matchCase` each letter stands for its capital and its small form, as far as
 * these are one letter each ("ß" is not "SS"). Alternatives of fixed length alone: it cannot run away.
 */
export function bytePattern(text: string, matchCase: boolean): BytePattern {
  let source = ''
  let maxBytes = 0
  for (const char of text.toWellFormed()) {
    const forms = [...new Set(matchCase ? [char] : formsOf(char))].map(utf8)
    maxBytes += Math.max(...forms.map(({ length }) => length))
    source += oneOf(forms)
  }
  const pieceBytes = Math.max(2 * 1024, Math.min(64 * 1024, Math.floor(stepsPerPiece / maxBytes)))
  return { pattern: new RegExp(source, 'g'), maxBytes, pieceBytes }
}

function formsOf(char: string): string[] {
  return [char, char.toLowerCase(), char.toUpperCase()].filter((form) => [...form].length === 1)
}

/** The bytes of one character. */
function utf8(char: string): number[] {
  const code = char.codePointAt(0)!
  if (code < 0x80) return [code]
  return encodeURIComponent(char)
    .slice(1)
    .split('%')
    .map((hex) => Number.parseInt(hex, 16))
}

/** A set of bytes where it can be: that is found several times faster than alternatives. */
function oneOf(forms: readonly number[][]): string {
  const sources = forms.map((form) => form.map(escaped).join(''))
  if (sources.length === 1) return sources[0]!
  return forms.every(({ length }) => length === 1) ? `[${sources.join('')}]` : `(?:${sources.join('|')})`
}

function escaped(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
