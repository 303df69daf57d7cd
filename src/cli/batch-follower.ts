/** Follows the logs of many tasks at once: a bounded number live; where more run than that, all of them in turn. */
import { isFinal, type Status } from '../core/task.ts'
import { type BatchLogOptions, eachPart, finishLines, type LogEntry, readEntry } from './batch-log.ts'
import { followEvents, untilAnswered } from './event-stream.ts'
import { awayNode, followLog } from './log-reader.ts'
import { tasksOf } from './selectors.ts'

export interface FollowBatchOptions extends BatchLogOptions {
  batchId: string
  /** The host has gone away, or is back. */
  onLink: (state: 'cut' | 'back') => Promise<void>
  /** More tasks run than can be followed at once: all are looked at in turn. Told once. */
  onCrowd: (running: number, width: number) => Promise<void>
  /** How many are followed at once, two connections each; the host takes 60 for one node. */
  width?: number
  /** How long one task is left alone while all are looked at in turn. */
  revisitMs?: number
}

/** Prints the logs as they grow until every task has ended and all is printed, or the signal comes. */
export async function followLogs(entries: readonly LogEntry[], options: FollowBatchOptions): Promise<void> {
  await new BatchFollower(entries, options).run()
}

/** What is to be done with a task after it was served: no more, at once again, or after a rest. */
type Next = 'done' | 'again' | 'later'

const hasBegun = (status: Status) => status !== 'pending' && status !== 'assigning'

class BatchFollower {
  private readonly options: FollowBatchOptions
  private readonly width: number
  /** All whose end is not printed yet. */
  private readonly open: Map<string, LogEntry>
  /** Those that have begun and that nobody serves now, in their turn. */
  private readonly queue = new Set<LogEntry>()
  private readonly served = new Map<LogEntry, Promise<void>>()
  private readonly resting = new Map<LogEntry, NodeJS.Timeout>()
  /** Ends the following of all, so that they can take turns. */
  private crowd = new AbortController()
  private hasToldCrowd = false
  private readonly done = Promise.withResolvers<void>()
  private readonly stop = new AbortController()
  private readonly signal: AbortSignal

  constructor(entries: readonly LogEntry[], options: FollowBatchOptions) {
    this.options = options
    this.width = options.width ?? 16
    this.open = new Map(entries.map((entry) => [entry.id, entry]))
    this.signal = AbortSignal.any([options.signal, this.stop.signal])
  }

  async run(): Promise<void> {
    if (this.open.size === 0) return
    const end = () => this.done.resolve()
    this.options.signal.addEventListener('abort', end)
    if (this.options.signal.aborted) end()
    const watching = this.watch().catch((error: unknown) => this.done.reject(error))
    try {
      await this.done.promise
    } finally {
      this.options.signal.removeEventListener('abort', end)
      this.stop.abort()
      for (const timer of this.resting.values()) clearTimeout(timer)
      await Promise.all([watching, ...this.served.values()])
      for (const entry of this.open.values()) await finishLines(entry)
    }
  }

  /** Hears of every change, and reads all again after each (re)connect, so that none is missed. */
  private async watch(): Promise<void> {
    const { host, batchId, onLink } = this.options
    let wasCut = false
    for await (const step of followEvents(host, { signal: this.signal })) {
      if (step.kind === 'cut') {
        if (!wasCut) await onLink('cut')
        wasCut = true
      } else if (step.kind === 'open') {
        if (wasCut) await onLink('back')
        wasCut = false
        await untilAnswered(async () => {
          for await (const task of tasksOf(host, { batchId })) this.see(task.id, task.status)
        }, this.signal)
      } else if (step.event.taskId !== null && step.event.status !== null) {
        this.see(step.event.taskId, step.event.status)
      }
    }
  }

  private see(id: string, status: Status): void {
    const entry = this.open.get(id)
    if (entry === undefined || isFinal(entry.status)) return
    entry.status = status
    if (!hasBegun(status) || this.served.has(entry)) return
    if (isFinal(status)) this.wake(entry)
    if (!this.resting.has(entry)) this.queue.add(entry)
    this.serveNext()
  }

  private wake(entry: LogEntry): void {
    clearTimeout(this.resting.get(entry))
    this.resting.delete(entry)
  }

  private get running(): number {
    return this.queue.size + this.served.size + this.resting.size
  }

  private get isCrowded(): boolean {
    return this.running > this.width
  }

  private serveNext(): void {
    if (this.isCrowded) this.crowd.abort()
    else if (this.crowd.signal.aborted) this.crowd = new AbortController()
    for (const entry of this.queue) {
      if (this.served.size >= this.width || this.signal.aborted) return
      this.queue.delete(entry)
      this.served.set(entry, Promise.resolve())
      const serving = this.serve(entry).catch((error: unknown) => this.done.reject(error))
      this.served.set(entry, serving)
    }
  }

  private async serve(entry: LogEntry): Promise<void> {
    const takesTurns = this.isCrowded
    const next = isFinal(entry.status) || takesTurns ? await this.look(entry) : await this.follow(entry)
    this.served.delete(entry)
    if (this.signal.aborted) return
    if (next === 'done') {
      this.open.delete(entry.id)
      if (this.open.size === 0) this.done.resolve()
    } else if (next === 'later' && !isFinal(entry.status)) this.rest(entry)
    else this.queue.add(entry)
    this.serveNext()
  }

  /** Prints what is there now. Done where it had ended before: nothing can follow. */
  private async look(entry: LogEntry): Promise<Next> {
    if (!isFinal(entry.status) && !this.hasToldCrowd) {
      this.hasToldCrowd = true
      await this.options.onCrowd(this.running, this.width)
    }
    const hadEnded = isFinal(entry.status)
    const onFailure: BatchLogOptions['onFailure'] = hadEnded ? this.options.onFailure : async () => {}
    await readEntry(entry, { ...this.options, signal: this.signal, onFailure, isPatient: true })
    if (hadEnded && !this.signal.aborted) await finishLines(entry)
    return hadEnded ? 'done' : 'later'
  }

  /** Follows until it has ended, or all have to take turns. */
  private async follow(entry: LogEntry): Promise<Next> {
    const signal = AbortSignal.any([this.signal, this.crowd.signal])
    try {
      await eachPart(entry, { ...this.options, signal }, followLog)
    } catch (error) {
      // its node is away: looked at again later, when it may be known that it has ended
      if (!signal.aborted && awayNode(error) === null) throw error
      return signal.aborted ? 'again' : 'later'
    }
    if (signal.aborted) return 'again'
    await finishLines(entry)
    return 'done'
  }

  private rest(entry: LogEntry): void {
    const timer = setTimeout(() => {
      this.resting.delete(entry)
      this.queue.add(entry)
      this.serveNext()
    }, this.options.revisitMs ?? 2_000)
    this.resting.set(entry, timer)
  }
}
