/**
 * A runner's parts at work: outbox, executor, attempts and link. All that it touches of the world is handed in, so
 * that a simulation runs the same code.
 */
import { join } from 'node:path'
import type { Capacity, ExecutorInfo, NodeLoad } from '../core/node.ts'
import { firstUser } from '../core/roles.ts'
import type { RunnerIdentity, TaskExit } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import { version } from '../platform/version.ts'
import type { Dial, DialTls } from '../platform/wire.ts'
import type { FromHost, FromRunner } from '../protocol/link.ts'
import { Attempts } from './attempts.ts'
import type { RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { Lease } from './lease.ts'
import { Link, type LogViewRequest } from './link.ts'
import type { LogLimit } from './log-limit.ts'
import { Outbox } from './outbox.ts'
import { UsageMeter } from './usage.ts'

type LogRequest = Extract<FromHost, { type: 'log_read' }>

export interface AgentDeps {
  config: Pick<RunnerConfig, 'hostUrl' | 'nodeName' | 'stateDir' | 'sharedDir' | 'localTempDir'>
  /** Asked anew for each dial. */
  joinToken: () => string | null
  /** By what the host is known, and what is shown to it; asked anew for each dial. Left out, or null: nothing. */
  tls?: () => DialTls | null
  /** The host wants a newer certificate of this node. */
  onRenew?: () => void
  identity: RunnerIdentity
  /** A directory for each attempt that is held. */
  attemptsDir: string
  /** As of `Attempts`, with the executor that was chosen. */
  taskUserFor: (owner: string, executor: ExecutorInfo['name']) => string | null
  clock: Clock
  disk: Disk
  dial: Dial
  /** 0 to 1. */
  random: () => number
  log: Log
  makeExecutor: (deps: ExecutorDeps) => Promise<Executor>
  detectCapacity: () => Promise<Capacity>
  measureLoad: (capacity: Capacity) => NodeLoad
  /** Of the logs where the executor has them. Left out: logs may grow without end. */
  makeLogLimit?: (executor: Executor) => LogLimit
  readLog: (request: LogRequest, attempts: Attempts, signal: AbortSignal) => Promise<FromRunner>
  /** Left out: no lines are given here, and nothing is searched. */
  viewLog?: (request: LogViewRequest, attempts: Attempts, signal: AbortSignal) => Promise<FromRunner>
}

export interface Agent {
  executor: Executor['info']
  isLinked: () => boolean
  /** Ends the link in order, and links anew. */
  redial(): void
  /** Stops; tasks go on. */
  close(): Promise<void>
}

/** Takes up what an earlier runner left, and dials the host. */
export async function startAgent(deps: AgentDeps): Promise<Agent> {
  const { config, identity, clock, disk, log, viewLog } = deps
  const tell = (message: string, fields: Record<string, unknown> = {}) => log.warn(fields, message)
  const outbox = await Outbox.open(join(config.stateDir, 'outbox.jsonl'), {
    disk,
    later: clock.after,
    log: tell,
  })

  let attempts: Attempts | null = null // the executor needs its events first
  const events = {
    onStarted: (taskId: number, attempt: number, atMs: number) => attempts?.onStarted(taskId, attempt, atMs),
    onExit: (taskId: number, attempt: number, exit: TaskExit) => attempts?.onExit(taskId, attempt, exit),
  }
  const executor = await deps.makeExecutor({ events, now: clock.now, ...identity, log: tell })
  log.info({ node: config.nodeName, executor: executor.info.name, why: executor.info.why }, 'Executor chosen')

  const logLimit = deps.makeLogLimit?.(executor) ?? null
  const isInUse = (besides: string | null) => attempts?.hasLeased(besides) ?? false
  const lease = new Lease({ fence: executor.fence ?? null, isInUse, log })
  let link: Link | null = null
  const held = new Attempts({
    config,
    attemptsDir: deps.attemptsDir,
    executor,
    others: new Map(),
    outbox,
    logLimit,
    lease,
    taskUserFor: (owner) =>
      executor.mapsUsers === true ? null : deps.taskUserFor(owner, executor.info.name),
    clock,
    disk,
    log,
    onProblem: () => link?.beatNow(),
    onReport: (report) => link?.sendReport(report),
  })
  attempts = held
  await held.recover()

  const capacity = await deps.detectCapacity()
  const usage = new UsageMeter(() => held.running())
  const background = new Set<Promise<void>>()
  const track = (work: Promise<void>, what: string) => {
    const tracked = work
      .catch((error: unknown) => log.error({ error: String(error) }, `Failed: ${what}`))
      .finally(() => background.delete(tracked))
    background.add(tracked)
  }
  const opened = new Link({
    hostUrl: config.hostUrl,
    joinToken: deps.joinToken,
    ...(deps.tls !== undefined && { tls: deps.tls }),
    ...(deps.onRenew !== undefined && { onRenew: deps.onRenew }),
    nodeName: config.nodeName,
    runnerVersion: version,
    identity,
    capacity,
    executor: executor.info,
    log,
    random: deps.random,
    clock,
    dial: deps.dial,
    measureLoad: () => deps.measureLoad(capacity),
    attempts: () => held.list(),
    problem: () => held.problem(),
    measureUsage: () => usage.measure(),
    pendingReports: () => outbox.pending(),
    lease,
    onStart: (order) => track(held.start(startOrder(order)), 'starting a task'),
    onKill: ({ taskId, attempt }) => track(held.kill(Number(taskId), attempt), 'killing a task'),
    onAck: (seq) => track(held.forget(outbox.acknowledge(seq)), 'letting go of ended tasks'),
    onLogRead: (request, signal) => deps.readLog(request, held, signal),
    ...(viewLog !== undefined && {
      onLogView: (request: LogViewRequest, signal: AbortSignal) => viewLog(request, held, signal),
    }),
  })
  link = opened
  opened.open()
  return {
    executor: executor.info,
    isLinked: () => opened.isUp,
    redial: () => opened.redial(),
    close: async () => {
      await opened.close()
      await Promise.allSettled([...background])
      await executor.close()
      logLimit?.close()
      await outbox.close()
    },
  }
}

function startOrder(order: Extract<FromHost, { type: 'start' }>): Parameters<Attempts['start']>[0] {
  const { attempt, spec, numaId, secrets } = order
  const owner = order.owner ?? firstUser
  const base = { taskId: Number(order.taskId), attempt, batchId: Number(order.batchId), owner, spec, numaId }
  return secrets === undefined ? base : { ...base, secrets }
}
