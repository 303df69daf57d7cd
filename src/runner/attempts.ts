/**
 * The attempts that this runner holds, from the start that the host sent to the host's acknowledgement of the
 * end. What is held lies on disk before it is acted upon, so that the next runner goes on where this one stopped.
 */
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isLeased, type TaskExit, type TaskSpec } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import { logFolder, logPath } from '../platform/log-paths.ts'
import type { HeldAttempt } from '../protocol/link.ts'
import { logStreams } from '../protocol/routes.ts'
import type { RunnerConfig } from './config.ts'
import { exitWithout } from './executors/attempt-files.ts'
import type { Executor, ExecutorEvents, Handle, LaunchSpec } from './executors/executor.ts'
import type { Lease } from './lease.ts'
import type { LogLimit, LogPaths } from './log-limit.ts'
import type { Outbox, OutboxReport } from './outbox.ts'
import { taskDir } from './paths.ts'
import { ToldEnds } from './told-ends.ts'

/** A start as the host sends it. */
export interface StartOrder {
  taskId: number
  attempt: number
  batchId: number
  /** The user who submitted it. */
  owner: string
  spec: TaskSpec
  numaId: number | null
  /** Variables that only the task sees; left out: none. */
  secrets?: Record<string, string>
}

/** What is kept of a launch, on the node's own disk: not its secrets. */
interface KeptLaunch extends Omit<LaunchSpec, 'secrets'> {
  /** It cannot be started without them. */
  hasSecrets?: true
}

interface Held {
  phase: 'starting' | 'running' | 'ended'
  startedAtMs: number | null
  /** null: killed before it was started here; there is nothing to recover or to collect. */
  handle: Handle | null
  isKillRequested: boolean
  /** By the monotonic clock: when it was first asked to end; left out: it was not. */
  killAskedAtMs?: number
  /** By the monotonic clock: when its time limit ends it; left out: it has none, or does not run yet. */
  timeoutAtMs?: number
  /** What its files say; left out: they do not. */
  launch?: Pick<LaunchSpec, 'spec' | 'numaId'>
}

export interface AttemptsDeps {
  config: Pick<RunnerConfig, 'stateDir' | 'sharedDir' | 'localTempDir' | 'nodeName'>
  /** A directory for each attempt that is held. */
  attemptsDir: string
  /** Chosen for new attempts. */
  executor: Executor
  /** For attempts that another executor started, by its name. */
  others: ReadonlyMap<string, Executor>
  outbox: Outbox
  /** null: logs may grow without end. */
  logLimit: LogLimit | null
  /** Left out: nothing leased is run here. */
  lease?: Pick<Lease, 'ready'>
  /**
   * The user that a task of this API user runs as; null: the runner's own.
   * @throws AppError where nothing of that one is run here
   */
  taskUserFor: (owner: string) => string | null
  clock: Clock
  disk: Disk
  log: Log
  /** An attempt was refused for what `problem` says; told before the report of it. */
  onProblem?: () => void
  /** A report was added to the outbox. */
  onReport: (report: OutboxReport) => void
}

const killGraceMs = 10_000
/** What lives so long after SIGKILL waits for something that does not come (proc_pid_stat(5), state D). */
const stuckMs = 10_000
const launchFile = 'launch.json'

export class Attempts implements ExecutorEvents {
  private readonly deps: AttemptsDeps
  private readonly held = new Map<string, Held>()
  private readonly told = new ToldEnds()

  constructor(deps: AttemptsDeps) {
    this.deps = deps
    const { disk, config, attemptsDir } = deps
    disk.makeDir(attemptsDir, 0o700)
    // a shared one may not answer: whoever starts the runner makes them there
    if (config.sharedDir === null && deps.executor.logs === undefined)
      for (const stream of logStreams) disk.makeDir(logFolder(config.stateDir, stream), 0o755)
  }

  /** What the host is told of in hellos and heartbeats. */
  list(): HeldAttempt[] {
    return [...this.held].map(([id, held]) => {
      const { phase, startedAtMs } = held
      const [taskId = '', attempt = ''] = id.split('-')
      const stuck = this.stuckOf(Number(taskId), Number(attempt), held)
      return {
        taskId,
        attempt: Number(attempt),
        phase,
        startedAtMs,
        ...(stuck === null ? {} : { stuck }),
        ...takesOf(held),
      }
    })
  }

  /** What runs, and which executor can tell of it. */
  running(): { taskId: number; attempt: number; executor: Executor }[] {
    return [...this.held.values()].flatMap((held) => {
      const executor = held.phase === 'running' ? this.executorOf(held) : undefined
      if (held.handle === null || executor === undefined) return []
      return [{ taskId: held.handle.taskId, attempt: held.handle.attempt, executor }]
    })
  }

  /** Why nothing can be started here at the moment; null: it can. */
  problem(): string | null {
    return this.deps.logLimit?.problem(this.logsOf(0)) ?? null
  }

  /** Has the task ended here, or is it not here at all? Then its log does not grow any more. */
  isEnded(taskId: number, attempt: number): boolean {
    const held = this.held.get(keyOf(taskId, attempt))
    return held === undefined || held.phase === 'ended'
  }

  /** Is something leased going on, beside this attempt? */
  hasLeased(besides: string | null): boolean {
    for (const [id, { phase, handle }] of this.held)
      if (id !== besides && phase !== 'ended' && handle?.isLeased === true) return true
    return false
  }

  /** Starts an attempt. What is held already, was killed before it came, or has ended here, is not started. */
  async start(order: StartOrder): Promise<void> {
    const id = keyOf(order.taskId, order.attempt)
    if (this.held.has(id) || this.tellAgain(order.taskId, order.attempt)) return
    const { launch, refusal } = this.launchOf(order)
    const handle = this.deps.executor.handleFor(launch)
    const held: Held = {
      phase: 'starting',
      startedAtMs: null,
      handle,
      isKillRequested: false,
      launch: { spec: launch.spec, numaId: launch.numaId },
    }
    this.held.set(id, held)
    if (refusal !== null) return this.onExit(order.taskId, order.attempt, this.failed(refusal))
    const noRoom = this.deps.logLimit?.problem(this.logsOf(order.taskId)) ?? null
    if (noRoom !== null) {
      this.deps.onProblem?.()
      return this.onExit(order.taskId, order.attempt, this.failed(noRoom))
    }
    try {
      const { disk } = this.deps
      disk.makeDir(launch.taskDir, 0o700)
      disk.write(join(launch.taskDir, launchFile), JSON.stringify(keptOf(launch)))
      disk.write(join(launch.taskDir, 'handle.json'), JSON.stringify(handle))
      this.deps.logLimit?.prepare(this.logsOf(order.taskId))
    } catch (error) {
      this.onExit(
        order.taskId,
        order.attempt,
        this.failed(`the runner cannot write its state: ${String(error)}`),
      )
      return
    }
    this.deps.logLimit?.watch(id, this.logsOf(order.taskId))
    await this.launch(launch, held)
  }

  /** Ends an attempt. One that was never here is reported as killed, and will not start later. */
  async kill(taskId: number, attempt: number): Promise<void> {
    const id = keyOf(taskId, attempt)
    const held = this.held.get(id)
    if (held === undefined) {
      if (this.tellAgain(taskId, attempt)) return
      this.held.set(id, { phase: 'starting', startedAtMs: null, handle: null, isKillRequested: true })
      this.onExit(
        taskId,
        attempt,
        exitWithout('killed', 'killed before it was started', this.deps.clock.now()),
      )
      return
    }
    if (held.phase === 'ended') return
    held.isKillRequested = true
    held.killAskedAtMs ??= this.deps.clock.monotonic()
    await this.executorOf(held)?.kill(taskId, attempt, killGraceMs)
  }

  /** Takes up what an earlier runner left: running attempts are watched on, ended ones are reported. */
  async recover(): Promise<void> {
    for (const name of this.deps.disk.list(this.deps.attemptsDir)) {
      const handle = this.readHandle(name)
      if (handle !== null) await this.recoverOne(handle)
    }
    for (const report of this.deps.outbox.pending()) {
      const id = keyOf(report.taskId, report.attempt)
      if (report.event.type !== 'exited' || this.held.has(id)) continue
      this.held.set(id, { phase: 'ended', startedAtMs: null, handle: null, isKillRequested: false })
    }
  }

  /** The host has committed these reports: attempts that have ended are let go. */
  async forget(reports: readonly OutboxReport[]): Promise<void> {
    for (const { taskId, attempt, event } of reports) {
      const held = this.held.get(keyOf(taskId, attempt))
      if (event.type !== 'exited' || held === undefined) continue
      this.held.delete(keyOf(taskId, attempt))
      this.told.add(keyOf(taskId, attempt), event.exit)
      const { disk, attemptsDir } = this.deps
      const dir = taskDir(attemptsDir, taskId, attempt)
      try {
        // first what the next runner would start it from, if this one goes down before the rest is gone
        disk.remove(join(dir, launchFile))
        if (held.handle !== null) await this.executorOf(held)?.collect(held.handle)
        disk.remove(dir)
      } catch (error) {
        // its directory stays, so that the next runner finds it again
        this.deps.log.warn({ taskId, attempt, error: String(error) }, 'An ended attempt cannot be let go yet')
      }
    }
  }

  onStarted(taskId: number, attempt: number, startedAtMs: number): void {
    const held = this.held.get(keyOf(taskId, attempt))
    if (held === undefined || held.phase !== 'starting') return
    held.phase = 'running'
    held.startedAtMs = startedAtMs
    this.setTimeLimit(held)
    this.deps.log.info({ taskId, attempt }, 'Started')
    this.report(taskId, attempt, { type: 'started', startedAtMs })
  }

  onExit(taskId: number, attempt: number, exit: TaskExit): void {
    const held = this.held.get(keyOf(taskId, attempt))
    if (held === undefined || held.phase === 'ended') return
    held.phase = 'ended'
    this.deps.log.info({ taskId, attempt, cause: exit.cause, exitCode: exit.exitCode }, 'Ended')
    const cut = this.deps.logLimit?.end(keyOf(taskId, attempt)) ?? null
    if (cut === null) return this.report(taskId, attempt, { type: 'exited', exit })
    cut.then(
      (told) => {
        const reason = [exit.reason, told].filter((each) => each !== null).join('; ') || null
        this.report(taskId, attempt, { type: 'exited', exit: { ...exit, reason } })
      },
      () => this.report(taskId, attempt, { type: 'exited', exit }),
    )
  }

  private async launch(launch: LaunchSpec, held: Held): Promise<void> {
    if (isLeased(launch.spec, launch.attempt) && !(await this.isUnderLease(launch))) return
    try {
      await this.deps.executor.start(launch)
    } catch (error) {
      this.onExit(launch.taskId, launch.attempt, this.failed(`the executor failed: ${String(error)}`))
      return
    }
    // a kill that came while it was being started may have found nothing to end
    if (held.isKillRequested && held.phase !== 'ended') {
      await this.deps.executor.kill(launch.taskId, launch.attempt, killGraceMs)
    }
  }

  /** Puts the fence behind an attempt; where it cannot, it is not started, and the host starts it elsewhere. */
  private async isUnderLease({ taskId, attempt }: LaunchSpec): Promise<boolean> {
    const { lease, clock } = this.deps
    try {
      if (lease === undefined) throw new AppError('unavailable', 'its node cannot run it under a lease')
      await lease.ready(keyOf(taskId, attempt))
      return true
    } catch (error) {
      const why = error instanceof AppError ? error.message : String(error)
      this.onExit(taskId, attempt, exitWithout('node_lost', `it was not started there: ${why}`, clock.now()))
      return false
    }
  }

  private async recoverOne(handle: Handle): Promise<void> {
    const { taskId, attempt } = handle
    const { outbox, log } = this.deps
    const launch = this.readJson<KeptLaunch>(join(handle.taskDir, launchFile))
    const held: Held = {
      phase: 'starting',
      startedAtMs: null,
      handle,
      isKillRequested: false,
      ...(launch !== null && { launch }),
    }
    this.held.set(keyOf(taskId, attempt), held)
    if (outbox.has(taskId, attempt, 'exited')) {
      held.phase = 'ended'
      return
    }
    this.deps.logLimit?.watch(keyOf(taskId, attempt), this.logsOf(taskId))
    const executor = this.executorOf(held)
    if (executor === undefined) {
      log.error(
        { taskId, attempt, executor: handle.executor },
        'No executor here can find this attempt again',
      )
      return
    }
    const found = await executor.recover(handle)
    log.info({ taskId, attempt, state: found.state }, 'Recovered')
    switch (found.state) {
      case 'running':
        if (this.hasEnded(held)) return // its end was told in the meantime
        held.phase = 'running'
        held.startedAtMs = found.startedAtMs
        this.setTimeLimit(held)
        if (!outbox.has(taskId, attempt, 'started')) {
          this.report(taskId, attempt, { type: 'started', startedAtMs: found.startedAtMs })
        }
        return
      case 'ended':
        this.onExit(taskId, attempt, found.exit)
        return
      case 'never_started': {
        // the runner went down between writing the handle and the start: the order is still to be carried out
        if (launch === null)
          this.onExit(taskId, attempt, this.failed('the runner went down before it was started'))
        else if (launch.hasSecrets === true) await this.letHostStartAgain(handle, executor)
        else await this.launch(launch, held)
      }
    }
  }

  /** Only the host has the secrets of what was never started here: it misses the attempt, and sends it once more. */
  private async letHostStartAgain(handle: Handle, executor: Executor): Promise<void> {
    const { taskId, attempt } = handle
    await this.deps.logLimit?.end(keyOf(taskId, attempt))
    this.held.delete(keyOf(taskId, attempt))
    await executor.collect(handle)
    this.deps.disk.remove(handle.taskDir)
  }

  private hasEnded(held: Held): boolean {
    return held.phase === 'ended'
  }

  /** @returns whether it has ended here, and its end is on the way once more */
  private tellAgain(taskId: number, attempt: number): boolean {
    const id = keyOf(taskId, attempt)
    const exit = this.told.get(id)
    if (exit === null) return false
    this.held.set(id, { phase: 'ended', startedAtMs: null, handle: null, isKillRequested: false })
    this.report(taskId, attempt, { type: 'exited', exit })
    return true
  }

  private report(taskId: number, attempt: number, event: OutboxReport['event']): void {
    this.deps.onReport(this.deps.outbox.add(taskId, attempt, event))
  }

  private executorOf(held: Held): Executor | undefined {
    const name = held.handle?.executor
    if (name === undefined || name === this.deps.executor.info.name) return this.deps.executor
    return this.deps.others.get(name)
  }

  private failed(reason: string): TaskExit {
    return exitWithout('launch_failed', reason, this.deps.clock.now())
  }

  /** What is started, and why it may not be. */
  private launchOf(order: StartOrder): { launch: LaunchSpec; refusal: string | null } {
    const { user, refusal } = this.userOf(order.owner)
    const { config } = this.deps
    const { taskId, attempt, owner, spec, numaId, secrets } = order
    const logs = this.logsOf(taskId)
    const launch: LaunchSpec = {
      taskId,
      attempt,
      owner,
      spec,
      numaId,
      extraEnv: this.variablesOf(order),
      taskDir: taskDir(this.deps.attemptsDir, taskId, attempt),
      stdoutPath: logs.stdout,
      stderrPath: logs.stderr,
      defaultCwd: config.localTempDir,
      user,
      ...(secrets !== undefined && { secrets }),
    }
    return { launch, refusal }
  }

  private userOf(owner: string): { user: string | null; refusal: string | null } {
    try {
      return { user: this.deps.taskUserFor(owner), refusal: null }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return { user: null, refusal: error.message }
    }
  }

  /** Counted from now, also of one that was found again: a wall clock that was set may not call it overdue. */
  private setTimeLimit(held: Held): void {
    const timeoutMs = held.launch?.spec.timeoutMs ?? null
    if (timeoutMs !== null) held.timeoutAtMs = this.deps.clock.monotonic() + timeoutMs
  }

  /** It was to be gone by SIGKILL, after a kill or its time limit, and is not. */
  private stuckOf(taskId: number, attempt: number, held: Held): string | null {
    if (held.phase === 'ended') return null
    const { killAskedAtMs = Number.POSITIVE_INFINITY, timeoutAtMs = Number.POSITIVE_INFINITY } = held
    const waitedMs = this.deps.clock.monotonic() - Math.min(killAskedAtMs, timeoutAtMs)
    if (waitedMs < killGraceMs + stuckMs) return null
    const left = this.executorOf(held)?.leftOf?.(taskId, attempt) ?? 'something of it'
    return `${left} cannot be ended`
  }

  private logsOf(taskId: number): LogPaths {
    const { sharedDir, stateDir } = this.deps.config
    const logs = sharedDir ?? this.deps.executor.logs?.logsDir ?? stateDir
    return { stdout: logPath(logs, 'stdout', taskId), stderr: logPath(logs, 'stderr', taskId) }
  }

  private variablesOf(order: StartOrder): Record<string, string> {
    const { config } = this.deps
    return {
      HAKURIVER_TASK_ID: String(order.taskId),
      HAKURIVER_BATCH_ID: String(order.batchId),
      HAKURIVER_ATTEMPT: String(order.attempt),
      HAKURIVER_NODE: config.nodeName,
      HAKURIVER_CORES: String(order.spec.cores),
      ...(order.spec.memoryBytes === null ? {} : { HAKURIVER_MEMORY_BYTES: String(order.spec.memoryBytes) }),
      ...(order.numaId === null ? {} : { HAKURIVER_TARGET_NUMA_NODE: String(order.numaId) }),
      ...(config.sharedDir === null ? {} : { HAKURIVER_SHARED_DIR: config.sharedDir }),
      HAKURIVER_LOCAL_TEMP_DIR: config.localTempDir,
    }
  }

  private readHandle(name: string): Handle | null {
    const dir = join(this.deps.attemptsDir, name)
    const handle = this.readJson<Handle>(join(dir, 'handle.json'))
    if (handle?.version === 1) return handle
    // torn by a crash before the start: nothing was started, and the host sends the start again
    this.deps.log.warn({ dir }, 'Dropping an attempt without a readable handle')
    this.deps.disk.remove(dir)
    return null
  }

  /** A file of our own; null where it is missing or torn. */
  private readJson<T>(path: string): T | null {
    try {
      return JSON.parse(this.deps.disk.read(path) ?? '') as T
    } catch {
      return null
    }
  }
}

function keptOf({ secrets, ...launch }: LaunchSpec): KeptLaunch {
  return secrets === undefined ? launch : { ...launch, hasSecrets: true }
}

function takesOf({ phase, launch }: Held): Pick<HeldAttempt, 'takes'> {
  if (phase === 'ended' || launch === undefined) return {}
  const { spec, numaId } = launch
  return { takes: { cores: spec.cores, memoryBytes: spec.memoryBytes, numaId } }
}

function keyOf(taskId: number, attempt: number): string {
  return `${taskId}-${attempt}`
}
