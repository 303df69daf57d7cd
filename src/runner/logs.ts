/** Answers what the host asks of the logs that lie here: bytes, lines and searches. */
import { logPath } from '../platform/log-paths.ts'
import { awaitLogPart, type ReadLogPart } from '../platform/log-reader.ts'
import { LogViews } from '../platform/log-views.ts'
import type { FromHost, FromRunner } from '../protocol/link.ts'
import type { Attempts } from './attempts.ts'
import type { LogViewRequest } from './link.ts'

type LogRequest = Extract<FromHost, { type: 'log_read' }>
type Ends = Pick<Attempts, 'isEnded'>

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
    const part = await this.bytesOf(request, attempts, signal)(offset, limit, waitMs)
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
    const { type, requestId, taskId, stream, query } = request
    const name = `${taskId} ${stream}`
    const makeReader = (reading: AbortSignal) => this.bytesOf(request, attempts, reading)
    if (type === 'log_lines') {
      const lines = await this.views.lines(name, makeReader, query, signal)
      return { type: 'log_view', requestId, lines }
    }
    const search = await this.views.search(name, makeReader, query, signal)
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
