/** What tests of histories stand on: a clock that is turned by hand, nodes, and a file that is thrown away. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { node } from '../../core/builders.suite.ts'
import { Ledger } from '../../core/capacity.ts'
import type { NodeLoad } from '../../core/node.ts'
import type { Task } from '../../core/task.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Log, silentLog } from '../../platform/log.ts'
import type { NodeState } from '../cluster.ts'
import { HistoryFile } from '../store/history-file.ts'

export class HandClock implements Clock {
  private wallMs: number
  private passedMs = 0
  private timers: { atMs: number; action: () => void }[] = []

  constructor(wallMs: number) {
    this.wallMs = wallMs
  }

  now(): number {
    return this.wallMs
  }

  monotonic(): number {
    return this.passedMs
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.passedMs + delayMs, action }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter((each) => each !== timer)
    }
  }

  soon(action: () => void): () => void {
    return this.after(0, action)
  }

  /** Lets time pass, and all happen that is due in it. `each`: called before each thing that happens. */
  pass(ms: number, each: () => void = () => {}): void {
    const untilMs = this.passedMs + ms
    for (;;) {
      const next = this.timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > untilMs) break
      this.timers.splice(this.timers.indexOf(next), 1)
      this.turn(next.atMs)
      each()
      next.action()
    }
    this.turn(untilMs)
  }

  /** Somebody sets it. */
  set(wallMs: number): void {
    this.wallMs = wallMs
  }

  private turn(toMs: number): void {
    this.wallMs += toMs - this.passedMs
    this.passedMs = toMs
  }
}

/** Nodes that are heard, or not. */
export class HandNodes {
  readonly nodes = new Map<string, NodeState>()
  readonly ledger = new Ledger()
  readonly running = new Map<string, number>()
  readonly tasks = new Map<number, Task>()
  private readonly clock: HandClock

  constructor(clock: HandClock) {
    this.clock = clock
  }

  task(id: number): Task | null {
    return this.tasks.get(id) ?? null
  }

  runningOn(name: string): number {
    return this.running.get(name) ?? 0
  }

  add(name: string, cores = 8, memoryBytes = 2 ** 34): void {
    const { capacity, executor, identity } = node(name, { cores, memoryBytes })
    this.ledger.setNode({ name, status: 'online', capacity, executor, identity })
    this.nodes.set(name, {
      record: {
        name,
        ...identity,
        capacity,
        executor,
        runnerVersion: 'test',
        status: 'online',
        lastSeenMs: 0,
        drained: null,
      },
      load: null,
      loadAtMs: 0,
      strangers: [],
    })
  }

  /** A heartbeat. */
  tell(name: string, load: Partial<NodeLoad>): void {
    const known = this.nodes.get(name)
    if (known === undefined) throw new Error(`there is no node ${name}`)
    known.load = { cpuPercent: null, memoryUsedBytes: null, numaNodes: [], ...load }
    known.loadAtMs = this.clock.monotonic()
  }

  fallSilent(name: string): void {
    const known = this.nodes.get(name)
    if (known === undefined) throw new Error(`there is no node ${name}`)
    known.record = { ...known.record, status: 'unreachable' }
    known.load = null
  }
}

/** A directory with a file of histories, and what was said of it. */
export class TempHistory {
  readonly dir = mkdtempSync(join(tmpdir(), 'hakuriver-history-'))
  readonly path = join(this.dir, 'history.db')
  readonly said: string[] = []
  readonly log: Log = {
    ...silentLog,
    warn: (_, message) => void this.said.push(message),
    error: (_, message) => void this.said.push(message),
  }

  open(): HistoryFile {
    return new HistoryFile(this.path, this.log)
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}
