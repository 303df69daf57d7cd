/**
 * What a line has besides its text: of all that a terminal would obey only colours and decorations are kept, and what
 * overwrites within the line. Moves of the cursor, titles, links and cleared screens are dropped, never carried out. Pure.
 */

/** Is there anything in it that is not plain text? Also signs that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const special = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/

export function isPlain(text: string): boolean {
  return !special.test(text)
}

/** Does it set colours or decorations? Only then the lines behind it may look other than by themselves. */
export function hasStyles(text: string): boolean {
  return text.includes('\x1b[') || text.includes('\x9b')
}

/*
 * ECMA-48: control sequences (`ESC [`), strings (`ESC ]` and others, up to BEL or ST), and escapes of two or three
 * characters. A string without an end would hide the rest of its line: only its beginning is dropped.
 */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c))?|\x1b[ -/]*[0-~]/g

/** Stands for "erase from here to the end of the line"; a line has no line feed of its own. */
export const eraseMark = '\n'

/**
 * The line with nothing but text, single SGR sequences (`ESC [ … m`), what overwrites (`\r`, `\b`, `eraseMark`), and
 * control characters that no terminal draws.
 */
export function cleaned(line: string): string {
  const text = line.replaceAll(eraseMark, '')
  return text.replace(sequences, (_, params: string | undefined, between: string, final: string) => {
    if (params === undefined || between !== '') return ''
    if (final === 'm') return [...singleStyles(params)].map((style) => `\x1b[${style}m`).join('')
    if (final !== 'K') return ''
    // after the erasure of a whole line its text begins anew, as a rule by a carriage return
    return params === '2' ? `\r${eraseMark}` : /^0?$/.test(params) ? eraseMark : ''
  })
}

/** `1;38;5;208` to `1` and `38;5;208`, with the forms that the parser does not know in those that it does. */
export function* singleStyles(params: string): Generator<string> {
  if (!/^[\d;:]*$/.test(params)) return // private ones
  const parts = params.split(';')
  while (parts.length > 0) {
    const part = parts.shift() ?? ''
    const [code = '', ...sub] = part.split(':')
    if (code === '38' || code === '48') yield* colourOf(code, sub.length > 0 ? sub : takeColour(parts))
    else if (code === '4') yield sub[0] === '0' ? '24' : '4'
    else if (code === '21') yield '4'
    else yield code === '' ? '0' : String(Number(code))
  }
}

function takeColour(parts: string[]): string[] {
  const mode = parts.shift() ?? ''
  return [mode, ...parts.splice(0, mode === '2' ? 3 : mode === '5' ? 1 : 0)]
}

/** ISO 8613-6 has a colour space before the three: `2::r:g:b`. */
function* colourOf(code: string, [mode, ...values]: string[]): Generator<string> {
  if (mode === '5' && values[0] !== undefined) yield `${code};5;${byteOf(values[0])}`
  const rgb = values.length > 3 ? values.slice(1, 4) : values
  if (mode === '2' && rgb.length === 3) yield `${code};2;${rgb.map(byteOf).join(';')}`
}

function byteOf(text: string): number {
  return Math.min(255, Number(text) || 0)
}
