/** Puts a runner together: identity, executor, attempts, outbox and link. */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Capacity } from '../core/node.ts'
import type { TaskSpec } from '../core/task.ts'
import { systemClock } from '../platform/clock.ts'
import { systemDisk } from '../platform/disk.ts'
import { readTextIfThere, writeFileAtomic } from '../platform/files.ts'
import { lockDirectory } from '../platform/instance-lock.ts'
import type { Log } from '../platform/log.ts'
import { logPath } from '../platform/log-paths.ts'
import { awaitLogPart } from '../platform/log-reader.ts'
import { version } from '../platform/version.ts'
import { dialWebSocket } from '../platform/wire.ts'
import type { FromHost, FromRunner } from '../protocol/link.ts'
import { Attempts } from './attempts.ts'
import { chooseExecutor } from './choose-executor.ts'
import { currentJoinToken, type RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { detectCapacity, LoadMeter, readBootId } from './hardware.ts'
import { Link } from './link.ts'
import { Outbox } from './outbox.ts'
import { attemptsDir } from './paths.ts'

export interface RunnerOptions {
  config: RunnerConfig
  log: Log
  /** What the node has; default: what is found on this machine. */
  capacity?: Capacity
  /** Builds the executor; tests hand in their own. */
  makeExecutor?: (config: RunnerConfig, deps: ExecutorDeps) => Promise<Executor>
}

export interface Runner {
  nodeName: string
  executor: Executor['info']
  isLinked: () => boolean
  /** Stops; tasks go on. */
  close(): Promise<void>
}

/** @throws AppError when another runner uses the state directory, or no executor works here */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const { config, log } = options
  const clock = systemClock
  const disk = systemDisk
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 })
  // chmod(2) beside it: the umask has no say here, as tasks of any user work in it
  if (mkdirSync(config.localTempDir, { recursive: true }) !== undefined)
    chmodSync(config.localTempDir, 0o1777)
  const lock = await lockDirectory(config.stateDir, 'runner')
  const bootId = readBootId()
  const identity = { runnerId: await readRunnerId(config.stateDir), bootId }
  const tell = (message: string, fields: Record<string, unknown> = {}) => log.warn(fields, message)
  const outbox = await Outbox.open(disk, join(config.stateDir, 'outbox.jsonl'), tell)

  let attempts: Attempts | null = null // the executor needs its events first
  const events = {
    onStarted: (taskId: number, attempt: number, atMs: number) => attempts?.onStarted(taskId, attempt, atMs),
    onExit: (taskId: number, attempt: number, exit: Parameters<Attempts['onExit']>[2]) =>
      attempts?.onExit(taskId, attempt, exit),
  }
  const executor = await (options.makeExecutor ?? chooseExecutor)(config, {
    events,
    now: clock.now,
    bootId,
    log: tell,
  })
  log.info({ node: config.nodeName, executor: executor.info.name, why: executor.info.why }, 'Executor chosen')

  let link: Link | null = null
  const held = new Attempts({
    config,
    attemptsDir: attemptsDir(config.stateDir, identity.runnerId),
    executor,
    others: new Map(),
    outbox,
    taskUser: config.taskUser ?? (process.getuid?.() === 0 ? 'nobody' : null),
    clock,
    disk,
    log,
    onReport: (report) => link?.sendReport(report),
  })
  attempts = held
  await held.recover()

  const capacity = options.capacity ?? (await detectCapacity(config.numactlPath))
  const meter = new LoadMeter()
  const background = new Set<Promise<void>>()
  const track = (work: Promise<void>, what: string) => {
    const tracked = work
      .catch((error: unknown) => log.error({ error: String(error) }, `Failed: ${what}`))
      .finally(() => background.delete(tracked))
    background.add(tracked)
  }
  link = new Link({
    hostUrl: config.hostUrl,
    joinToken: () => currentJoinToken(config),
    nodeName: config.nodeName,
    runnerVersion: version,
    identity,
    capacity,
    executor: executor.info,
    log,
    random: Math.random,
    clock,
    dial: dialWebSocket,
    measureLoad: () => meter.measure(capacity.numaNodes),
    attempts: () => held.list(),
    pendingReports: () => outbox.pending(),
    onStart: (order) => track(held.start(startOrder(order)), 'starting a task'),
    onKill: ({ taskId, attempt }) => track(held.kill(Number(taskId), attempt), 'killing a task'),
    onAck: (seq) => track(held.forget(outbox.acknowledge(seq)), 'letting go of ended tasks'),
    onLogRead: (request, signal) => readLog(config, held, request, signal),
  })
  link.open()
  const opened = link
  return {
    nodeName: config.nodeName,
    executor: executor.info,
    isLinked: () => opened.isUp,
    close: async () => {
      await opened.close()
      await Promise.allSettled([...background])
      await executor.close()
      await outbox.close()
      await lock.release()
    },
  }
}

/** Made once per state directory: a host that sees another one knows that this one's records are gone. */
async function readRunnerId(stateDir: string): Promise<string> {
  const path = join(stateDir, 'runner-id')
  const known = (await readTextIfThere(path))?.trim()
  if (known) return known
  const made = randomUUID()
  await writeFileAtomic(path, `${made}\n`, { sync: true })
  return made
}

function startOrder(order: Extract<FromHost, { type: 'start' }>): Parameters<Attempts['start']>[0] {
  const spec: TaskSpec = order.spec
  return {
    taskId: Number(order.taskId),
    attempt: order.attempt,
    batchId: Number(order.batchId),
    spec,
    numaId: order.numaId,
  }
}

async function readLog(
  config: RunnerConfig,
  attempts: Attempts,
  request: Extract<FromHost, { type: 'log_read' }>,
  signal: AbortSignal,
): Promise<FromRunner> {
  const path = logPath(config.sharedDir ?? config.stateDir, request.stream, Number(request.taskId))
  const part = await awaitLogPart(path, request.offset, request.limit, {
    waitMs: request.waitMs,
    isDone: () => attempts.isEnded(Number(request.taskId), request.attempt),
    signal,
  })
  return {
    type: 'log_chunk',
    requestId: request.requestId,
    offset: part.offset,
    size: part.size,
    data: part.data.toString('base64'),
    ended: part.ended,
    error: null,
  }
}
