/** Bytes of a log to lines, forwards from a place and backwards from the end, in whatever pieces they come. */

const lineFeed = 0x0a

/** One line: where it begins, its length without its end, and its first bytes. */
export interface CutLine {
  offset: number
  bytes: number
  head: Uint8Array
}

export interface LineCutterOptions {
  /** Byte at which the first piece begins. */
  offset: number
  /** So many line ends are passed over first. */
  skip?: number
  /** Lines wanted. */
  count: number
  /** Of each line at most so many bytes are kept. */
  headBytes: number
  /** Of all lines together, but at least one line. */
  totalBytes: number
}

/** Takes pieces in their order, and makes lines until it has enough. A `\r` is a byte as any other. */
export class LineCutter {
  readonly lines: CutLine[] = []
  private readonly options: LineCutterOptions
  private at: number
  private toSkip: number
  private start: number
  private head: Uint8Array[] = []
  private headLength = 0
  private total = 0

  constructor(options: LineCutterOptions) {
    this.options = options
    this.at = options.offset
    this.start = options.offset
    this.toSkip = options.skip ?? 0
  }

  /** It wants nothing more. */
  get isFull(): boolean {
    const { count, totalBytes } = this.options
    return this.lines.length >= count || (this.lines.length > 0 && this.total >= totalBytes)
  }

  /** Line ends are still to be passed over. */
  get isSkipping(): boolean {
    return this.toSkip > 0
  }

  /** Byte behind the last whole line. */
  get nextOffset(): number {
    return this.start
  }

  /** The line that has begun and has no end so far; null: there is none, or it is not wanted. */
  get openLine(): CutLine | null {
    if (this.toSkip > 0 || this.isFull || this.at === this.start) return null
    return { offset: this.start, bytes: this.at - this.start, head: joined(this.head) }
  }

  push(piece: Uint8Array): void {
    let from = 0
    while (from < piece.length && !this.isFull) {
      const end = piece.indexOf(lineFeed, from)
      const to = end < 0 ? piece.length : end
      if (this.toSkip === 0) this.keep(piece.subarray(from, to))
      this.at += to - from + (end < 0 ? 0 : 1)
      if (end >= 0) this.endLine()
      from = to + 1
    }
  }

  private keep(part: Uint8Array): void {
    const room = this.options.headBytes - this.headLength
    if (room <= 0 || part.length === 0) return
    const kept = part.subarray(0, room)
    this.head.push(kept)
    this.headLength += kept.length
  }

  private endLine(): void {
    if (this.toSkip > 0) this.toSkip -= 1
    else {
      this.lines.push({ offset: this.start, bytes: this.at - 1 - this.start, head: joined(this.head) })
      this.total += this.headLength
    }
    this.start = this.at
    this.head = []
    this.headLength = 0
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Finds where the last lines begin, from pieces that are given from the end to the beginning. */
export class TailFinder {
  private missing: number
  private start: number
  private found: number | null = null
  private isLastByte = true

  /** `size`: byte behind the last; `count`: lines wanted, at least one. */
  constructor(size: number, count: number) {
    this.start = size
    this.missing = count
  }

  /**
   * Takes the piece before the last one. Returns the byte at which the lines begin; null: more pieces are needed.
   * The line end that closes the last line begins no other.
   */
  push(piece: Uint8Array): number | null {
    this.start -= piece.length
    let before = piece.length
    while (before > 0) {
      const end = piece.lastIndexOf(lineFeed, before - 1)
      if (end < 0) break
      const isClosing = this.isLastByte && end === piece.length - 1
      this.isLastByte = false
      if (!isClosing) {
        this.found = this.start + end + 1
        this.missing -= 1
        if (this.missing === 0) return this.found
      }
      before = end
    }
    if (piece.length > 0) this.isLastByte = false
    return this.start === 0 ? 0 : null
  }

  /** The first line that begins within what was given; null: none does. */
  get firstStart(): number | null {
    return this.found
  }
}

/** The lines whose heads together are not longer than that, from the last on; at least one. */
export function lastWithin(lines: readonly CutLine[], totalBytes: number): CutLine[] {
  let total = 0
  let first = lines.length
  while (first > 0) {
    total += lines[first - 1]!.head.length
    if (total > totalBytes && first < lines.length) break
    first -= 1
  }
  return lines.slice(first)
}

/** Length of the first bytes without a last UTF-8 character that is cut through. What is no UTF-8 stays. */
export function wholeUtf8(bytes: Uint8Array): number {
  const { length } = bytes
  for (let back = 1; back <= Math.min(3, length); back += 1) {
    const byte = bytes[length - back]!
    if (byte < 0x80) return length
    if (byte < 0xc0) continue // one that goes on
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return wanted > back ? length - back : length
  }
  return length
}

/** How many bytes at the beginning belong to a UTF-8 character that was cut through: at most three. */
export function brokenUtf8(bytes: Uint8Array): number {
  let at = 0
  while (at < Math.min(3, bytes.length) && (bytes[at]! & 0xc0) === 0x80) at += 1
  return at
}
