/**
 * Where the lines of a large text are: how many line ends lie before each of its blocks. A line is then found by
 * reading one block, and 1 GB takes 16,384 numbers.
 */

const lineFeed = 0x0a
/** Of a text with more blocks than `mostBlocks` each is made twice as large. */
const firstBlockBytes = 64 * 1024
const defaultMostBlocks = 65_536

/** Where to begin to read: there begins a block, and behind so many more line ends begins what was asked for. */
export interface LinePlace {
  offset: number
  skip: number
}

/** Built by reading forward; of what it was given it keeps nothing but counts. */
export class LineIndex {
  private blockBytes: number
  private readonly mostBlocks: number
  /** Line ends before each block that was begun. */
  private before = [0]
  private counted = 0
  private ends = 0
  private isOpen = false

  constructor(blockBytes = firstBlockBytes, mostBlocks = defaultMostBlocks) {
    this.blockBytes = blockBytes
    this.mostBlocks = mostBlocks
  }

  /** Bytes that it was given. */
  get countedBytes(): number {
    return this.counted
  }

  /** Lines in them; also a last one that has no end. */
  get lineCount(): number {
    return this.ends + (this.isOpen ? 1 : 0)
  }

  /** The last line has no end so far. */
  get isLineOpen(): boolean {
    return this.isOpen
  }

  /** Takes the bytes that follow. */
  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const left = this.blockBytes - (this.counted % this.blockBytes)
      const to = Math.min(bytes.length, from + left)
      this.ends += countLineEnds(bytes, from, to)
      this.counted += to - from
      if (to - from === left) this.nextBlock()
      from = to
    }
    if (bytes.length > 0) this.isOpen = bytes[bytes.length - 1] !== lineFeed
  }

  /** Where the line of this number (from 1) is found; null: there was none so far. */
  placeOf(line: number): LinePlace | null {
    if (line < 1 || line > this.lineCount) return null
    if (line === 1) return { offset: 0, skip: 0 }
    let low = 0
    // the last block that begins before the end of the line before
    for (let high = this.before.length - 1; low < high; ) {
      const middle = Math.ceil((low + high) / 2)
      if (this.before[middle]! < line - 1) low = middle
      else high = middle - 1
    }
    return { offset: low * this.blockBytes, skip: line - 1 - this.before[low]! }
  }

  /** The block in which a byte lies, or that ends with what was counted, and the line ends before it. null: not counted so far. */
  blockOf(offset: number): { offset: number; lineEnds: number } | null {
    if (offset > this.counted) return null
    const block = Math.floor(offset / this.blockBytes)
    return { offset: block * this.blockBytes, lineEnds: this.before[block]! }
  }

  private nextBlock(): void {
    this.before.push(this.ends)
    if (this.before.length <= this.mostBlocks) return
    this.before = this.before.filter((_, block) => block % 2 === 0)
    this.blockBytes *= 2
  }
}

/** Line ends between two places. Long lines are leapt over; short ones are counted faster byte by byte. */
export function countLineEnds(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const part = bytes.subarray(from, to)
  let count = 0
  for (let at = 0; at < part.length; ) {
    const sampleEnd = Math.min(part.length, at + sampleBytes)
    const sampled = countEach(part, at, sampleEnd)
    count += sampled
    at = sampleEnd
    if (sampled * shortLineBytes > sampleBytes) continue
    const leapEnd = Math.min(part.length, at + leapBytes)
    const leap = part.subarray(at, leapEnd)
    for (let end = leap.indexOf(lineFeed); end >= 0; end = leap.indexOf(lineFeed, end + 1)) count += 1
    at = leapEnd
  }
  return count
}

const shortLineBytes = 32
const sampleBytes = 1024
const leapBytes = 16 * 1024

function countEach(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at += 1) if (bytes[at] === lineFeed) count += 1
  return count
}
