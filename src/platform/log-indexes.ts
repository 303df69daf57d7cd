/**
 * Indexes of the lines of logs, built in the background while somebody asks for the log, shared by all who read it, and
 * forgotten when others are asked for.
 */
import { LineIndex } from '../core/line-index.ts'
import { Turns } from './turns.ts'
import { inTime } from './wait.ts'

/** A part of a log, as of one moment. */
export interface LogBytes {
  offset: number
  /** Bytes on offer. */
  size: number
  data: Buffer
  /** Neither its bytes nor its size will change any more. */
  isFinal: boolean
  /** At least so many bytes are missing behind the last, because the log was cut at its limit. */
  missing: number
  /** Tells it from another file in its place. */
  file: string
}

/**
 * Reads a part of one log: as soon as there is a byte at the offset, or none will come, or after `waitMs`.
 * The offset is not negative.
 */
export type ReadLogBytes = (offset: number, limit: number, waitMs: number) => Promise<LogBytes>

export interface LogIndexesOptions {
  /** Logs whose indexes are kept. */
  mostLogs: number
  /** Logs that are gone through at a time. */
  mostScans: number
  /** A log that nobody has asked for so long is not gone through any more. */
  idleMs?: number
  scanBytes?: number
  makeIndex?: () => LineIndex
}

/** How a log is read in the background, until the signal aborts. */
export type MakeReader = (signal: AbortSignal) => ReadLogBytes

const defaultIdleMs = 30_000
const defaultScanBytes = 1024 * 1024

export class LogIndexes {
  private readonly options: LogIndexesOptions
  private readonly turns: Turns
  /** The last that was asked for is the last. */
  private readonly logs = new Map<string, IndexedLog>()
  private readonly scans = new Set<Promise<void>>()

  constructor(options: LogIndexesOptions) {
    this.options = options
    this.turns = new Turns(options.mostScans, options.mostLogs)
  }

  /** The log of this name; `makeReader` is used where it is to be gone through. */
  log(name: string, makeReader: MakeReader): IndexedLog {
    const known = this.logs.get(name)
    this.logs.delete(name)
    const log = known ?? new IndexedLog(this.options, this.turns, makeReader, (scan) => this.track(scan))
    this.logs.set(name, log)
    for (const [oldest, forgotten] of this.logs) {
      if (this.logs.size <= this.options.mostLogs) break
      forgotten.stop()
      this.logs.delete(oldest)
    }
    return log
  }

  /** Stops all; resolves when nothing is read any more. */
  async close(): Promise<void> {
    for (const log of this.logs.values()) log.stop()
    this.logs.clear()
    await Promise.all(this.scans)
  }

  private track(scan: Promise<void>): void {
    this.scans.add(scan)
    void scan.finally(() => this.scans.delete(scan))
  }
}

/** One log and how far its lines are counted. */
export class IndexedLog {
  index: LineIndex
  private file = ''
  private readonly options: LogIndexesOptions
  private readonly turns: Turns
  private readonly makeReader: MakeReader
  private readonly track: (scan: Promise<void>) => void
  private readonly stopped = new AbortController()
  private askedMs = 0
  /** Resolves when more was counted, or the scan is over. null: none goes on. */
  private progress: PromiseWithResolvers<void> | null = null
  private failure: unknown = null
  /** All is counted, and no more will come. */
  private isComplete = false

  constructor(
    options: LogIndexesOptions,
    turns: Turns,
    makeReader: MakeReader,
    track: (scan: Promise<void>) => void,
  ) {
    this.options = options
    this.turns = turns
    this.makeReader = makeReader
    this.track = track
    this.index = this.newIndex()
  }

  /** Looks at what was read of it. false: it is another file, or shorter than it was; what was counted is void. */
  isSame({ file, size }: LogBytes): boolean {
    const { countedBytes } = this.index
    if (size !== countedBytes) this.isComplete = false
    if (file === this.file && size >= countedBytes) return true
    this.file = file
    if (countedBytes === 0) return true
    this.index = this.newIndex()
    return false
  }

  /**
   * Goes on counting, in the background. Resolves when that has come far enough, to the end of the log, or after
   * `waitMs`.
   * @throws what reading the log throws, where it has not come so far because of that
   */
  async reach(isFarEnough: (index: LineIndex) => boolean, waitMs: number): Promise<void> {
    this.askedMs = performance.now()
    const endMs = this.askedMs + waitMs
    if (this.progress === null) this.begin()
    while (!isFarEnough(this.index)) {
      const leftMs = endMs - performance.now()
      if (this.progress === null) {
        if (this.failure !== null) throw this.failure
        return
      }
      if (leftMs <= 0) return
      await inTime(this.progress.promise, leftMs, undefined)
    }
  }

  stop(): void {
    this.stopped.abort()
  }

  private begin(): void {
    if (this.isComplete || this.stopped.signal.aborted) return
    this.failure = null
    this.progress = Promise.withResolvers()
    const scan = this.scan()
      .catch((error: unknown) => {
        this.failure = error // told to who asks for what it has not come to
      })
      .finally(() => {
        this.progress?.resolve()
        this.progress = null
      })
    this.track(scan)
  }

  private async scan(): Promise<void> {
    const { idleMs = defaultIdleMs, scanBytes = defaultScanBytes } = this.options
    const { signal } = this.stopped
    const read = this.makeReader(signal)
    const endTurn = await this.turns.take('logs are looked through', signal)
    try {
      while (!signal.aborted && performance.now() - this.askedMs < idleMs) {
        const { index } = this
        const bytes = await read(index.countedBytes, scanBytes, 0)
        if (!this.isSame(bytes) || this.index !== index) continue
        index.add(bytes.data)
        this.isComplete = bytes.isFinal && index.countedBytes >= bytes.size
        const { progress } = this
        this.progress = Promise.withResolvers()
        progress?.resolve()
        if (bytes.data.length === 0 || index.countedBytes >= bytes.size) break
      }
    } finally {
      endTurn()
    }
  }

  private newIndex(): LineIndex {
    return this.options.makeIndex?.() ?? new LineIndex()
  }
}
