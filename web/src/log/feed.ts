/**
 * Keeps what is known of one log up to date: opens it at its end or at a line, follows it as it grows, counts its lines,
 * and comes back after a cut from where it was. What is looked at elsewhere is read by `BlockReader`.
 */
import { AppError } from '../../../src/core/errors.ts'
import type { LogLines } from '../../../src/protocol/schemas.ts'
import { BlockReader, type Cut } from './block-reader.ts'
import type { LinesQuery } from './calls.ts'
import { LogDoc } from './log-doc.ts'
import { backOffMs, pause } from './pause.ts'

export interface FeedDeps {
  read: (query: LinesQuery, signal: AbortSignal) => Promise<LogLines>
  /** Runs a request, and says whether it may wait long for its answer. */
  withSlot: <T>(run: (mayWait: boolean) => Promise<T>) => Promise<T>
  /** Resolves when somebody looks. */
  untilSeen: (signal: AbortSignal) => Promise<void>
  onChange: () => void
  /** Milliseconds, of any clock that only goes on. */
  now: () => number
}

/** The first screen, and what is read anew where much was written meanwhile. */
const tailLines = 400
const followLines = 1_000
const waitMs = 20_000
/** Who follows is shown new lines at most so often; who does not look at the end, how many there are. */
const followPauseMs = 40
const statsPauseMs = 700
const shortPollMs = 300
/** Where so much is still to come, the end is read instead. */
const farBehindBytes = 256 * 1024
/** A last line that is longer is read again less often. */
const longOpenBytes = 64 * 1024
const countPauseMs = 250
/** Lines before the one that a log is opened at. */
const linesBefore = 50

export class LogFeed {
  readonly doc = new LogDoc()
  /** Nothing was answered so far. */
  isOpening = true
  private readonly deps: FeedDeps
  private readonly closed = new AbortController()
  private readonly reader: BlockReader
  private following = true
  private wish = new AbortController()
  private ownCut: Cut | null = null
  private isCounting = false

  constructor(deps: FeedDeps) {
    this.deps = deps
    const { read, now } = deps
    this.reader = new BlockReader(this.doc, { read, now, onChange: () => this.changed() })
  }

  /** null: all is well. */
  get cut(): Cut | null {
    return this.ownCut ?? this.reader.cut
  }

  get isFollowing(): boolean {
    return this.following
  }

  /** Lines that are to be shown: who follows sees no end that was not read so far. */
  get count(): number {
    return this.following ? this.doc.readTotal : this.doc.total
  }

  /** `line`: from 1; null: at the end, which is then followed. */
  open(line: number | null): void {
    this.following = line === null
    this.run(line).catch(() => {}) // it ends when it is closed
  }

  close(): void {
    this.closed.abort()
    this.reader.close()
  }

  /** Shows new lines as they come, or only counts them. */
  follow(isWanted: boolean): void {
    if (this.following === isWanted) return
    this.following = isWanted
    const { doc } = this
    // the end may be far from where it was
    if (isWanted && doc.end !== null && doc.end.size < doc.size) doc.end = null
    this.wish.abort()
    this.wish = new AbortController()
    this.deps.onChange()
  }

  /** These lines (counted from 0) are looked at. */
  show(first: number, last: number): void {
    this.reader.show(first, last)
  }

  private async run(line: number | null): Promise<void> {
    const { signal } = this.closed
    const { doc, deps } = this
    await this.insist(async () => {
      if (line === null) doc.takeTail(await deps.read({ tail: true, count: tailLines }, signal))
      else doc.takeLines(await deps.read({ from: Math.max(1, line - linesBefore), count: tailLines }, signal))
    })
    this.isOpening = false
    this.changed()
    for (;;) {
      await deps.untilSeen(signal)
      if (doc.isEnded && (!this.following || doc.end?.size === doc.size))
        await aborted(this.wish.signal, signal)
      else await this.insist(() => this.watch())
    }
  }

  /** One look at how the log grows. */
  private async watch(): Promise<void> {
    const { signal: changed } = this.wish
    const signal = AbortSignal.any([this.closed.signal, changed])
    try {
      await (this.following ? this.followOn(signal) : this.countNew(signal))
    } catch (error) {
      if (!changed.aborted) throw error // else there is another wish
    }
  }

  private async countNew(signal: AbortSignal): Promise<void> {
    const { doc, deps } = this
    const seen = doc.countedBytes < doc.size ? {} : { seen: doc.size }
    const ask = (may: boolean) =>
      deps.read({ tail: true, count: 1, ...seen, waitMs: may ? waitMs : 0 }, signal)
    doc.takeStats(await deps.withSlot(ask))
    this.answered()
    await pause(statsPauseMs, signal)
  }

  private async followOn(signal: AbortSignal): Promise<void> {
    const { doc, deps } = this
    if (doc.end === null) {
      doc.takeTail(await deps.read({ tail: true, count: tailLines }, signal))
      return this.answered()
    }
    const { offset, size: seen } = doc.end
    let mayWait = true
    const page = await deps.withSlot((may) => {
      mayWait = may
      return deps.read({ offset, seen, count: followLines, waitMs: may ? waitMs : 0 }, signal)
    })
    if (page.items.length > 1 && page.size - page.nextOffset > farBehindBytes) doc.end = null
    else doc.takeNext(page)
    this.answered()
    if (doc.end === null) return
    const isLong = doc.size - doc.end.offset > longOpenBytes
    await pause(isLong ? statsPauseMs : mayWait ? followPauseMs : shortPollMs, signal)
  }

  /** Asks how far the lines are counted, until all are: that also keeps the host counting. */
  private async countOn(): Promise<void> {
    const { doc, deps } = this
    const { signal } = this.closed
    for (let failures = 0; doc.needsCount; ) {
      await pause(countPauseMs + (failures === 0 ? 0 : backOffMs(failures)), signal)
      await deps.untilSeen(signal)
      if (!doc.needsCount) break
      try {
        const { looseOffset } = doc
        if (looseOffset === null) doc.takeStats(await deps.read({ tail: true, count: 1 }, signal))
        else doc.takeCount(await deps.read({ offset: looseOffset, count: 1 }, signal))
        failures = 0
        this.changed()
      } catch {
        failures += 1 // who follows meets the same, and tells it
      }
    }
  }

  private answered(): void {
    this.ownCut = null
    this.changed()
  }

  private changed(): void {
    if (this.closed.signal.aborted || this.isOpening) return
    this.reader.plan()
    this.deps.onChange()
    if (this.isCounting || !this.doc.needsCount) return
    this.isCounting = true
    this.countOn()
      .catch(() => {}) // it ends when it is closed
      .finally(() => {
        this.isCounting = false
      })
  }

  /** Again and again, more and more slowly, until it can be done. */
  private async insist(work: () => Promise<void>): Promise<void> {
    const { signal } = this.closed
    for (let failures = 0; ; failures += 1) {
      try {
        await work()
        this.ownCut = null
        return
      } catch (error) {
        signal.throwIfAborted()
        this.ownCut = { error }
        this.deps.onChange()
        await pause(backOffMs(mayHelp(error) ? failures : 10), signal)
        await this.deps.untilSeen(signal)
      }
    }
  }
}

/** Asking again soon may help. */
function mayHelp(error: unknown): boolean {
  return error instanceof AppError && ['unavailable', 'timeout', 'too_many', 'internal'].includes(error.code)
}

/** Resolves when the first signal aborts. @throws the reason of the second */
function aborted(first: AbortSignal, second: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (second.aborted) return reject(second.reason)
    if (first.aborted) return resolve()
    first.addEventListener('abort', () => resolve(), { once: true })
    second.addEventListener('abort', () => reject(second.reason), { once: true })
  })
}
