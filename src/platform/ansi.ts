/**
 * Task output is hostile bytes: on a terminal it may colour itself and nothing else. Passes whole characters of UTF-8,
 * line ends, tabs, carriage returns and SGR sequences (ECMA-48, section 8.3.117); drops every other escape sequence
 * and control character, also those that terminals take in one byte or one character (C1: ECMA-48, section 5.3). A
 * byte that belongs to no character is shown as U+FFFD.
 */

export interface AnsiFilter {
  /** What of these bytes a terminal may see. Sequences and characters may be cut anywhere between two calls. */
  push(chunk: Uint8Array): Uint8Array
  /** What is to come behind the last byte: the colours set back, where some were set. */
  end(): Uint8Array
}

const ESC = 0x1b
const BEL = 0x07
/** Longer than any honest sequence: after that, what follows is text again. */
const sequenceBytes = 4096
/** Longer than any honest colour. */
const colorBytes = 128
const replacement = [0xef, 0xbf, 0xbd]

type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape'

/** Makes a filter for one stream. `keepColors` false: SGR is dropped too. */
export function createAnsiFilter(keepColors: boolean): AnsiFilter {
  let state: State = 'text'
  let parameters: number[] = []
  /** Bytes of the sequence so far. */
  let length = 0
  /** Of a character that is not whole yet. */
  let char: number[] = []
  let isColored = false

  const enter = (next: State) => {
    state = next
    parameters = []
    length = 0
  }

  const takeCsi = (byte: number, out: number[]) => {
    if (byte === ESC) return enter('escape')
    if (byte >= 0x20 && byte <= 0x3f) {
      parameters.push(byte)
      return
    }
    // Only digits, `;` and `:`: `ESC [ > … m` and the like are no colours.
    const isColor =
      parameters.length <= colorBytes && parameters.every((each) => each >= 0x30 && each <= 0x3b)
    if (byte === 0x6d && keepColors && isColor) {
      out.push(ESC, 0x5b, ...parameters, byte)
      isColored = true
    }
    enter('text')
  }

  const takeEscape = (byte: number) => {
    if (byte === ESC) enter('escape')
    else if (byte === 0x5b) enter('csi')
    // DCS, SOS, OSC, PM, APC: a string up to ST (or BEL).
    else if ([0x50, 0x58, 0x5d, 0x5e, 0x5f].includes(byte)) enter('string')
    // ESC and intermediates, as in `ESC ( 0`: goes on to its final byte.
    else if (byte < 0x20 || byte > 0x2f) enter('text')
  }

  const takeString = (byte: number, out: number[]) => {
    if (byte === BEL || byte === 0x18 || byte === 0x1a) enter('text')
    else if (byte === ESC) state = 'string-escape'
    // An honest string has no line end; a log that lost its terminator must not swallow what follows.
    else if (byte === 0x0a) {
      enter('text')
      out.push(byte)
    }
  }

  /** A whole character of more than one byte. U+0080–U+009F are controls in one. */
  const takeChar = (out: number[]) => {
    const [lead = 0, second = 0] = char
    if (lead === 0xc2 && second <= 0x9f) takeC1(second)
    else out.push(...char)
    char = []
  }

  const takeC1 = (code: number) => {
    if (code === 0x9b) enter('csi')
    else if ([0x90, 0x98, 0x9d, 0x9e, 0x9f].includes(code)) enter('string')
  }

  const takeText = (byte: number, out: number[]) => {
    if (char.length > 0) {
      if (isNextOf(char, byte)) {
        char.push(byte)
        if (char.length === lengthOf(char[0] ?? 0)) takeChar(out)
        return
      }
      char = []
      out.push(...replacement)
    }
    if (byte === ESC) enter('escape')
    else if (byte < 0x80) {
      if (isPlainAscii(byte)) out.push(byte)
    } else if (lengthOf(byte) > 0) char.push(byte)
    else out.push(...replacement)
  }

  const take = (byte: number, out: number[]) => {
    if (state === 'text') return takeText(byte, out)
    length += 1
    if (length > sequenceBytes) {
      enter('text')
      return takeText(byte, out)
    }
    switch (state) {
      case 'escape':
        return takeEscape(byte)
      case 'csi':
        return takeCsi(byte, out)
      case 'string':
        return takeString(byte, out)
      case 'string-escape':
        return byte === 0x5c ? enter('text') : takeEscape(byte)
    }
  }

  return {
    push(chunk) {
      if (state === 'text' && char.length === 0 && chunk.every(isPlainAscii)) return chunk
      const out: number[] = []
      for (const byte of chunk) take(byte, out)
      return Uint8Array.from(out)
    },
    end() {
      const out = char.length > 0 ? [...replacement] : []
      char = []
      if (isColored) out.push(ESC, 0x5b, 0x30, 0x6d)
      isColored = false
      return Uint8Array.from(out)
    },
  }
}

/** A text of others as a terminal may see it: what was read from the host, and messages that repeat it. */
export function terminalText(text: string): string {
  // nothing but characters that are shown, and line ends
  if (!/[^\n\t\u0020-\u007e\u00a0-\uffff]/.test(text)) return text
  const filter = createAnsiFilter(true)
  const shown = Buffer.concat([filter.push(Buffer.from(text)), filter.end()])
  return shown.toString()
}

/** The same for JSON: still the same value. */
export function terminalJson(text: string): string {
  return text.replace(/[\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Bytes of the character that begins with this one (RFC 3629, section 4); 0: none does. */
function lengthOf(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2
  if (lead >= 0xe0 && lead <= 0xef) return 3
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0
}

/** May this byte follow? What would be a longer form, a surrogate or beyond U+10FFFF is no character. */
function isNextOf(char: readonly number[], byte: number): boolean {
  const [lead = 0] = char
  const from = char.length > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const to = char.length > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  return byte >= from && byte <= to
}

/** Shown as it is: characters, tab, line feed, carriage return. A backspace would rub out what stands before. */
function isPlainAscii(byte: number): boolean {
  if (byte >= 0x20) return byte < 0x7f
  return byte === 0x09 || byte === 0x0a || byte === 0x0d
}
