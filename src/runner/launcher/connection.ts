/**
 * Keeps one connection to the launcher: opens it, and opens it again when it breaks. A call waits for the connection
 * to be back; one that was on its way when it broke is told so, as it may or may not have been carried out.
 */
import { connect, type Socket } from 'node:net'
import { AppError, type ErrorCode, errorTable } from '../../core/errors.ts'
import { withDeadline } from '../../platform/wait.ts'
import { LineReader } from './lines.ts'
import { launcherVersion, type Request } from './messages.ts'

export interface ConnectionOptions {
  socketPath: string
  /** What the launcher says unasked. */
  onEvent: (event: Record<string, unknown>) => void
  /** It was lost and is open again; `opened` is what the launcher says of itself. */
  onReconnected: (opened: unknown) => void
  log: (message: string, fields?: Record<string, unknown>) => void
  reconnectDelayMs?: (attempt: number) => number
  /** How long a call may take, and wait for the connection. */
  callDeadlineMs?: number
  /** How long the first connection may take. */
  firstDeadlineMs?: number
}

/** The answer did not come: what was asked for may or may not have been done. */
export class CutOff extends Error {}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** The longest message of the launcher: what 4,096 tasks use, and more than any end. */
const answerBytes = 4 * 1024 * 1024
/** Longer than the launcher waits for systemd. */
const usualDeadlineMs = 40_000
/** An earlier launcher may just be ending: systemd lets in one at a time. */
const usualFirstDeadlineMs = 20_000
/** More calls than that are not on their way at a time. */
const mostCalls = 10_000

export class LauncherConnection {
  private readonly options: ConnectionOptions
  private readonly deadlineMs: number
  private socket: Socket | null = null
  private calls = new Map<number, Waiting>()
  private lastNumber = 0
  private isClosed = false
  private timer: NodeJS.Timeout | null = null
  private waiting = new Set<() => void>()

  private constructor(options: ConnectionOptions) {
    this.options = options
    this.deadlineMs = options.callDeadlineMs ?? usualDeadlineMs
  }

  /** @returns the connection, and what the launcher says of itself. @throws AppError `unavailable`, `conflict` */
  static async open(
    options: ConnectionOptions,
  ): Promise<{ connection: LauncherConnection; opened: unknown }> {
    const connection = new LauncherConnection(options)
    const end = performance.now() + (options.firstDeadlineMs ?? usualFirstDeadlineMs)
    for (let attempt = 1; ; attempt += 1) {
      try {
        return { connection, opened: await connection.connect() }
      } catch (error) {
        const isFinal = error instanceof AppError && error.code === 'conflict'
        if (isFinal || performance.now() > end) throw asUnavailable(error, options.socketPath)
        await new Promise((resolve) => setTimeout(resolve, connection.delayMs(attempt)))
      }
    }
  }

  /** @throws AppError as the launcher refused it; `CutOff` where it may or may not have been done */
  async call(request: Request): Promise<unknown> {
    if (this.socket === null) await this.connected()
    const { socket } = this
    if (socket === null) throw new CutOff('the launcher cannot be reached')
    return this.ask(socket, request)
  }

  /** The same for what may be asked for twice. */
  async callAgain(request: Request): Promise<unknown> {
    const end = performance.now() + this.deadlineMs
    for (;;) {
      try {
        return await this.call(request)
      } catch (error) {
        if (!(error instanceof CutOff) || this.isClosed || performance.now() > end) throw error
      }
    }
  }

  close(): void {
    this.isClosed = true
    if (this.timer !== null) clearTimeout(this.timer)
    const { socket } = this
    this.socket = null
    socket?.end()
    socket?.destroySoon()
    this.failAll('the connection to the launcher was closed')
    this.wake()
  }

  private async connect(): Promise<unknown> {
    const socket = connect(this.options.socketPath)
    const lines = new LineReader(answerBytes)
    const closed = Promise.withResolvers<never>()
    closed.promise.catch(() => {}) // also where nobody waits for it any more
    socket.on('data', (data: Buffer) => {
      try {
        for (const line of lines.feed(data)) this.onLine(line)
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
    let why = 'it hung up'
    socket.on('error', (error) => {
      why = error.message
    })
    socket.on('close', () => {
      closed.reject(new Error(why))
      this.onClose(socket, why)
    })
    try {
      const asked = this.ask(socket, { op: 'open', version: launcherVersion })
      const opened = await Promise.race([asked, closed.promise])
      if (this.isClosed) socket.destroy()
      else this.socket = socket
      this.wake()
      return opened
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  private async ask(socket: Socket, request: Request): Promise<unknown> {
    if (this.calls.size >= mostCalls) throw new AppError('too_many', 'the launcher does not keep up')
    this.lastNumber += 1
    const n = this.lastNumber
    const answer = new Promise((resolve, reject) => this.calls.set(n, { resolve, reject }))
    socket.write(`${JSON.stringify({ n, ...request })}\n`)
    try {
      return await withDeadline(answer, this.deadlineMs, 'the answer of the launcher')
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'timeout' && this.calls.has(n))) throw error
      // one that does not answer is asked again from the start, so that nothing is missed
      socket.destroy()
      throw new CutOff(error.message)
    } finally {
      this.calls.delete(n)
    }
  }

  private onLine(line: string): void {
    const message = JSON.parse(line) as Record<string, unknown>
    if (typeof message.n !== 'number') return this.options.onEvent(message)
    const waiting = this.calls.get(message.n)
    if ('ok' in message) waiting?.resolve(message.ok)
    else waiting?.reject(errorOf(message.error))
  }

  private onClose(socket: Socket, why: string): void {
    this.failAll(why)
    if (this.socket !== socket) return
    this.socket = null
    if (this.isClosed) return
    this.options.log('Lost the connection to the launcher', { why })
    this.reconnectLater(1)
  }

  private reconnectLater(attempt: number): void {
    if (this.isClosed) return
    this.timer = setTimeout(() => {
      this.connect().then(
        (opened) => {
          if (this.isClosed) return
          this.options.log('Connected to the launcher again', { attempt })
          this.options.onReconnected(opened)
        },
        (error: unknown) => {
          if (attempt === 5) this.options.log('The launcher cannot be reached', { error: String(error) })
          this.reconnectLater(attempt + 1)
        },
      )
    }, this.delayMs(attempt))
  }

  private delayMs(attempt: number): number {
    return this.options.reconnectDelayMs?.(attempt) ?? Math.min(5_000, 50 * 2 ** attempt)
  }

  private async connected(): Promise<void> {
    const back = Promise.withResolvers<void>()
    this.waiting.add(back.resolve)
    try {
      await withDeadline(back.promise, this.deadlineMs, 'the connection to the launcher')
    } catch (error) {
      throw new CutOff(error instanceof Error ? error.message : String(error))
    } finally {
      this.waiting.delete(back.resolve)
    }
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve()
  }

  private failAll(why: string): void {
    const calls = [...this.calls.values()]
    this.calls = new Map()
    for (const { reject } of calls) reject(new CutOff(why))
  }
}

function errorOf(error: unknown): AppError {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  const known = code !== undefined && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'internal'
  return new AppError(known, message ?? 'the launcher gave no reason')
}

function asUnavailable(error: unknown, socketPath: string): AppError {
  if (error instanceof AppError) return error
  const told = error instanceof Error ? error.message : String(error)
  return new AppError(
    'unavailable',
    `the launcher at ${socketPath} does not serve this runner (${told}): another runner may have it, or it cannot start: journalctl -u 'hakuriver-launcher@*'`,
  )
}
