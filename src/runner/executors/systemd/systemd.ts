/**
 * The systemd executor: each attempt is a transient service unit. Its end is read from the record that
 * ExecStopPost= wrote, so that it outlives the runner; systemd's signals wake it, it never polls.
 */
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../core/errors.ts'
import type { ExecutorInfo } from '../../../core/node.ts'
import { isLeased, type TaskExit } from '../../../core/task.ts'
import { attemptOfUnit, runnerMark, unitNameOf } from '../../../core/unit-name.ts'
import { describeProcesses } from '../../../platform/process-stat.ts'
import { inSlices } from '../../../platform/slices.ts'
import { withDeadline } from '../../../platform/wait.ts'
import {
  type AttemptDir,
  AttemptFiles,
  exitWithout,
  hasRecord,
  isKillMarked,
  markKill,
  rebootedExit,
  recordPath,
  textOf,
  unmarkKill,
} from '../attempt-files.ts'
import type {
  AttemptUsage,
  Executor,
  ExecutorDeps,
  Fence,
  Handle,
  LaunchSpec,
  Recovered,
} from '../executor.ts'
import {
  allProcessesIn,
  cgroupLayout,
  cgroupsBelow,
  currentUsageOf,
  isPopulated,
  processesIn,
  usageOf,
} from './cgroup.ts'
import { leaseUnitOf } from './fence.ts'
import type { StartOutcome, UnitManager } from './manager.ts'
import type { SystemdOptions } from './options.ts'
import { Preparer } from './preparer.ts'
import { exitedByItself, exitOf, parseRecord, recorderScript, type UnitFacts } from './record.ts'
import { isUnknownOutcome } from './systemd-connection.ts'
import type { UnitPlan } from './unit.ts'
import { noFacts } from './unit-facts.ts'

/** An attempt whose end is awaited. */
interface Watched extends AttemptDir {
  timeoutMs: number | null
  isStarted: boolean
  startedAtMs: number | null
  isLeased: boolean
  /** Another boot than this one: nothing of it can be alive. */
  wasRebooted: boolean
  isStoppedOutside: boolean
  hasMainExited: boolean
  /** A kill was asked for, and systemd has not said yet that it was in time. */
  isKillOpen: boolean
  /** A kill was in time: a later one that finds nothing does not undo it. */
  isKillSure: boolean
  /** Settles when systemd has answered: the end may be told by then, but not what it means. */
  stopAsked: Promise<void> | null
  /** What was asked for; null once it runs. */
  plan: UnitPlan | null
  /** Systemd was out of sight since the start was asked for: it may have lost it. */
  isCut: boolean
  /** The start is being asked for: that there is no unit means nothing yet. */
  isAsking: boolean
  isCatchingUp: boolean
  /** Told or recovered: what is awaited is only that systemd lets go of the unit. */
  isTold: boolean
  facts: UnitFacts
  gone: PromiseWithResolvers<void>
}

/** How long systemd may take to let go of a unit whose main process has ended. */
const goneDeadlineMs = 15_000
/** The start script marks that it runs a moment after systemd says so. */
const startCheckMs = [5, 20, 100, 400, 1_600]
/** Cgroups that are read at a time: about a millisecond. */
const usageSlice = 20

export class SystemdExecutor implements Executor {
  info: ExecutorInfo
  fence?: Fence
  private readonly deps: ExecutorDeps
  private manager!: UnitManager // set by open(), before anybody has the object
  private readonly watched = new Map<string, Watched>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly background = new Set<Promise<void>>()
  private readonly files: AttemptFiles
  private readonly preparer: Preparer
  private readonly cgroups = cgroupLayout()

  private constructor(options: SystemdOptions, deps: ExecutorDeps) {
    this.deps = deps
    this.info = options.info
    this.files = new AttemptFiles(options.runDir, deps.runnerId)
    const recorderPath = join(options.runDir, 'recorder.sh')
    writeFileSync(recorderPath, recorderScript(this.cgroups), { mode: 0o644 })
    this.preparer = new Preparer(options, this.files, recorderPath, (taskId, attempt) =>
      this.unitOf(taskId, attempt),
    )
  }

  /** @throws DbusError when systemd cannot be reached */
  static async open(options: SystemdOptions, deps: ExecutorDeps): Promise<SystemdExecutor> {
    const executor = new SystemdExecutor(options, deps)
    executor.manager = await options.openManager({
      onStartDone: (name) => executor.onStartDone(name),
      onStopJob: (name) => executor.onStopJob(name),
      onMainExit: (name, facts) => executor.onMainExit(name, facts),
      onGone: (name, facts) => executor.onGone(name, facts),
      onReconnected: () => executor.inBackground('resync', executor.resync()),
    })
    const { runDir } = options
    const { runnerId } = deps
    const fence = await executor.manager.openFence?.({ ...deps, runDir, runnerId })
    if (fence) executor.standBehind(fence, leaseUnitOf(runnerId))
    return executor
  }

  private standBehind(fence: Fence, unit: string): void {
    this.fence = fence
    this.preparer.lease = unit
    this.info = { ...this.info, features: { ...this.info.features, lease: true } }
  }

  handleFor(launch: LaunchSpec): Handle {
    const { taskId, attempt, taskDir } = launch
    const leased = isLeased(launch.spec, attempt) ? { isLeased: true } : {}
    const { name: executor } = this.info
    return { version: 1, executor, taskId, attempt, taskDir, bootId: this.deps.bootId, ...leased }
  }

  async start(launch: LaunchSpec): Promise<void> {
    const name = this.unitOf(launch.taskId, launch.attempt)
    if (this.watched.has(name) || hasRecord(launch) || this.files.wasRun(launch)) return
    const watched = watchedOf(launch, launch.spec.timeoutMs)
    watched.isLeased = isLeased(launch.spec, launch.attempt)
    this.watched.set(name, watched)
    try {
      const plan = this.preparer.prepare(launch, (unit) => this.manager.cgroupOf(unit))
      await this.ask(name, watched, plan)
    } catch (error) {
      this.refused(name, watched, error)
    }
  }

  async recover(handle: Handle): Promise<Recovered> {
    const name = this.unitOf(handle.taskId, handle.attempt)
    const known = this.watched.get(name)
    if (known !== undefined && !known.isTold) {
      return { state: 'running', startedAtMs: known.startedAtMs ?? this.deps.now() }
    }
    const watched: Watched = {
      ...watchedOf(handle, null),
      isStarted: true,
      isLeased: handle.isLeased ?? false,
    }
    watched.wasRebooted = handle.bootId !== this.deps.bootId
    if (watched.wasRebooted) return this.afterReboot(watched)
    // watched before it is asked for: what ends in between is not missed
    this.watched.set(name, watched)
    const hadRun = this.files.wasRun(handle)
    const facts = await this.manager.look(name)
    if (facts !== null && this.watched.get(name) === watched && facts.activeState !== 'inactive') {
      watched.startedAtMs = facts.startedAtMs ?? this.files.ranAtMs(handle) ?? this.deps.now()
      watched.facts = facts
      return { state: 'running', startedAtMs: watched.startedAtMs }
    }
    this.watched.delete(name)
    if (!hasRecord(handle)) {
      if (!this.files.wasRun(handle)) return { state: 'never_started' }
      // what the runner before had asked for was only now carried out: it has not ended, it has begun
      if (!hadRun) return this.recover(handle)
    }
    return { state: 'ended', exit: this.readExit(watched) }
  }

  async kill(taskId: number, attempt: number, graceMs: number): Promise<void> {
    const name = this.unitOf(taskId, attempt)
    const watched = this.watched.get(name)
    if (watched === undefined || watched.isTold) return
    this.later(graceMs, () => this.killHard(name, watched))
    // its own outcome counts; what is left of it is being ended by systemd
    if (watched.hasMainExited) return
    markKill(watched)
    watched.isKillOpen = !watched.isKillSure
    try {
      await this.askForStop(name, watched)
    } catch (error) {
      // the mark stands: the request is made again when systemd is back
      this.deps.log('Cannot ask systemd for the stop yet', { unit: name, error: messageOf(error) })
    }
  }

  leftOf(taskId: number, attempt: number): string | null {
    return describeProcesses(
      allProcessesIn(this.cgroups, this.manager.cgroupOf(this.unitOf(taskId, attempt))),
    )
  }

  usage(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]> {
    return inSlices(attempts, usageSlice, ({ taskId, attempt }) => {
      const name = this.unitOf(taskId, attempt)
      const watched = this.watched.get(name)
      if (watched === undefined || watched.isTold) return []
      const used = currentUsageOf(this.cgroups, this.manager.cgroupOf(name))
      return used === null ? [] : [{ taskId, attempt, ...used }]
    })
  }

  async list(): Promise<{ taskId: number; attempt: number }[]> {
    const mine = runnerMark(this.deps.runnerId)
    return [...(await this.manager.list())].flatMap((name) => {
      const found = attemptOfUnit(name)
      return found?.mark === mine ? [{ taskId: found.taskId, attempt: found.attempt }] : []
    })
  }

  async collect(handle: Handle): Promise<void> {
    const watched = this.watched.get(this.unitOf(handle.taskId, handle.attempt))
    if (watched !== undefined) await withDeadline(watched.gone.promise, goneDeadlineMs, 'the end of the unit')
    this.files.remove(handle)
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    this.manager.close()
    await Promise.all(this.background)
  }

  private unitOf(taskId: number, attempt: number): string {
    return unitNameOf(taskId, attempt, this.deps.runnerId)
  }

  private async askForStop(name: string, watched: Watched): Promise<void> {
    const asked = this.manager.stop(name).then((wasThere) => {
      if (wasThere) {
        watched.isKillSure = true
        watched.isKillOpen = false
      } else if (!watched.isKillSure && (watched.plan === null || !watched.isCut)) unmarkKill(watched)
    })
    const settled = asked.catch(() => {}) // told to who asked
    watched.stopAsked = settled
    try {
      await asked
    } finally {
      if (watched.stopAsked === settled) watched.stopAsked = null
    }
  }

  private async ask(name: string, watched: Watched, plan: UnitPlan): Promise<void> {
    watched.isAsking = true
    try {
      this.onStartOutcome(name, watched, plan, await this.manager.start(plan))
    } finally {
      watched.isAsking = false
    }
  }

  private onStartOutcome(name: string, watched: Watched, plan: UnitPlan, outcome: StartOutcome): void {
    watched.isAsking = false
    if (outcome !== 'exists' && !watched.isStarted) watched.plan = plan
    if (outcome === 'started' && !watched.isCut) return
    if (outcome === 'exists') {
      this.deps.log('The unit is loaded already, so it is not started twice', { unit: name })
    } else if (outcome === 'unknown') watched.isCut = true
    this.inBackground('look', this.catchUp(name, watched))
  }

  private refused(name: string, watched: Watched, error: unknown): void {
    const reason =
      error instanceof AppError ? error.message : `systemd refused to start it: ${messageOf(error)}`
    this.finish(name, watched, exitWithout('launch_failed', reason, this.deps.now()))
    this.letGo(name, watched)
  }

  private afterReboot(watched: Watched): Recovered {
    if (parseRecord(textOf(recordPath(watched))) !== null) {
      return { state: 'ended', exit: this.readExit(watched) }
    }
    return {
      state: 'ended',
      exit: rebootedExit(watched, this.deps.now()),
    }
  }

  private onStartDone(name: string): void {
    const watched = this.watched.get(name)
    if (watched !== undefined) this.confirmStart(name, watched, 0)
  }

  /** Tells the start once the script is through its set-up, or late where it does not say so. */
  private confirmStart(name: string, watched: Watched, check: number): void {
    this.later(startCheckMs[check] ?? 0, () => {
      if (this.watched.get(name) !== watched || watched.isStarted || watched.isTold) return
      const ranAtMs = this.files.ranAtMs(watched)
      const isLast = check + 1 >= startCheckMs.length
      if (ranAtMs === null && !isLast) this.confirmStart(name, watched, check + 1)
      else if (this.files.noteOf(watched) === null) {
        this.reportStarted(watched, watched.facts.startedAtMs ?? ranAtMs ?? this.deps.now())
      }
    })
  }

  private onStopJob(name: string): void {
    const watched = this.watched.get(name)
    if (watched !== undefined && !watched.hasMainExited) watched.isStoppedOutside = true
  }

  /**
   * The plain end, told some milliseconds earlier than by the record: the main process exited by itself, only
   * systemd's recorder is left in the cgroup, and the accounts are there to be read. Everything else waits for
   * the record.
   */
  private onMainExit(name: string, facts: UnitFacts): void {
    const watched = this.watched.get(name)
    if (watched === undefined || watched.isTold) return
    watched.hasMainExited = true
    watched.facts = facts
    if (facts.mainCode !== exitedByItself || facts.controlPid === 0 || !isPlainResult(facts)) return
    if (watched.isStoppedOutside || isKillMarked(watched) || !this.files.wasRun(watched)) return
    if (this.files.noteOf(watched) !== null) return
    const cgroup = this.manager.cgroupOf(name)
    if (processesIn(this.cgroups, cgroup).some((pid) => pid !== facts.controlPid)) return
    if (cgroupsBelow(this.cgroups, cgroup).length > 0) return
    const { oomKills, ...used } = usageOf(this.cgroups, cgroup)
    if (oomKills > 0 || used.peakMemoryBytes === null || used.cpuTimeMs === null) return
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

  private onGone(name: string, facts: UnitFacts, waitedMs = 0): void {
    const watched = this.watched.get(name)
    if (watched === undefined) return
    if (watched.stopAsked !== null) {
      this.inBackground(
        'stop',
        watched.stopAsked.then(() => this.onGone(name, facts, waitedMs)),
      )
      return
    }
    if (isPopulated(this.cgroups, this.manager.cgroupOf(name))) {
      // systemd gave up on a process that cannot be killed: the task has not ended before it is gone
      if (waitedMs === 0) this.deps.log('A process of the task cannot be ended yet', { unit: name })
      const delayMs = Math.min(Math.max(100, waitedMs), 5_000)
      this.later(delayMs, () => this.onGone(name, facts, waitedMs + delayMs))
      return
    }
    if (this.wasLost(watched)) {
      this.inBackground('start', this.startAgain(name, watched))
      return
    }
    watched.facts = facts
    if (!watched.isTold) this.finish(name, watched, this.readExit(watched))
    this.letGo(name, watched)
  }

  private finish(name: string, watched: Watched, exit: TaskExit): void {
    if (this.watched.get(name) !== watched || watched.isTold) return
    watched.isTold = true
    if (exit.startedAtMs !== null) this.reportStarted(watched, exit.startedAtMs)
    this.deps.events.onExit(watched.taskId, watched.attempt, exit)
  }

  private letGo(name: string, watched: Watched): void {
    if (this.watched.get(name) === watched) this.watched.delete(name)
    watched.gone.resolve()
  }

  private reportStarted(watched: Watched, startedAtMs: number): void {
    if (watched.isStarted) return
    watched.isStarted = true
    watched.plan = null
    watched.startedAtMs = startedAtMs
    this.deps.events.onStarted(watched.taskId, watched.attempt, startedAtMs)
  }

  /** After a lost connection: asks for each unit what became of it meanwhile. */
  private async resync(): Promise<void> {
    for (const watched of this.watched.values()) watched.isCut = true
    for (const [name, watched] of [...this.watched]) await this.catchUp(name, watched)
  }

  private async catchUp(name: string, watched: Watched): Promise<void> {
    if (watched.isCatchingUp || watched.isAsking) return
    watched.isCatchingUp = true
    try {
      await this.lookAt(name, watched)
    } finally {
      watched.isCatchingUp = false
    }
  }

  private async lookAt(name: string, watched: Watched): Promise<void> {
    const facts = await this.manager.look(name)
    if (this.watched.get(name) !== watched) return
    if (facts !== null) {
      watched.facts = facts
      if (isKillMarked(watched) && !watched.isTold) await this.askForStop(name, watched)
      this.onStartDone(name)
      return
    }
    this.onGone(name, watched.facts)
  }

  /** Did systemd forget the start, as it may when it executes itself anew? Nothing of it ran, nothing of it is left. */
  private wasLost(watched: Watched): boolean {
    if (!watched.isCut || watched.plan === null || watched.isTold) return false
    return !hasRecord(watched) && !this.files.wasRun(watched)
  }

  private async startAgain(name: string, watched: Watched): Promise<void> {
    const { plan } = watched
    if (plan === null) return
    if (isKillMarked(watched)) {
      this.finish(name, watched, exitWithout('killed', 'killed before it was started', this.deps.now()))
      this.letGo(name, watched)
      return
    }
    watched.isCut = false
    try {
      await this.ask(name, watched, plan)
    } catch (error) {
      this.refused(name, watched, error)
    }
  }

  /** The grace is over. systemd's own deadline for the unit does the same where the runner is away. */
  private killHard(name: string, watched: Watched): void {
    if (this.watched.get(name) !== watched || watched.isTold) return
    this.inBackground('kill', this.manager.killAll(name))
  }

  private readExit(watched: Watched): TaskExit {
    const { facts } = watched
    const record = parseRecord(textOf(recordPath(watched)))
    const exit = exitOf({
      record,
      isLeased: watched.isLeased,
      isLeaseOver: watched.isLeased && this.isBehindFence(record?.upMs ?? null),
      recordedAtMs: modifiedAtMs(recordPath(watched)),
      facts,
      killRequested: isKillMarked(watched) && !watched.isKillOpen,
      stoppedOutside: watched.isStoppedOutside,
      wasRebooted: watched.wasRebooted,
      note: this.files.noteOf(watched),
      wasRun: this.files.wasRun(watched),
      timeoutMs: watched.timeoutMs,
      nowMs: this.deps.now(),
    })
    if (exit.startedAtMs !== null || exit.cause === 'launch_failed') return exit
    return { ...exit, startedAtMs: watched.startedAtMs ?? this.files.ranAtMs(watched) }
  }

  /** Was the fence's deadline over by then? null: by now. */
  private isBehindFence(upMs: number | null): boolean {
    const { fence } = this
    if (fence === undefined || fence.deadlineMs === null) return false
    return (upMs ?? fence.now()) >= fence.deadlineMs
  }

  private inBackground(what: string, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        const level = isUnknownOutcome(error) ? 'again when systemd is back' : 'given up'
        this.deps.log(`Cannot ask systemd, ${level}`, { what, error: messageOf(error) })
      })
      .finally(() => this.background.delete(tracked))
    this.background.add(tracked)
  }

  private later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      action()
    }, delayMs)
    this.timers.add(timer)
  }
}

function watchedOf(attempt: AttemptDir, timeoutMs: number | null): Watched {
  return {
    taskId: attempt.taskId,
    attempt: attempt.attempt,
    taskDir: attempt.taskDir,
    timeoutMs,
    isLeased: false,
    isStarted: false,
    startedAtMs: null,
    wasRebooted: false,
    isStoppedOutside: false,
    hasMainExited: false,
    isKillOpen: false,
    isKillSure: false,
    stopAsked: null,
    plan: null,
    isCut: false,
    isAsking: false,
    isCatchingUp: false,
    isTold: false,
    facts: noFacts(),
    gone: Promise.withResolvers<void>(),
  }
}

function modifiedAtMs(path: string): number | null {
  const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return mtimeMs === undefined ? null : Math.round(mtimeMs)
}

function isPlainResult(facts: UnitFacts): boolean {
  return facts.result === 'success' || facts.result === 'exit-code'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
