/** From the number of a line to its byte and back, with the help of an index. */
import { AppError } from '../core/errors.ts'
import { countLineEnds, type LineIndex } from '../core/line-index.ts'
import { LineCutter } from '../core/log-lines.ts'
import type { IndexedLog, LogBytes, ReadLogBytes } from './log-indexes.ts'

const readBytes = 1024 * 1024
/** So long it is waited for a number that is not needed: logs of some megabytes are counted by then. */
const numberMs = 20

/** The log is another one than when it was looked at first. */
export class LogReplaced extends Error {
  override readonly name = 'LogReplaced'
}

/** One log as one call reads it: what it has learned of the log holds to the end of the call, or it is told. */
export class CountedLog {
  readonly index: LineIndex
  private readonly log: IndexedLog
  private readonly reader: ReadLogBytes

  constructor(log: IndexedLog, reader: ReadLogBytes) {
    this.index = log.index
    this.log = log
    this.reader = reader
  }

  /** A part of the log, at once. @throws LogReplaced; what reading throws */
  async read(offset: number, limit: number): Promise<LogBytes> {
    const bytes = await this.reader(offset, limit, 0)
    if (!this.log.isSame(bytes) || this.log.index !== this.index) throw new LogReplaced()
    return bytes
  }

  /** Counts on, and waits for that. @throws LogReplaced; what reading throws */
  async reach(isFarEnough: (index: LineIndex) => boolean, waitMs: number): Promise<void> {
    await this.log.reach(isFarEnough, waitMs)
    if (this.log.index !== this.index) throw new LogReplaced()
  }

  /** Number of the line in which a byte lies; null: it cannot be known soon. @throws LogReplaced; what reading throws */
  async lineOf(offset: number): Promise<number | null> {
    // what cannot be read here cannot be read by the caller, and is told there
    const unlessUnreadable = () => {}
    await this.log.reach((index) => index.countedBytes >= offset, numberMs).catch(unlessUnreadable)
    const block = this.index.blockOf(offset)
    if (block === null) return null
    let line = block.lineEnds + 1
    for (let at = block.offset; at < offset; ) {
      const data = await this.readCounted(at, Math.min(readBytes, offset - at))
      line += countLineEnds(data)
      at += data.length
    }
    return line
  }

  /** Byte at which a line begins; null: not counted so far. @throws LogReplaced; what reading throws */
  async startOf(line: number): Promise<number | null> {
    const place = this.index.placeOf(line)
    if (place === null) return null
    const cutter = new LineCutter({ ...place, count: 1, headBytes: 0, totalBytes: 0 })
    for (let { offset } = place; cutter.isSkipping; ) {
      const data = await this.readCounted(offset, readBytes)
      cutter.push(data)
      offset += data.length
    }
    // a whole line may have followed in the same piece
    return cutter.lines[0]?.offset ?? cutter.nextOffset
  }

  private async readCounted(offset: number, limit: number): Promise<Buffer> {
    const { data } = await this.read(offset, limit)
    if (data.length === 0) throw new LogReplaced()
    return data
  }
}

/**
 * Carries out a call on a log; again where the log was replaced meanwhile.
 * @throws AppError `unavailable` where it is replaced again and again; what the call throws
 */
export async function onCounted<T>(
  log: IndexedLog,
  reader: ReadLogBytes,
  call: (counted: CountedLog) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call(new CountedLog(log, reader))
    } catch (error) {
      if (!(error instanceof LogReplaced)) throw error
      if (tries === 3)
        throw new AppError('unavailable', 'the log is replaced while it is read: try again in a moment')
    }
  }
}
