/**
 * Reads the lines that are looked at: two requests at a time, for what is in sight first. What is not looked at any more is
 * let go of, and places that a quick drag only passes are not asked for.
 */
import type { LogLines } from '../../../src/protocol/schemas.ts'
import type { LinesQuery } from './calls.ts'
import type { LogDoc, Wanted } from './log-doc.ts'
import { backOffMs, pause } from './pause.ts'

/** A request failed, and it is tried again. */
export interface Cut {
  error: unknown
}

export interface BlockReaderDeps {
  read: (query: LinesQuery, signal: AbortSignal) => Promise<LogLines>
  onChange: () => void
  now: () => number
}

const readsAtOnce = 2
/** Read before they are seen, on both sides. */
const marginLines = 128
const mostLines = 1_000
/** How long a leap has to be the last one, and how long nothing is read while one leaps on. */
const leapPauseMs = 60
const longestLeapMs = 250
/** What is not counted so far is asked for again so soon. */
const uncountedPauseMs = 250

export class BlockReader {
  /** The last read failed. */
  cut: Cut | null = null
  private readonly doc: LogDoc
  private readonly deps: BlockReaderDeps
  private readonly closed = new AbortController()
  private window = { first: 0, last: -1 }
  private readonly reads = new Map<string, AbortController>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private leaptAtMs = Number.NEGATIVE_INFINITY
  private failures = 0

  constructor(doc: LogDoc, deps: BlockReaderDeps) {
    this.doc = doc
    this.deps = deps
  }

  /** Requests that are under way. */
  get busy(): number {
    return this.reads.size
  }

  /** These lines (counted from 0) are looked at. */
  show(first: number, last: number): void {
    const isLeap = first > this.window.last || last < this.window.first
    this.window = { first, last }
    this.doc.touch(first, last)
    const now = this.deps.now()
    if (isLeap && now - this.leaptAtMs < longestLeapMs) return this.planAfter(leapPauseMs)
    if (isLeap) this.leaptAtMs = now
    this.plan()
  }

  /** Looks what is missing. */
  plan(): void {
    clearTimeout(this.timer)
    const { first, last } = this.window
    if (this.closed.signal.aborted || last < first) return
    const seen = this.doc.missing(first, last)
    const wanted = seen.length > 0 ? seen : this.doc.missing(first - marginLines, last + marginLines)
    const keys = new Set(wanted.map(keyOf))
    for (const [key, read] of this.reads) {
      if (keys.has(key)) continue
      read.abort()
      this.reads.delete(key)
    }
    for (const want of wanted) {
      if (this.reads.size >= readsAtOnce) return
      if (!this.reads.has(keyOf(want))) void this.read(want)
    }
  }

  close(): void {
    this.closed.abort()
    clearTimeout(this.timer)
    for (const read of this.reads.values()) read.abort()
  }

  private planAfter(ms: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.plan(), ms)
  }

  private async read(want: Wanted): Promise<void> {
    const key = keyOf(want)
    const read = new AbortController()
    this.reads.set(key, read)
    let pauseMs = 0
    try {
      const isCounted = await this.take(want, read.signal)
      if (!isCounted) pauseMs = uncountedPauseMs
      this.cut = null
      this.failures = 0
    } catch (error) {
      if (read.signal.aborted) return
      this.cut = { error }
      pauseMs = backOffMs(this.failures)
      this.failures += 1
    }
    if (read.signal.aborted) return
    // until then nobody else asks for it
    if (pauseMs > 0) this.deps.onChange()
    await pause(pauseMs, read.signal).catch(() => {}) // let go of meanwhile
    if (this.reads.get(key) === read) this.reads.delete(key)
    if (!read.signal.aborted) this.deps.onChange()
  }

  /** false: the lines are not counted so far. */
  private async take(want: Wanted, signal: AbortSignal): Promise<boolean> {
    const { doc, deps } = this
    if (want.kind === 'before') {
      const page = await deps.read({ offset: want.offset, count: mostLines }, signal)
      if (doc.looseOffset === want.offset + want.bytes) doc.takeBefore(page, want.offset)
      return true
    }
    const page = await deps.read({ from: want.from, count: want.count }, signal)
    doc.takeLines(page)
    return page.items.length > 0
  }
}

function keyOf(want: Wanted): string {
  return want.kind === 'lines' ? `${want.from}+${want.count}` : `before ${want.offset}+${want.bytes}`
}
