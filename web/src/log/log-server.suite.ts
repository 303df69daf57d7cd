/** A log as the host tells of it, in memory: for tests of what makes pages of it. */
import { LineIndex } from '../../../src/core/line-index.ts'
import { LineCutter, TailFinder } from '../../../src/core/log-lines.ts'
import type { LogLines } from '../../../src/protocol/schemas.ts'
import type { LinesQuery } from './calls.ts'

export class MemoryLog {
  isEnded = false
  /** What was asked for, in order. */
  readonly asked: LinesQuery[] = []
  /** Thrown by whatever is asked. */
  failure: Error | null = null
  private readonly waiting = new Set<() => void>()
  private bytes = Buffer.alloc(0)
  private index = new LineIndex()

  constructor(text = '') {
    this.write(text)
  }

  get size(): number {
    return this.bytes.length
  }

  get counted(): number {
    return this.index.countedBytes
  }

  /** Its lines with what has no end. */
  get lines(): string[] {
    const lines = this.bytes.toString().split('\n')
    return lines[lines.length - 1] === '' ? lines.slice(0, -1) : lines
  }

  write(text: string): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(text)])
    this.wake()
  }

  end(): void {
    this.isEnded = true
    this.wake()
  }

  /** As the endpoint: waits where it is told to, until something is written or nobody waits any more. */
  async read(query: LinesQuery, signal: AbortSignal): Promise<LogLines> {
    this.asked.push(query)
    const isOld = () => query.seen === undefined || query.seen !== this.size || this.isEnded
    for (;;) {
      signal.throwIfAborted()
      if (this.failure !== null) throw this.failure
      if (isOld() || (query.waitMs ?? 0) === 0) break
      await new Promise<void>((resolve) => {
        this.waiting.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    if (query.tail === true) return this.tail(query.count)
    return query.offset === undefined
      ? this.from(query.from ?? 1, query.count)
      : this.at(query.offset, query.count)
  }

  /** Counts on for so many bytes. */
  count(bytes = Number.POSITIVE_INFINITY): void {
    this.index.add(this.bytes.subarray(this.counted, this.counted + bytes))
  }

  /** Is another log from now on. */
  replace(text: string): void {
    this.bytes = Buffer.from(text)
    this.index = new LineIndex()
  }

  from(line: number, count = 200): LogLines {
    const place = this.index.placeOf(line)
    if (place === null) return this.page([], this.counted, null)
    return this.cut(place.offset, place.skip, count, line)
  }

  at(offset: number, count = 200): LogLines {
    return this.cut(offset, 0, count, this.lineOf(offset))
  }

  tail(count = 200): LogLines {
    const start = this.size === 0 ? 0 : (new TailFinder(this.size, count).push(this.bytes) ?? 0)
    return this.at(start, count)
  }

  private wake(): void {
    for (const go of this.waiting) go()
    this.waiting.clear()
  }

  private lineOf(offset: number): number | null {
    if (offset > this.counted) return null
    const index = new LineIndex()
    index.add(this.bytes.subarray(0, offset))
    return index.lineCount + (index.isLineOpen ? 0 : 1)
  }

  private cut(offset: number, skip: number, count: number, firstLine: number | null): LogLines {
    const cutter = new LineCutter({ offset, skip, count, headBytes: 8_192, totalBytes: 1_048_576 })
    cutter.push(this.bytes.subarray(offset))
    const { lines, openLine, nextOffset } = cutter
    const items = [...lines, ...(openLine === null ? [] : [openLine])].map(({ offset, bytes, head }) => ({
      offset,
      bytes,
      text: Buffer.from(head).toString(),
    }))
    return this.page(items, openLine !== null && this.isEnded ? this.size : nextOffset, firstLine)
  }

  private page(items: LogLines['items'], nextOffset: number, firstLine: number | null): LogLines {
    return {
      items,
      firstLine: items.length === 0 ? null : firstLine,
      nextOffset,
      lineCount: this.index.lineCount,
      countedBytes: this.counted,
      size: this.size,
      isEnded: this.isEnded,
      missingBytes: 0,
    }
  }
}
