/** Answers what the host asks of the logs that lie here: bytes, lines and searches. */
import { logPath } from '../platform/log-paths.ts'
import { awaitLogPart, type ReadLogPart } from '../platform/log-reader.ts'
import { LogViews } from '../platform/log-views.ts'
import { limits } from '../protocol/limits.ts'
import type { FromHost, FromRunner } from '../protocol/link.ts'
import type { Attempts } from './attempts.ts'
import type { LogViewRequest } from './link.ts'

type LogRequest = Extract<FromHost, { type: 'log_read' }>
type Ends = Pick<Attempts, 'isEnded'>

/** Whatever the host asks for: no read waits longer. */
const mostWaitMs = 60_000

export class RunnerLogs {
  private readonly dir: string
  private readonly readPart: ReadLogPart
  /** Few: it is there for the tasks. */
  private readonly views = new LogViews({ mostLogs: 16, mostScans: 1, mostSearches: 1 })

  /** `dir`: where the logs lie; `readPart`: how they are read there. */
  constructor(dir: string, readPart: ReadLogPart) {
    this.dir = dir
    this.readPart = readPart
  }

  /** Bytes, as soon as there are some. */
  async read(request: LogRequest, attempts: Ends, signal: AbortSignal): Promise<FromRunner> {
    const { requestId, offset, limit, waitMs } = request
    const most = Math.min(limit, limits.logReadBytes)
    const part = await this.bytesOf(request, attempts, signal)(offset, most, Math.min(waitMs, mostWaitMs))
    return {
      type: 'log_chunk',
      requestId,
      offset: part.offset,
      size: part.size,
      data: part.data.toString('base64'),
      ended: part.ended,
      error: null,
      ...(part.missing > 0 ? { missing: part.missing } : {}),
    }
  }

  /** Lines, or what a search finds. @throws AppError `invalid_request`, `too_many`, `unavailable` */
  async view(request: LogViewRequest, attempts: Ends, signal: AbortSignal): Promise<FromRunner> {
    const { type, requestId, taskId, stream } = request
    const name = `${taskId} ${stream}`
    const makeReader = (reading: AbortSignal) => this.bytesOf(request, attempts, reading)
    if (type === 'log_lines') {
      const { count, waitMs = 0, ...rest } = request.query
      const bounded = {
        ...rest,
        ...atMost('count', count, limits.logLines),
        waitMs: Math.min(waitMs, mostWaitMs),
      }
      const lines = await this.views.lines(name, makeReader, bounded, signal)
      return { type: 'log_view', requestId, lines }
    }
    const { q, limit, ...rest } = request.query
    const bounded = {
      ...rest,
      q: q.slice(0, limits.searchChars),
      ...atMost('limit', limit, limits.logMatches),
    }
    const search = await this.views.search(name, makeReader, bounded, signal)
    return { type: 'log_view', requestId, search }
  }

  /** Stops what goes on in the background. */
  close(): Promise<void> {
    return this.views.close()
  }

  private bytesOf(
    { taskId, attempt, stream }: Pick<LogRequest, 'taskId' | 'attempt' | 'stream'>,
    attempts: Ends,
    signal: AbortSignal,
  ) {
    const path = logPath(this.dir, stream, Number(taskId))
    return async (offset: number, limit: number, waitMs: number) => {
      const isDone = () => attempts.isEnded(Number(taskId), attempt)
      const isFinal = isDone()
      const part = await awaitLogPart(path, offset, limit, { waitMs, isDone, signal, read: this.readPart })
      return { ...part, isFinal: isFinal || part.ended }
    }
  }
}

/** A number that may be left out, and no more than that. */
function atMost<N extends string>(
  name: N,
  value: number | undefined,
  most: number,
): { [name in N]?: number } {
  return value === undefined ? {} : ({ [name]: Math.min(value, most) } as { [name in N]?: number }) // that key alone
}
