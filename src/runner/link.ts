/**
 * The runner's side of the link: dials the host, says hello, keeps the heartbeat, sends reports until they are
 * acknowledged, and connects again for as long as it takes. The runner listens on nothing.
 */
import { AppError } from '../core/errors.ts'
import type { Capacity, ExecutorInfo, NodeLoad } from '../core/node.ts'
import type { RunnerIdentity } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Dial, DialOptions, DialTls, Wire } from '../platform/wire.ts'
import type { FromHost, FromRunner, HeldAttempt } from '../protocol/link.ts'
import { linkPath } from '../protocol/routes.ts'
import { readFromHost } from './host-messages.ts'
import type { Lease } from './lease.ts'
import type { OutboxReport } from './outbox.ts'
import type { UsageItem } from './usage.ts'

/** Of `protocol/link.ts`, whose schemas a runner does not load. */
export const linkVersion = 2

type Order<T extends FromHost['type']> = Extract<FromHost, { type: T }>

export type LogViewRequest = Order<'log_lines'> | Order<'log_search'>

export interface LinkDeps {
  hostUrl: string
  /** Asked anew for each dial. */
  joinToken: () => string | null
  /** By what the host is known, and what is shown to it; asked anew for each dial. Left out, or null: nothing. */
  tls?: () => DialTls | null
  /** The host wants a newer certificate of this node. Left out: there is none. */
  onRenew?: () => void
  nodeName: string
  runnerVersion: string
  identity: RunnerIdentity
  capacity: Capacity
  executor: ExecutorInfo
  log: Log
  measureLoad: () => NodeLoad
  attempts: () => HeldAttempt[]
  /** Why nothing can be started here at the moment; left out, or null: it can. */
  problem?: () => string | null
  /** What runs here uses; left out: that is not told. */
  measureUsage?: () => Promise<UsageItem[]>
  pendingReports: () => readonly OutboxReport[]
  /** Left out: nothing here is leased. */
  lease?: Pick<Lease, 'onHello' | 'onWelcome' | 'onBeat' | 'onHeard'>
  onStart: (order: Order<'start'>) => void
  onKill: (order: Order<'kill'>) => void
  onAck: (seq: number) => void
  /** Answers with the chunk to send. */
  onLogRead: (request: Order<'log_read'>, signal: AbortSignal) => Promise<FromRunner>
  /** Answers with the view to send. Left out: no lines are given here, and nothing is searched. */
  onLogView?: (request: LogViewRequest, signal: AbortSignal) => Promise<FromRunner>
  /** 0 to 1. */
  random: () => number
  clock: Clock
  dial: Dial
}

const handshakeMs = 10_000
const firstRetryMs = 100
const maxRetryMs = 5_000
/** After a refusal that trying again does not mend: an operator may, so we stay, but quietly. */
const refusedRetryMs = 30_000
/** Bytes waiting to be sent beyond which the link counts as stuck. */
const maxBufferedBytes = 64 * 1024 * 1024
const maxLogReads = 64
/** What the host may want more often than that, it does not get. */
const leastUsageMs = 100
/** Whatever a host asks for. */
const leastHeartbeatMs = 5
const mostHeartbeatMs = 3_600_000
/** How long the host may take to answer our goodbye. */
const goodbyeMs = 1_000

export class Link {
  private readonly deps: LinkDeps
  private wire: Wire | null = null
  private isWelcome = false
  private isClosed = false
  private failures = 0
  /** What takes back each thing that is to come. */
  private readonly timers = new Set<() => void>()
  /** Called when the wire is closed. */
  private onGone: () => void = () => {}
  private lastHeardMs = 0
  private heartbeatMs = 5_000
  private lastProblem = ''
  /** The host asks for lines of logs, not only for bytes. */
  private hasLogViews = false
  /** The host sends secrets to a runner that takes them. */
  private hasSecrets = false
  /** Log reads that are not answered yet, by request. */
  private readonly logReads = new Map<number, AbortController>()
  private deferred: OutboxReport[] = []

  constructor(deps: LinkDeps) {
    this.deps = deps
  }

  /** Starts dialling; goes on until `close`. */
  open(): void {
    this.connect()
  }

  get isUp(): boolean {
    return this.isWelcome
  }

  /** Sends a report that was just added to the outbox; while the link is down it waits there. */
  sendReport(report: OutboxReport): void {
    if (!this.isWelcome) return
    // a quick task's start and end go out together: one write here, one commit there
    if (this.deferred.push(report) === 1) this.deps.clock.soon(() => this.flushReports())
  }

  /** Ends the link in order, and links anew: reports that are not acknowledged are sent again. */
  redial(): void {
    const { wire } = this
    if (wire === null || !this.isWelcome) return
    this.flushReports()
    this.failures = 0
    this.after(goodbyeMs, () => wire.cut())
    wire.close(1001)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.flushReports()
    this.abortReads()
    for (const cancel of this.timers) cancel()
    const { wire } = this
    if (wire === null || wire.isClosed) return
    await new Promise<void>((resolve) => {
      const cancel = this.deps.clock.after(goodbyeMs, () => wire.cut())
      this.onGone = () => {
        cancel()
        resolve()
      }
      wire.close(1001)
    })
  }

  private connect(): void {
    if (this.isClosed) return
    const { hostUrl } = this.deps
    const options = this.dialOptions()
    const url = hostUrl.replace(/^http/, 'ws').replace(/\/$/, '') + linkPath
    const wire = this.deps.dial(url, options, {
      onOpen: () => this.greet(wire),
      onText: (text) => this.receive(wire, text),
      onSign: () => this.heard(),
      onRefused: (status, message) => {
        if (message !== undefined) this.problem(`The host refuses this runner: ${message}`)
        else if (status === 401)
          this.problem(
            `The host does not accept the ${'tls' in options ? 'certificate of this runner' : 'join token'}`,
          )
        else this.problem(`The host answered ${status}`)
      },
      onProblem: (problem) => {
        if (!this.isClosed) this.problem(`Cannot reach the host: ${problem}`)
      },
      onClosed: () => this.disconnected(wire),
    })
    this.wire = wire
  }

  /** Where this node has joined by a certificate, no token is shown. */
  private dialOptions(): DialOptions {
    const options = { headers: {}, deadlineMs: handshakeMs }
    try {
      const tls = this.deps.tls?.() ?? null
      if (tls !== null) return { ...options, tls }
    } catch (error) {
      this.problem(error instanceof Error ? error.message : String(error))
    }
    const joinToken = this.deps.joinToken()
    return joinToken === null ? options : { ...options, headers: { authorization: `Bearer ${joinToken}` } }
  }

  private greet(wire: Wire): void {
    const { nodeName, runnerVersion, identity, capacity, executor } = this.deps
    this.deps.lease?.onHello()
    this.send({
      type: 'hello',
      version: linkVersion,
      runnerVersion,
      node: nodeName,
      ...identity,
      capacity,
      executor,
      attempts: this.deps.attempts(),
    })
    this.after(handshakeMs, () => {
      if (this.wire === wire && !this.isWelcome) this.drop(wire, 'The host does not answer the hello')
    })
  }

  private receive(wire: Wire, text: string): void {
    if (wire !== this.wire) return
    this.heard()
    let message: FromHost
    try {
      message = readFromHost(text)
    } catch (error) {
      this.drop(wire, error instanceof Error ? error.message : String(error))
      return
    }
    switch (message.type) {
      case 'welcome':
        return this.welcomed(wire, message)
      case 'refused':
        return this.refused(wire, message)
      case 'renew':
        return this.deps.onRenew?.()
      case 'heard':
        return this.deps.lease?.onHeard(message.beat)
      case 'start':
        return this.deps.onStart(message)
      case 'kill':
        return this.deps.onKill(message)
      case 'ack':
        return this.deps.onAck(message.seq)
      case 'log_read':
        return this.readLog(message)
      case 'log_lines':
      case 'log_search':
        return this.viewLog(message)
      case 'log_cancel':
        this.logReads.get(message.requestId)?.abort()
    }
  }

  private welcomed(wire: Wire, message: Order<'welcome'>): void {
    // each would begin heartbeats of its own
    if (this.isWelcome) return this.drop(wire, 'The host welcomes twice')
    this.isWelcome = true
    this.failures = 0
    this.lastProblem = ''
    this.heartbeatMs = Math.min(mostHeartbeatMs, Math.max(leastHeartbeatMs, message.heartbeatMs))
    this.hasSecrets = message.secrets === true
    this.hasLogViews = message.logViews === true && this.deps.onLogView !== undefined
    this.deps.lease?.onWelcome(message.leaseMs)
    this.deps.log.info({ host: this.deps.hostUrl }, 'Linked')
    for (const report of this.deps.pendingReports()) this.send(reportMessage(report))
    this.beat(wire)
    if (message.usageMs !== undefined) this.tellUsageLater(wire, Math.max(leastUsageMs, message.usageMs))
  }

  private refused(wire: Wire, message: Order<'refused'>): void {
    this.problem(`The host refuses this runner: ${message.message}`)
    this.failures = message.retry ? this.failures : Number.POSITIVE_INFINITY
    wire.close()
  }

  private beat(wire: Wire): void {
    if (wire !== this.wire || !this.isWelcome) return
    // a host that has been silent for three heartbeats in spite of our pings is gone
    if (this.deps.clock.monotonic() - this.lastHeardMs > 3 * this.heartbeatMs + handshakeMs) {
      this.drop(wire, 'The host is silent')
      return
    }
    wire.ping()
    this.sendHeartbeat()
    this.after(this.jittered(this.heartbeatMs), () => this.beat(wire))
  }

  /** A heartbeat out of its turn: something in it is not to wait. */
  beatNow(): void {
    if (this.isWelcome) this.sendHeartbeat()
  }

  private sendHeartbeat(): void {
    const load = this.deps.measureLoad()
    const beat = this.deps.lease?.onBeat() ?? null
    const numbered = beat === null ? {} : { beat }
    const problem = this.deps.problem?.() ?? null
    const told = problem === null ? {} : { problem }
    const able = {
      ...(this.hasLogViews && { logViews: true }),
      ...(this.hasSecrets && { secrets: true }),
    }
    this.send({ type: 'heartbeat', load, attempts: this.deps.attempts(), ...numbered, ...told, ...able })
  }

  private tellUsageLater(wire: Wire, everyMs: number): void {
    if (this.isClosed || wire !== this.wire) return
    this.after(this.jittered(everyMs), () => {
      if (wire !== this.wire || this.deps.measureUsage === undefined) return
      this.deps
        .measureUsage()
        .then((items) => {
          if (wire !== this.wire) return
          const atMs = this.deps.clock.now()
          if (items.length > 0) this.send({ type: 'usage', atMs, items })
        })
        .catch((error: unknown) => this.deps.log.warn({ error: String(error) }, 'Cannot tell what tasks use'))
        .finally(() => this.tellUsageLater(wire, everyMs))
    })
  }

  /** So that the runners of a cluster do not speak at once. */
  private jittered(ms: number): number {
    return ms * (0.8 + 0.4 * this.deps.random())
  }

  private flushReports(): void {
    const reports = this.deferred
    this.deferred = []
    if (!this.isWelcome) return
    for (const report of reports) this.send(reportMessage(report))
  }

  private readLog(request: Order<'log_read'>): void {
    const { requestId, offset } = request
    this.answer(
      requestId,
      (signal) => this.deps.onLogRead(request, signal),
      (error) => ({
        type: 'log_chunk',
        requestId,
        offset,
        size: 0,
        data: '',
        ended: false,
        error: String(error).slice(0, 400),
      }),
    )
  }

  private viewLog(request: LogViewRequest): void {
    const { requestId } = request
    const { onLogView } = this.deps
    this.answer(
      requestId,
      async (signal) => {
        if (onLogView === undefined) throw new AppError('unavailable', 'this runner gives no lines of logs')
        return onLogView(request, signal)
      },
      (error) => {
        const { code, message } =
          error instanceof AppError ? error : { code: 'unavailable', message: String(error) }
        return { type: 'log_view', requestId, error: { code, message: message.slice(0, 400) } }
      },
    )
  }

  private answer(
    requestId: number,
    read: (signal: AbortSignal) => Promise<FromRunner>,
    failed: (error: unknown) => FromRunner,
  ): void {
    if (this.logReads.size >= maxLogReads)
      return this.send(failed(new AppError('too_many', 'too many log reads at once')))
    const reading = new AbortController()
    this.logReads.set(requestId, reading)
    read(reading.signal)
      .then(
        (answer) => this.send(answer),
        (error: unknown) => this.send(failed(error)),
      )
      .finally(() => {
        if (this.logReads.get(requestId) === reading) this.logReads.delete(requestId)
      })
  }

  private abortReads(): void {
    for (const read of this.logReads.values()) read.abort()
    this.logReads.clear()
  }

  private send(message: FromRunner): void {
    const { wire } = this
    if (wire === null || !wire.isOpen) return
    if (wire.waitingBytes > maxBufferedBytes) return this.drop(wire, 'The host does not take what is sent')
    wire.send(JSON.stringify(message))
  }

  private heard(): void {
    this.lastHeardMs = this.deps.clock.monotonic()
  }

  private drop(wire: Wire, why: string): void {
    this.problem(why)
    wire.cut()
  }

  private disconnected(wire: Wire): void {
    if (wire !== this.wire) return
    this.wire = null
    this.onGone()
    if (this.isWelcome) this.deps.log.warn({ host: this.deps.hostUrl }, 'The link is down; tasks go on')
    this.isWelcome = false
    this.deferred = []
    this.abortReads()
    if (this.isClosed) return
    const backoffMs = Number.isFinite(this.failures)
      ? Math.min(firstRetryMs * 2 ** Math.min(this.failures, 10), maxRetryMs)
      : refusedRetryMs
    this.failures = Number.isFinite(this.failures) ? this.failures + 1 : 0
    this.after(backoffMs * (0.5 + this.deps.random()), () => this.connect())
  }

  /** One line for a problem that goes on, not one for each try. */
  private problem(why: string): void {
    if (why === this.lastProblem) return
    this.lastProblem = why
    this.deps.log.warn({ host: this.deps.hostUrl }, why)
  }

  private after(delayMs: number, action: () => void): void {
    const cancel = this.deps.clock.after(delayMs, () => {
      this.timers.delete(cancel)
      action()
    })
    this.timers.add(cancel)
  }
}

function reportMessage(report: OutboxReport): FromRunner {
  return {
    type: 'report',
    seq: report.seq,
    taskId: String(report.taskId),
    attempt: report.attempt,
    event: report.event,
  }
}
