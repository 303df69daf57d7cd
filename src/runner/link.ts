/**
 * The runner's side of the link: dials the host, says hello, keeps the heartbeat, sends reports until they are
 * acknowledged, and connects again for as long as it takes. The runner listens on nothing.
 */
import { WebSocket } from 'ws'
import type { Capacity, ExecutorInfo, NodeLoad } from '../core/node.ts'
import type { RunnerIdentity } from '../core/task.ts'
import type { Log } from '../platform/log.ts'
import type { FromHost, FromRunner, HeldAttempt } from '../protocol/link.ts'
import { linkPath } from '../protocol/routes.ts'
import { readFromHost } from './host-messages.ts'
import type { OutboxReport } from './outbox.ts'

/** Of `protocol/link.ts`, whose schemas a runner does not load. */
export const linkVersion = 1

type Order<T extends FromHost['type']> = Extract<FromHost, { type: T }>

export interface LinkDeps {
  hostUrl: string
  /** Asked anew for each dial. */
  joinToken: () => string | null
  nodeName: string
  runnerVersion: string
  identity: RunnerIdentity
  capacity: Capacity
  executor: ExecutorInfo
  log: Log
  measureLoad: () => NodeLoad
  attempts: () => HeldAttempt[]
  pendingReports: () => readonly OutboxReport[]
  onStart: (order: Order<'start'>) => void
  onKill: (order: Order<'kill'>) => void
  onAck: (seq: number) => void
  /** Answers with the chunk to send. */
  onLogRead: (request: Order<'log_read'>, signal: AbortSignal) => Promise<FromRunner>
  /** 0 to 1. */
  random: () => number
}

const handshakeMs = 10_000
const firstRetryMs = 100
const maxRetryMs = 5_000
/** After a refusal that trying again does not mend: an operator may, so we stay, but quietly. */
const refusedRetryMs = 30_000
/** Bytes waiting to be sent beyond which the link counts as stuck. */
const maxBufferedBytes = 64 * 1024 * 1024
const maxLogReads = 64

export class Link {
  private readonly deps: LinkDeps
  private socket: WebSocket | null = null
  private isWelcome = false
  private isClosed = false
  private failures = 0
  private timers = new Set<NodeJS.Timeout>()
  private lastHeardMs = 0
  private heartbeatMs = 5_000
  private lastProblem = ''
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
    if (this.deferred.push(report) === 1) setImmediate(() => this.flushReports())
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.flushReports()
    this.abortReads()
    for (const timer of this.timers) clearTimeout(timer)
    const { socket } = this
    if (socket === null || socket.readyState === WebSocket.CLOSED) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.terminate(), 1_000)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      socket.close(1001)
    })
  }

  private connect(): void {
    if (this.isClosed) return
    const { hostUrl } = this.deps
    const joinToken = this.deps.joinToken()
    const headers = joinToken === null ? {} : { authorization: `Bearer ${joinToken}` }
    const url = hostUrl.replace(/^http/, 'ws').replace(/\/$/, '') + linkPath
    const socket = new WebSocket(url, { headers, perMessageDeflate: false, handshakeTimeout: handshakeMs })
    this.socket = socket
    socket.on('open', () => this.greet(socket))
    socket.on('message', (data) => this.receive(socket, String(data)))
    socket.on('ping', () => this.heard())
    socket.on('pong', () => this.heard())
    let isAnswered = false // and told: that we end such a dial ourselves is no other problem
    socket.on('unexpected-response', (_, response) => {
      isAnswered = true
      this.problem(
        response.statusCode === 401
          ? 'The host does not accept the join token'
          : `The host answered ${response.statusCode}`,
      )
      socket.terminate()
    })
    socket.on('error', (error) => {
      if (!isAnswered && !this.isClosed) this.problem(`Cannot reach the host: ${error.message}`)
    })
    socket.on('close', () => this.disconnected(socket))
  }

  private greet(socket: WebSocket): void {
    // Nagle's delay would cost more than a whole task
    const raw = (socket as unknown as { _socket?: { setNoDelay(on: boolean): void } })._socket
    raw?.setNoDelay(true)
    const { nodeName, runnerVersion, identity, capacity, executor } = this.deps
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
      if (this.socket === socket && !this.isWelcome) this.drop(socket, 'The host does not answer the hello')
    })
  }

  private receive(socket: WebSocket, text: string): void {
    if (socket !== this.socket) return
    this.heard()
    let message: FromHost
    try {
      message = readFromHost(text)
    } catch (error) {
      this.drop(socket, error instanceof Error ? error.message : String(error))
      return
    }
    switch (message.type) {
      case 'welcome':
        return this.welcomed(socket, message)
      case 'refused':
        return this.refused(socket, message)
      case 'start':
        return this.deps.onStart(message)
      case 'kill':
        return this.deps.onKill(message)
      case 'ack':
        return this.deps.onAck(message.seq)
      case 'log_read':
        return this.readLog(message)
      case 'log_cancel':
        this.logReads.get(message.requestId)?.abort()
    }
  }

  private welcomed(socket: WebSocket, message: Order<'welcome'>): void {
    this.isWelcome = true
    this.failures = 0
    this.lastProblem = ''
    this.heartbeatMs = message.heartbeatMs
    this.deps.log.info({ host: this.deps.hostUrl }, 'Linked')
    for (const report of this.deps.pendingReports()) this.send(reportMessage(report))
    this.beat(socket)
  }

  private refused(socket: WebSocket, message: Order<'refused'>): void {
    this.problem(`The host refuses this runner: ${message.message}`)
    this.failures = message.retry ? this.failures : Number.POSITIVE_INFINITY
    socket.close()
  }

  /** Jittered, so that the runners of a cluster do not speak at once. */
  private beat(socket: WebSocket): void {
    if (socket !== this.socket || !this.isWelcome) return
    // a host that has been silent for three heartbeats in spite of our pings is gone
    if (performance.now() - this.lastHeardMs > 3 * this.heartbeatMs + handshakeMs) {
      this.drop(socket, 'The host is silent')
      return
    }
    socket.ping()
    this.send({ type: 'heartbeat', load: this.deps.measureLoad(), attempts: this.deps.attempts() })
    this.after(this.heartbeatMs * (0.8 + 0.4 * this.deps.random()), () => this.beat(socket))
  }

  private flushReports(): void {
    const reports = this.deferred
    this.deferred = []
    if (!this.isWelcome) return
    for (const report of reports) this.send(reportMessage(report))
  }

  private readLog(request: Order<'log_read'>): void {
    const { requestId, offset } = request
    const failed = (error: string): FromRunner => ({
      type: 'log_chunk',
      requestId,
      offset,
      size: 0,
      data: '',
      ended: false,
      error,
    })
    if (this.logReads.size >= maxLogReads) return this.send(failed('too many log reads at once'))
    const read = new AbortController()
    this.logReads.set(requestId, read)
    this.deps
      .onLogRead(request, read.signal)
      .then(
        (chunk) => this.send(chunk),
        (error: unknown) => this.send(failed(String(error).slice(0, 400))),
      )
      .finally(() => {
        if (this.logReads.get(requestId) === read) this.logReads.delete(requestId)
      })
  }

  private abortReads(): void {
    for (const read of this.logReads.values()) read.abort()
    this.logReads.clear()
  }

  private send(message: FromRunner): void {
    const { socket } = this
    if (socket === null || socket.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount > maxBufferedBytes)
      return this.drop(socket, 'The host does not take what is sent')
    socket.send(JSON.stringify(message))
  }

  private heard(): void {
    this.lastHeardMs = performance.now()
  }

  private drop(socket: WebSocket, why: string): void {
    this.problem(why)
    socket.terminate()
  }

  private disconnected(socket: WebSocket): void {
    if (socket !== this.socket) return
    this.socket = null
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
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      action()
    }, delayMs)
    this.timers.add(timer)
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
