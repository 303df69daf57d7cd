/**
 * The systemd executor: each attempt is a transient service unit. Its end is read from the record that
 * ExecStopPost= wrote, so that it outlives the runner; systemd's signals wake it, it never polls.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../core/errors.ts'
import type { ExecutorInfo } from '../../../core/node.ts'
import type { TaskExit } from '../../../core/task.ts'
import { becomeUser, userVariables } from '../../users.ts'
import {
  AttemptFiles,
  exitWithout,
  hasRecord,
  isKillMarked,
  markKill,
  numaWrapper,
  recordPath,
  textOf,
  unmarkKill,
  userOf,
} from '../attempt-files.ts'
import type { Executor, ExecutorDeps, Handle, LaunchSpec, Recovered } from '../executor.ts'
import { cgroupLayout, processesIn, usageOf } from './cgroup.ts'
import type { UnitEvents, UnitManager } from './manager.ts'
import { exitOf, parseRecord, recorderScript, type UnitFacts } from './record.ts'
import { attemptOfUnit, isPlainPath, type UnitPlan, unitNameOf } from './unit.ts'

export interface SystemdOptions {
  info: ExecutorInfo
  openManager: (events: UnitEvents) => Promise<UnitManager>
  /** On a tmpfs; made with mode 0711. */
  runDir: string
  /** systemd gives `PrivatePIDs=` itself (257 and later); else `unshare` does, which needs root. */
  hasPrivatePids: boolean
  /** May quota and memory limit be set? */
  setsLimits: boolean
  /** Does systemd have more rights than the runner, or the task fewer? Then the record is written as root. */
  recordAsRoot: boolean
  numactlPath: string
  graceMs?: number
}

/** An attempt whose end is awaited. */
interface Watched {
  taskId: number
  attempt: number
  taskDir: string
  timeoutMs: number | null
  isStarted: boolean
  startedAtMs: number | null
  isStoppedOutside: boolean
}

export class SystemdExecutor implements Executor {
  readonly info: ExecutorInfo
  private readonly options: SystemdOptions
  private readonly deps: ExecutorDeps
  private manager!: UnitManager // set by open(), before anybody has the object
  private readonly watched = new Map<string, Watched>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly files: AttemptFiles
  private readonly recorderPath: string
  private readonly cgroups = cgroupLayout()

  private constructor(options: SystemdOptions, deps: ExecutorDeps) {
    this.options = options
    this.deps = deps
    this.info = options.info
    this.files = new AttemptFiles(options.runDir)
    this.recorderPath = join(options.runDir, 'recorder.sh')
  }

  static async open(options: SystemdOptions, deps: ExecutorDeps): Promise<SystemdExecutor> {
    const executor = new SystemdExecutor(options, deps)
    writeFileSync(executor.recorderPath, recorderScript, { mode: 0o755 })
    executor.manager = await options.openManager({
      onStartDone: (name) => executor.onStartDone(name),
      onStopJob: (name) => executor.onStopJob(name),
      onMainExit: (name, facts) => executor.onMainExit(name, facts),
      onGone: (name, facts) => executor.onGone(name, facts),
      onReconnected: () => executor.resync(),
    })
    return executor
  }

  handleFor(launch: LaunchSpec): Handle {
    const { taskId, attempt, taskDir } = launch
    return { version: 1, executor: this.info.name, taskId, attempt, taskDir, bootId: this.deps.bootId }
  }

  async start(launch: LaunchSpec): Promise<void> {
    const name = unitNameOf(launch.taskId, launch.attempt)
    if (this.watched.has(name) || hasRecord(launch)) return
    const watched: Watched = { ...pick(launch), isStarted: false, startedAtMs: null, isStoppedOutside: false }
    try {
      this.prepare(launch)
      this.watched.set(name, watched)
      const isNew = await this.manager.start(this.planFor(launch))
      if (!isNew) this.deps.log('The unit is loaded already, so it is not started twice', { unit: name })
    } catch (error) {
      this.watched.delete(name)
      const reason =
        error instanceof AppError ? error.message : `systemd refused to start it: ${messageOf(error)}`
      this.deps.events.onExit(
        launch.taskId,
        launch.attempt,
        exitWithout('launch_failed', reason, this.deps.now()),
      )
    }
  }

  async recover(handle: Handle): Promise<Recovered> {
    const name = unitNameOf(handle.taskId, handle.attempt)
    const facts = (await this.manager.list()).get(name)
    const watched: Watched = {
      ...pick(handle),
      timeoutMs: null,
      isStarted: true,
      startedAtMs: null,
      isStoppedOutside: false,
    }
    if (facts !== undefined && facts.activeState !== 'inactive' && facts.activeState !== 'failed') {
      const startedAtMs = facts.startedAtMs ?? this.deps.now()
      this.watched.set(name, { ...watched, startedAtMs })
      return { state: 'running', startedAtMs }
    }
    if (handle.bootId !== this.deps.bootId && parseRecord(textOf(recordPath(handle))) === null) {
      return { state: 'ended', exit: exitWithout('lost', 'its node rebooted while it ran', this.deps.now()) }
    }
    if (!hasRecord(handle) && !this.files.wasRun(handle)) return { state: 'never_started' }
    return { state: 'ended', exit: this.readExit(watched, facts ?? null) }
  }

  async kill(taskId: number, attempt: number, _graceMs: number): Promise<void> {
    const name = unitNameOf(taskId, attempt)
    const watched = this.watched.get(name)
    if (watched === undefined) return
    markKill(watched)
    const wasThere = await this.manager.stop(name)
    // it ended by itself before the kill reached it: its own outcome counts
    if (!wasThere) unmarkKill(watched)
  }

  async list(): Promise<{ taskId: number; attempt: number }[]> {
    const names = [...(await this.manager.list()).keys()]
    return names.flatMap((name) => attemptOfUnit(name) ?? [])
  }

  async collect(handle: Handle): Promise<void> {
    this.files.remove(handle)
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer)
    this.manager.close()
  }

  private prepare(launch: LaunchSpec): void {
    for (const path of [launch.taskDir, launch.stdoutPath, launch.stderrPath, this.options.runDir]) {
      if (!isPlainPath(path)) {
        throw new AppError(
          'internal',
          `the path "${path}" may not stand in a unit: use letters, digits and ._-/ only`,
        )
      }
    }
    const numa = numaWrapper(this.options.numactlPath, launch.numaId)
    if (!this.usesUnshare(launch)) return this.files.prepare(launch, { wrapper: numa, env: [] })
    const user = userOf(launch)
    this.files.prepare(launch, {
      wrapper: [...unshareWords, ...(user === null ? [] : becomeUser(user)), ...numa],
      env: user === null ? [] : userVariables(user),
    })
  }

  private planFor(launch: LaunchSpec): UnitPlan {
    const { spec } = launch
    return {
      name: unitNameOf(launch.taskId, launch.attempt),
      scriptPath: this.files.scriptOf(launch),
      recorderPath: this.recorderPath,
      recordPath: recordPath(launch),
      stdoutPath: launch.stdoutPath,
      stderrPath: launch.stderrPath,
      // unshare needs root; what it starts is the user's again
      user: this.usesUnshare(launch) ? null : launch.user,
      cores: this.options.setsLimits ? spec.cores : null,
      memoryBytes: this.options.setsLimits ? spec.memoryBytes : null,
      timeoutMs: spec.timeoutMs,
      graceMs: this.options.graceMs ?? 10_000,
      privateNetwork: spec.privateNetwork,
      privatePids: spec.privatePids && this.options.hasPrivatePids,
      recordAsRoot: this.options.recordAsRoot,
    }
  }

  /** Does `unshare` have to make the PID namespace? */
  private usesUnshare(launch: LaunchSpec): boolean {
    return launch.spec.privatePids && !this.options.hasPrivatePids
  }

  private onStartDone(name: string): void {
    const watched = this.watched.get(name)
    if (watched !== undefined && this.files.wasRun(watched)) this.reportStarted(watched, this.deps.now())
  }

  private onStopJob(name: string): void {
    const watched = this.watched.get(name)
    if (watched !== undefined) watched.isStoppedOutside = true
  }

  private onGone(name: string, facts: UnitFacts | null): void {
    const watched = this.watched.get(name)
    if (watched === undefined) return
    if (processesIn(this.cgroups, this.manager.cgroupOf(name)).length > 0) {
      // systemd gave up on a process that cannot be killed: the task has not ended before it is gone
      this.later(500, () => this.onGone(name, facts))
      return
    }
    this.finish(name, watched, this.readExit(watched, facts))
  }

  /**
   * The plain end, told some milliseconds earlier than by the record: the main process exited by itself, and
   * only systemd's recorder is left in the cgroup. Everything else waits for the record.
   */
  private onMainExit(name: string, facts: UnitFacts): void {
    const watched = this.watched.get(name)
    if (watched === undefined || facts.mainCode !== exitedByItself || !isPlainResult(facts)) return
    if (watched.isStoppedOutside || isKillMarked(watched) || !this.files.wasRun(watched)) return
    if (this.files.noteOf(watched) !== null) return
    const cgroup = this.manager.cgroupOf(name)
    if (processesIn(this.cgroups, cgroup).some((pid) => pid !== facts.controlPid)) return
    const { oomKills, ...used } = usageOf(this.cgroups, cgroup)
    if (oomKills > 0) return
    this.finish(name, watched, {
      cause: 'exited',
      exitCode: facts.mainStatus,
      signal: null,
      startedAtMs: facts.startedAtMs,
      endedAtMs: facts.endedAtMs ?? this.deps.now(),
      ...used,
      reason: null,
    })
  }

  private finish(name: string, watched: Watched, exit: TaskExit): void {
    this.watched.delete(name)
    if (exit.startedAtMs !== null) this.reportStarted(watched, exit.startedAtMs)
    this.deps.events.onExit(watched.taskId, watched.attempt, exit)
  }

  private reportStarted(watched: Watched, startedAtMs: number): void {
    if (watched.isStarted) return
    watched.isStarted = true
    watched.startedAtMs = startedAtMs
    this.deps.events.onStarted(watched.taskId, watched.attempt, startedAtMs)
  }

  /** After a lost connection: what is not loaded any more has ended. */
  private resync(): void {
    this.manager.list().then(
      (loaded) => {
        for (const name of [...this.watched.keys()]) {
          const facts = loaded.get(name)
          if (facts === undefined || facts.activeState === 'failed') this.onGone(name, facts ?? null)
          else this.onStartDone(name)
        }
      },
      (error: unknown) =>
        this.deps.log('Cannot list the units after reconnecting', { error: messageOf(error) }),
    )
  }

  private readExit(watched: Watched, facts: UnitFacts | null): TaskExit {
    const exit = exitOf({
      record: parseRecord(textOf(recordPath(watched))),
      facts,
      killRequested: isKillMarked(watched),
      stoppedOutside: watched.isStoppedOutside,
      note: this.files.noteOf(watched),
      wasRun: this.files.wasRun(watched),
      timeoutMs: watched.timeoutMs,
      nowMs: this.deps.now(),
    })
    return exit.startedAtMs === null && exit.cause !== 'launch_failed'
      ? { ...exit, startedAtMs: watched.startedAtMs }
      : exit
  }

  private later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      action()
    }, delayMs)
    this.timers.add(timer)
  }
}

function pick(from: {
  taskId: number
  attempt: number
  taskDir: string
  spec?: { timeoutMs: number | null }
}) {
  return {
    taskId: from.taskId,
    attempt: from.attempt,
    taskDir: from.taskDir,
    timeoutMs: from.spec?.timeoutMs ?? null,
  }
}

/** CLD_EXITED of sigaction(2). */
const exitedByItself = 1

function isPlainResult(facts: UnitFacts): boolean {
  return facts.result === 'success' || facts.result === 'exit-code'
}

/** A PID namespace of its own for systemd before 257 (unshare(1)). */
const unshareWords = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', '--']

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
