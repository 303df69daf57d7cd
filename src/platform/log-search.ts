/** Looks for a text in a log: through all of it, a bounded time at a time, in pieces that keep nobody waiting. */
import { setImmediate as others } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'
import { countLineEnds } from '../core/line-index.ts'
import { brokenUtf8, wholeUtf8 } from '../core/log-lines.ts'
import { type BytePattern, bytePattern } from '../core/log-search.ts'
import { limits } from '../protocol/limits.ts'
import type { LogMatch, LogSearch } from '../protocol/schemas.ts'
import type { IndexedLog, LogBytes, ReadLogBytes } from './log-indexes.ts'
import { type CountedLog, onCounted } from './log-places.ts'

export interface SearchQuery {
  q: string
  matchCase?: boolean
  offset?: number
  limit?: number
}

const readBytes = 1024 * 1024
/** How long one call looks. */
const searchMs = 300
/** And how long it keeps the event loop. */
const sliceMs = 4
const lineFeed = 0x0a
/** Of what is shown so much lies before what was found. */
const beforeBytes = limits.logMatchBytes / 4

/**
 * Searches from an offset on, and goes on counting lines in the background. Ends early where the signal aborts.
 * @throws AppError `invalid_request` where the text has a line break; what reading throws
 */
export async function searchLog(
  log: IndexedLog,
  read: ReadLogBytes,
  query: SearchQuery,
  signal: AbortSignal,
): Promise<LogSearch> {
  refuseLineBreak(query.q)
  const limit = query.limit ?? 100
  const pattern = bytePattern(query.q, query.matchCase === true)
  return onCounted(log, read, (counted) => new Search(counted, pattern, limit).run(query.offset ?? 0, signal))
}

/** @throws AppError `invalid_request` */
export function refuseLineBreak(q: string): void {
  if (q.includes('\n'))
    throw new AppError('invalid_request', 'a search looks within lines: leave the line break out of q')
}

class Search {
  private readonly items: LogMatch[] = []
  private readonly log: CountedLog
  private readonly pattern: BytePattern
  private readonly limit: number
  /** All before was searched. */
  private at = 0
  /** Of the line in which `at` lies. */
  private lineStart = 0
  private line: number | null = null
  /** Something was found in that line already: it is passed over. */
  private isFound = false
  private bytes!: LogBytes // set before anything is searched

  constructor(log: CountedLog, pattern: BytePattern, limit: number) {
    this.log = log
    this.pattern = pattern
    this.limit = limit
  }

  async run(offset: number, signal: AbortSignal): Promise<LogSearch> {
    const endMs = performance.now() + searchMs
    await this.begin(offset)
    let sliceEndMs = performance.now() + sliceMs
    for (;;) {
      const { at } = this
      this.bytes = await this.log.read(at, readBytes)
      const { size, data } = this.bytes
      const isLast = at + data.length >= size
      // what begins near the end may end behind it: it is read again
      const end = isLast ? size : at + Math.max(1, data.length - this.pattern.maxBytes)
      if (data.length === 0) return { items: this.items, next: null, size }
      while (this.at < end) {
        await this.searchPiece(Math.min(end, this.at + this.pattern.pieceBytes))
        if (this.items.length >= this.limit || performance.now() >= endMs || signal.aborted)
          return { items: this.items, next: this.at < size ? this.at : null, size }
        if (performance.now() < sliceEndMs) continue
        await others()
        sliceEndMs = performance.now() + sliceMs
      }
      if (isLast) return { items: this.items, next: null, size }
    }
  }

  /** Finds the line in which the first byte lies. */
  private async begin(offset: number): Promise<void> {
    this.at = offset
    // so that the next call knows its line
    await this.log.reach(() => true, 0)
    this.line = offset === 0 ? 1 : await this.log.lineOf(offset)
    this.lineStart = offset
    if (offset === 0) return
    const from = Math.max(0, offset - limits.logLineBytes)
    const { data } = await this.log.read(from, offset - from)
    const end = data.lastIndexOf(lineFeed)
    if (end >= 0 || from === 0) this.lineStart = from + end + 1
    else if (this.line !== null) this.lineStart = (await this.log.startOf(this.line)) ?? offset
  }

  /** Searches for what begins before `end`, and comes there, or behind the line of the last that may be given. */
  private async searchPiece(end: number): Promise<void> {
    const { data, offset: base } = this.bytes
    const { pattern, maxBytes } = this.pattern
    const pieceBase = this.at
    const text = data.toString('latin1', pieceBase - base, end - base + maxBytes - 1)
    while (this.at < end) {
      if (this.isFound && !this.passLine(end)) return
      pattern.lastIndex = this.at - pieceBase
      const index = pattern.exec(text)?.index ?? Number.POSITIVE_INFINITY
      const found = pieceBase + index
      if (found >= end) return this.pass(end)
      this.pass(found)
      this.items.push(await this.matchAt(found))
      this.isFound = true
      if (this.items.length >= this.limit) return void this.passLine(base + data.length)
    }
  }

  /** Comes to the beginning of the next line, or to `end` where there is none before. */
  private passLine(end: number): boolean {
    const { data, offset: base } = this.bytes
    const feed = data.indexOf(lineFeed, this.at - base)
    const hasNext = feed >= 0 && base + feed < end
    this.pass(hasNext ? base + feed + 1 : end)
    this.isFound = !hasNext
    return hasNext
  }

  /** Comes to a byte: knows its line. */
  private pass(to: number): void {
    const { data, offset: base } = this.bytes
    const from = this.at - base
    if (this.line !== null) this.line += countLineEnds(data, from, to - base)
    const feed = to === this.at ? -1 : data.lastIndexOf(lineFeed, to - base - 1)
    if (feed >= from) this.lineStart = base + feed + 1
    this.at = to
  }

  private async matchAt(found: number): Promise<LogMatch> {
    const { lineStart, line } = this
    const from = Math.max(lineStart, found - beforeBytes)
    // also the end of the line, if it comes soon
    const shown = await this.bytesOf(from, from + limits.logMatchBytes + 1)
    const feed = shown.indexOf(lineFeed)
    const isWhole = feed >= 0 && feed <= limits.logMatchBytes
    const broken = from > lineStart ? brokenUtf8(shown) : 0
    const part = shown.subarray(broken, isWhole ? feed : limits.logMatchBytes)
    const isCut = !isWhole && shown.length > limits.logMatchBytes
    const text = (isCut ? part.subarray(0, wholeUtf8(part)) : part).toString()
    return { line, offset: lineStart, matchOffset: found, textOffset: from + broken, text }
  }

  private async bytesOf(from: number, to: number): Promise<Buffer> {
    const { data, offset: base, size } = this.bytes
    const last = Math.min(to, size)
    if (from >= base && last <= base + data.length) return data.subarray(from - base, last - base)
    return (await this.log.read(from, last - from)).data
  }
}
