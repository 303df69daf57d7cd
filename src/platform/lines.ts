/** The output of several tasks on one sink: cut into whole lines, so that no line of one is torn by another's. */
import { createAnsiFilter } from './ansi.ts'

/** Takes bytes in any pieces. */
export interface LineWriter {
  write(chunk: Uint8Array): Promise<void>
  /** Writes what is left of a last line that has no end. */
  finish(): Promise<void>
}

/** A longer line is cut into lines of so many bytes: it may have no end at all. */
export const lineBytes = 64 * 1024

const lineFeed = 0x0a
const lineEnd = Uint8Array.of(lineFeed)

/**
 * Makes a writer that hands on whole lines, all of one chunk at once, each as `format` makes it.
 * `format` is given the line without its end, and gives what is to be written, with its end.
 */
export function createLineWriter(
  format: (line: Uint8Array) => Uint8Array,
  write: (lines: Uint8Array) => Promise<void>,
): LineWriter {
  let rest: Uint8Array = new Uint8Array()

  const take = async (chunk: Uint8Array) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const lines: Uint8Array[] = []
    let from = 0
    for (;;) {
      const end = bytes.indexOf(lineFeed, from)
      const length = (end < 0 ? bytes.length : end) - from
      if (length > lineBytes) {
        lines.push(format(bytes.subarray(from, from + lineBytes)))
        from += lineBytes
      } else if (end < 0) break
      else {
        lines.push(format(bytes.subarray(from, end)))
        from = end + 1
      }
    }
    // a copy: a short rest must not keep a large chunk
    rest = Uint8Array.from(bytes.subarray(from))
    if (lines.length > 0) await write(Buffer.concat(lines))
  }

  return {
    write: take,
    async finish() {
      if (rest.length > 0) await take(lineEnd)
    },
  }
}

/** A `format` that puts a prefix before each line; on a terminal the line is one that cannot harm it. */
export function behindPrefix(
  prefix: string,
  { isTty, keepColors }: { isTty: boolean; keepColors: boolean },
): (line: Uint8Array) => Uint8Array {
  const start = Buffer.from(prefix)
  return (line) => Buffer.concat([start, isTty ? terminalLine(line, keepColors) : line, lineEnd])
}

/**
 * A line as a terminal may see it behind a prefix: what a carriage return would have written over is left out, so that
 * nothing is drawn over the prefix, and colours end with the line.
 */
export function terminalLine(line: Uint8Array, keepColors: boolean): Uint8Array {
  const end = line.findLastIndex((byte) => byte !== carriageReturn) + 1
  const from = line.lastIndexOf(carriageReturn, end - 1) + 1
  const filter = createAnsiFilter(keepColors)
  const shown = filter.push(line.subarray(end === 0 ? 0 : from, end))
  return Buffer.concat([shown, filter.end()])
}

const carriageReturn = 0x0d
