/**
 * Task output is hostile bytes: on a terminal it may colour itself and nothing else. Passes text, line ends, tabs
 * and SGR sequences (ECMA-48, section 8.3.117); drops every other escape sequence and control character.
 */

export interface AnsiFilter {
  /** What of these bytes a terminal may see. Sequences may be cut anywhere between two calls. */
  push(chunk: Uint8Array): Uint8Array
  /** Sets the colours back, where some were set. */
  end(): Uint8Array
}

const ESC = 0x1b
const BEL = 0x07
/** Longer than any honest sequence: after that, what follows is text again. */
const sequenceBytes = 4096

type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape' | 'c1'

/** Makes a filter for one stream. `keepColors` false: SGR is dropped too. */
export function createAnsiFilter(keepColors: boolean): AnsiFilter {
  let state: State = 'text'
  let parameters: number[] = []
  let length = 0
  let isColored = false

  const leave = () => {
    state = 'text'
    parameters = []
    length = 0
  }

  const takeCsi = (byte: number, out: number[]) => {
    if (byte >= 0x20 && byte <= 0x3f) {
      parameters.push(byte)
      return
    }
    // Only digits, `;` and `:`: `ESC [ > … m` and the like are no colours.
    if (byte === 0x6d && keepColors && parameters.every((each) => each >= 0x30 && each <= 0x3b)) {
      out.push(ESC, 0x5b, ...parameters, byte)
      isColored = true
    }
    leave()
  }

  const takeEscape = (byte: number) => {
    if (byte === 0x5b) state = 'csi'
    // DCS, SOS, OSC, PM, APC: a string up to ST (or BEL).
    else if ([0x50, 0x58, 0x5d, 0x5e, 0x5f].includes(byte)) state = 'string'
    // ESC and intermediates, as in `ESC ( 0`: goes on to its final byte.
    else if (byte < 0x20 || byte > 0x2f) leave()
  }

  const takeString = (byte: number, out: number[]) => {
    if (byte === BEL || byte === 0x18 || byte === 0x1a) leave()
    else if (byte === ESC) state = 'string-escape'
    // An honest string has no line end; a log that lost its terminator must not swallow what follows.
    else if (byte === 0x0a) {
      leave()
      out.push(byte)
    }
  }

  /** U+0080–U+009F in UTF-8 are `C2 80`–`C2 9F`: the same controls in one character. */
  const takeC1 = (byte: number, out: number[]) => {
    if (byte >= 0x80 && byte <= 0x9f) {
      leave()
      if (byte === 0x9b) state = 'csi'
      else if ([0x90, 0x98, 0x9d, 0x9e, 0x9f].includes(byte)) state = 'string'
      return
    }
    leave()
    out.push(0xc2)
    takeText(byte, out)
  }

  const takeText = (byte: number, out: number[]) => {
    if (byte === ESC) state = 'escape'
    else if (byte === 0xc2) state = 'c1'
    else if (byte >= 0x20 ? byte !== 0x7f : isPlainControl(byte)) out.push(byte)
  }

  const take = (byte: number, out: number[]) => {
    if (state === 'text') return takeText(byte, out)
    length += 1
    if (length > sequenceBytes) {
      leave()
      return takeText(byte, out)
    }
    switch (state) {
      case 'escape':
        return takeEscape(byte)
      case 'csi':
        return byte === ESC ? restart() : takeCsi(byte, out)
      case 'string':
        return takeString(byte, out)
      case 'string-escape':
        return byte === 0x5c ? leave() : restartWith(byte)
      case 'c1':
        return takeC1(byte, out)
    }
  }

  const restart = () => {
    leave()
    state = 'escape'
  }
  const restartWith = (byte: number) => {
    restart()
    takeEscape(byte)
  }

  return {
    push(chunk) {
      if (state === 'text' && isPlain(chunk)) return chunk
      const out: number[] = []
      for (const byte of chunk) take(byte, out)
      return Uint8Array.from(out)
    },
    end: () => (isColored ? Uint8Array.from([ESC, 0x5b, 0x30, 0x6d]) : new Uint8Array()),
  }
}

/** Backspace, tab, line feed, carriage return. */
function isPlainControl(byte: number): boolean {
  return byte === 0x08 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

function isPlain(chunk: Uint8Array): boolean {
  return chunk.every((byte) => (byte >= 0x20 ? byte !== 0x7f && byte !== 0xc2 : isPlainControl(byte)))
}
