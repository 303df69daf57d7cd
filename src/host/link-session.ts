/** One runner's link, as the host sees it: checks what comes, and sends orders, acknowledgements and log reads. */
import { AppError } from '../core/errors.ts'
import type { ShownCertificate } from '../core/joining.ts'
import type { RunnerIdentity, Task } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import { messageReader } from '../platform/link-codec.ts'
import { withDeadline } from '../platform/wait.ts'
import type { Wire, WireEvents } from '../platform/wire.ts'
import { asVersion, type FromHost, FromRunner, linkVersion } from '../protocol/link.ts'
import type { LogStream } from '../protocol/routes.ts'

const readMessage = messageReader(FromRunner)

export type FromRunnerOf<T extends FromRunner['type']> = Extract<FromRunner, { type: T }>

export interface LogQuery {
  taskId: number
  attempt: number
  stream: LogStream
  offset: number
  limit: number
  waitMs: number
}

/** One output of one attempt, and what is wanted of it. */
export type LogViewQuery = { taskId: number; attempt: number; stream: LogStream } & (
  | { type: 'log_lines'; query: Extract<FromHost, { type: 'log_lines' }>['query'] }
  | { type: 'log_search'; query: Extract<FromHost, { type: 'log_search' }>['query'] }
)

type LogReply = FromRunnerOf<'log_chunk'> | FromRunnerOf<'log_view'>

export interface LogAnswer {
  offset: number
  size: number
  data: Buffer
  ended: boolean
  /** At least so many bytes are missing, because the log was cut at its limit. */
  missing: number
}

export interface SessionEvents {
  /** The first message. */
  onHello: (session: LinkSession, hello: FromRunnerOf<'hello'>) => void
  onHeartbeat: (session: LinkSession, heartbeat: FromRunnerOf<'heartbeat'>) => void
  onUsage: (session: LinkSession, usage: FromRunnerOf<'usage'>) => void
  onReport: (session: LinkSession, report: FromRunnerOf<'report'>) => void
  /** Anything was heard. */
  onHeard: (session: LinkSession) => void
  onClosed: (session: LinkSession, why: string) => void
}

/** Bytes waiting to be sent beyond which the runner counts as stuck. */
const maxBufferedBytes = 64 * 1024 * 1024
const helloMs = 10_000
/** Beyond the time that the runner may wait for bytes. */
const logAnswerMs = 10_000
const maxLogReads = 60

export class LinkSession {
  /** The node's name once the hello was accepted. */
  node: string | null = null
  runnerId = ''
  bootId = ''
  /** What it speaks: ours or the one before. */
  private version = linkVersion
  /** By which its runner has linked; null: by a join token. */
  readonly certificate: ShownCertificate | null
  /** Resolves when the connection is closed. */
  readonly gone: Promise<void>
  private readonly wire: Wire
  private readonly clock: Clock
  private readonly events: SessionEvents
  /** Takes the end of our patience back. */
  private readonly helloCame: () => void
  private readonly logReads = new Map<number, PromiseWithResolvers<LogReply>>()
  private nextRequestId = 1
  /** Attempts whose start went over this link: what is in order and whole need not be sent again. */
  private readonly started = new Set<string>()
  private why = 'the connection was closed'
  private isGreeted = false
  /** It answers `log_lines` and `log_search`. */
  canViewLogs = false
  /** It takes secrets with a start. */
  takesSecrets = false

  constructor(
    connect: (events: WireEvents) => Wire,
    events: SessionEvents,
    clock: Clock,
    certificate: ShownCertificate | null = null,
  ) {
    this.certificate = certificate
    this.events = events
    this.clock = clock
    const gone = Promise.withResolvers<void>()
    this.gone = gone.promise
    this.helloCame = clock.after(helloMs, () => this.drop('it did not say hello in time'))
    this.wire = connect({
      onText: (text) => this.receive(text),
      onSign: () => this.heard(),
      onClosed: (problem) => {
        this.closed(problem)
        gone.resolve()
      },
    })
  }

  welcome(
    node: string,
    { runnerId, bootId, version }: RunnerIdentity & { version: number },
    heartbeatMs: number,
    leaseMs: number,
    usageMs: number | undefined,
  ): void {
    this.node = node
    this.version = version
    this.runnerId = runnerId
    this.bootId = bootId
    const asked = usageMs === undefined ? {} : { usageMs }
    this.send({
      type: 'welcome',
      version: linkVersion,
      heartbeatMs,
      leaseMs,
      logViews: true,
      secrets: true,
      ...asked,
    })
  }

  /** Tells which heartbeat came. */
  answer(beat: number): void {
    this.send({ type: 'heard', beat })
  }

  /** Can it still be answered? */
  get isOpen(): boolean {
    return this.wire.isOpen
  }

  /** Asks for a sign of life: `onHeard` tells it. */
  ping(): void {
    this.wire.ping()
  }

  /** Tells why and closes. `retry`: trying again later may help. */
  refuse(code: string, message: string, retry: boolean): void {
    this.why = `it was refused: ${message}`
    this.send({ type: 'refused', code, message, retry })
    this.wire.close(1008)
  }

  /** Ends the link at once. */
  drop(why: string): void {
    this.why = why
    this.wire.cut()
  }

  close(): void {
    this.why = 'the host stops'
    this.wire.close(1001)
  }

  /** Asks it to make its certificate anew, and to link with that. Whoever has one knows the message. */
  renewCertificate(): void {
    if (this.certificate !== null && this.node !== null) this.send({ type: 'renew' })
  }

  /** Was the start of this attempt ordered over this link? */
  hasStarted(task: Task): boolean {
    return this.started.has(keyOf(task.id, task.attempt))
  }

  /** Orders the start of the task's current attempt, once per link. @param secrets only for a runner that takes them */
  start(
    task: Task & { placement: { numaId: number | null } },
    secrets: Record<string, string> | null = null,
  ): void {
    const key = keyOf(task.id, task.attempt)
    if (this.started.has(key)) return
    this.started.add(key)
    const { sealed: _, ...spec } = task.spec
    this.send({
      type: 'start',
      taskId: String(task.id),
      attempt: task.attempt,
      batchId: String(task.batchId),
      spec,
      numaId: task.placement.numaId,
      owner: task.owner,
      ...(secrets !== null && { secrets }),
    })
  }

  /** The attempt has ended: nothing of it needs to be remembered. */
  forget(taskId: number, attempt: number): void {
    this.started.delete(keyOf(taskId, attempt))
  }

  kill(taskId: number, attempt: number): void {
    this.send({ type: 'kill', taskId: String(taskId), attempt })
  }

  ack(seq: number): void {
    this.send({ type: 'ack', seq })
  }

  /** The signal lets go of it. @throws AppError `unavailable`, `timeout`, `too_many` */
  async readLog({ taskId, ...query }: LogQuery, signal: AbortSignal): Promise<LogAnswer> {
    const ask = (requestId: number): FromHost => ({
      type: 'log_read',
      requestId,
      ...query,
      taskId: String(taskId),
    })
    const reply = await this.askLog(ask, query.waitMs + logAnswerMs, signal)
    if (reply.type !== 'log_chunk') throw this.wrongReply()
    const { offset, size, ended, error, missing = 0 } = reply
    if (error !== null) throw new AppError('unavailable', `cannot read the log on ${this.node}: ${error}`)
    return { offset, size, ended, missing, data: Buffer.from(reply.data, 'base64') }
  }

  /** The same for lines and searches, of a runner that answers such. */
  async viewLog({ taskId, ...wanted }: LogViewQuery, signal: AbortSignal): Promise<FromRunnerOf<'log_view'>> {
    const ask = (requestId: number): FromHost => ({ ...wanted, requestId, taskId: String(taskId) })
    const waitMs = wanted.type === 'log_lines' ? (wanted.query.waitMs ?? 0) : 0
    const reply = await this.askLog(ask, waitMs + logAnswerMs, signal)
    if (reply.type !== 'log_view') throw this.wrongReply()
    const { error } = reply
    if (error === undefined) return reply
    const code = error.code === 'too_many' ? 'too_many' : 'unavailable'
    throw new AppError(code, `cannot read the log on ${this.node}: ${error.message}`)
  }

  private async askLog(
    ask: (requestId: number) => FromHost,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<LogReply> {
    if (this.logReads.size >= maxLogReads) {
      throw new AppError(
        'too_many',
        `too many logs are being read from ${this.node} at once: try again in a moment`,
      )
    }
    const requestId = this.nextRequestId
    this.nextRequestId += 1
    const reply = Promise.withResolvers<LogReply>()
    reply.promise.catch(() => {}) // nobody may be waiting any more when the link closes
    this.logReads.set(requestId, reply)
    const cancel = () => {
      this.send({ type: 'log_cancel', requestId })
      reply.reject(new AppError('unavailable', 'the reader is gone'))
    }
    signal.addEventListener('abort', cancel)
    try {
      this.send(ask(requestId))
      return await withDeadline(
        reply.promise,
        deadlineMs,
        `reading a log from ${this.node}`,
        this.clock.after,
      )
    } finally {
      signal.removeEventListener('abort', cancel)
      this.logReads.delete(requestId)
    }
  }

  private wrongReply(): AppError {
    return new AppError(
      'unavailable',
      `cannot read the log on ${this.node}: its runner answers something else`,
    )
  }

  private receive(text: string): void {
    // what still came with the message for which it was dropped
    if (!this.wire.isOpen) return
    let message: FromRunner
    try {
      message = readMessage(text)
      if (!isSound(message)) throw new Error(`a ${message.type} names a time or a number that cannot be`)
    } catch (error) {
      this.drop(error instanceof Error ? error.message : String(error))
      return
    }
    if (message.type === 'hello') return this.greet(message)
    if (this.node === null) return this.drop('its first message was no hello')
    this.heard()
    switch (message.type) {
      case 'heartbeat':
        this.canViewLogs = message.logViews === true
        this.takesSecrets = message.secrets === true
        return this.events.onHeartbeat(this, message)
      case 'usage':
        return this.events.onUsage(this, message)
      case 'report':
        return this.events.onReport(this, message)
      case 'log_chunk':
      case 'log_view':
        this.logReads.get(message.requestId)?.resolve(message)
    }
  }

  private greet(hello: FromRunnerOf<'hello'>): void {
    if (this.isGreeted) return this.drop('it said hello twice')
    this.isGreeted = true
    this.helloCame()
    this.events.onHello(this, hello)
  }

  private heard(): void {
    if (this.node !== null) this.events.onHeard(this)
  }

  private send(message: FromHost): void {
    if (!this.wire.isOpen) return
    if (this.wire.waitingBytes > maxBufferedBytes) return this.drop('it does not take what is sent')
    const known = asVersion(message, this.version)
    if (known !== null) this.wire.send(JSON.stringify(known))
  }

  private closed(problem: string | null): void {
    this.helloCame()
    for (const answer of this.logReads.values()) {
      answer.reject(new AppError('unavailable', `the link to ${this.node} was cut while its log was read`))
    }
    this.logReads.clear()
    this.events.onClosed(this, problem ?? this.why)
  }
}

/** The last moment that a `Date` can name (ECMA-262, "Time Values and Time Range"). */
const lastMs = 8.64e15

/** Can a `Date` and the database take its numbers? The schema says that they are whole, not how large. */
function isSound(message: FromRunner): boolean {
  const isTime = (ms: number | null) => ms === null || Math.abs(ms) <= lastMs
  const isCount = (count: number | null) => count === null || Number.isSafeInteger(count)
  if (message.type === 'hello' || message.type === 'heartbeat')
    return message.attempts.every(({ startedAtMs }) => isTime(startedAtMs))
  if (message.type === 'usage')
    return (
      isTime(message.atMs) &&
      message.items.every(({ cpuTimeMs, memoryBytes }) => isCount(cpuTimeMs) && isCount(memoryBytes))
    )
  if (message.type !== 'report') return true
  if (message.event.type === 'started') return isTime(message.event.startedAtMs)
  const { startedAtMs, endedAtMs, exitCode, cpuTimeMs, peakMemoryBytes } = message.event.exit
  return [startedAtMs, endedAtMs].every(isTime) && [exitCode, cpuTimeMs, peakMemoryBytes].every(isCount)
}

function keyOf(taskId: number, attempt: number): string {
  return `${taskId}/${attempt}`
}
