/**
 * The process executor: plain child processes, for machines without systemd and without root. A small shell
 * supervisor in a session of its own records the exit, so that it is known even if the runner was away. Quota
 * and memory limit are not enforced, and the node says so.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { statSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { ExecutorInfo } from '../../core/node.ts'
import type { TaskExit } from '../../core/task.ts'
import { runnerMark } from '../../core/unit-name.ts'
import { isErrno } from '../../platform/files.ts'
import { describeProcesses } from '../../platform/process-stat.ts'
import { after } from '../../platform/wait.ts'
import { becomeUser, userVariables } from '../users.ts'
import {
  type AttemptDir,
  AttemptFiles,
  exitWithout,
  isKillMarked,
  markKill,
  numaWrapper,
  recordPath,
  textOf,
  userOf,
} from './attempt-files.ts'
import type { AttemptUsage, Executor, ExecutorDeps, Handle, LaunchSpec, Recovered } from './executor.ts'
import { identify, isAlive, marksOf, type ProcessId, signalAll, treeOf } from './process-tree.ts'
import { TreeMeter } from './process-usage.ts'
import { launchFailedExitCode, quote } from './script.ts'
import { signalName } from './signal-name.ts'

export interface ProcessOptions {
  info: ExecutorInfo
  runDir: string
  numactlPath: string
  graceMs?: number
}

interface Watched {
  taskId: number
  attempt: number
  taskDir: string
  timeoutMs: number | null
  startedAtMs: number
  supervisor: ProcessId | null
  /** Was the start told, by us or by the runner before? */
  isStarted: boolean
  isTimedOut: boolean
  isEnding: boolean
  /** Stops waiting for the end. */
  stop: (() => void)[]
}

/** How often a tree that is being ended is looked at; and a supervisor that is not our child. */
const endingPollMs = 50
const safetyPollMs = 1_000
/** The start script marks that it runs a moment after it was started; the last of these is repeated. */
const startCheckMs = [2, 5, 20, 100, 400]
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export class ProcessExecutor implements Executor {
  readonly info: ExecutorInfo
  private readonly options: ProcessOptions
  private readonly deps: ExecutorDeps
  private readonly files: AttemptFiles
  private readonly mark: string
  private readonly meter: TreeMeter
  private readonly watched = new Map<string, Watched>()

  constructor(options: ProcessOptions, deps: ExecutorDeps) {
    this.options = options
    this.deps = deps
    this.info = options.info
    this.files = new AttemptFiles(options.runDir, deps.runnerId)
    this.mark = runnerMark(deps.runnerId)
    this.meter = new TreeMeter(this.mark)
  }

  handleFor(launch: LaunchSpec): Handle {
    const { taskId, attempt, taskDir } = launch
    return { version: 1, executor: this.info.name, taskId, attempt, taskDir, bootId: this.deps.bootId }
  }

  async start(launch: LaunchSpec): Promise<void> {
    const { taskId, attempt } = launch
    // its files are in use, or tell of its end
    if (textOf(claimPath(launch)) !== null) return
    try {
      const unsupported = unsupportedBy(this.info, launch)
      if (unsupported !== null) throw new AppError('unsatisfiable', unsupported)
      const user = userOf(launch)
      const switches = user !== null && user.uid !== process.getuid?.()
      // the marks win over what the user gave
      const marks = Object.fromEntries(marksOf(taskId, attempt, this.mark))
      this.files.prepare(
        { ...launch, extraEnv: { ...launch.extraEnv, ...marks } },
        {
          wrapper: numaWrapper(this.options.numactlPath, launch.numaId),
          env: user === null ? [] : userVariables(user),
        },
      )
      if (!claim(launch)) return
      const startedAtMs = this.deps.now()
      const child = this.spawn(launch, switches && user !== null ? becomeUser(user) : [])
      const watched = this.watch(launch, startedAtMs, launch.spec.timeoutMs, identify(child.pid ?? 0))
      child.on('error', (error) =>
        this.finish(watched, exitWithout('launch_failed', error.message, this.deps.now())),
      )
      child.on('exit', () => this.onEnd(watched))
      child.on('spawn', () => this.confirmStart(watched, 0))
      child.unref()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      this.deps.events.onExit(taskId, attempt, exitWithout('launch_failed', error.message, this.deps.now()))
    }
  }

  async recover(handle: Handle): Promise<Recovered> {
    const { taskId, attempt } = handle
    const [startedAtMs = Number.NaN, timeoutMs = 0] = (textOf(claimPath(handle)) ?? '')
      .split(' ')
      .filter(Boolean)
      .map(Number)
    const isThisBoot = handle.bootId === this.deps.bootId
    if (!isThisBoot && !isRecorded(handle)) {
      return { state: 'ended', exit: exitWithout('lost', 'its node rebooted while it ran', this.deps.now()) }
    }
    if (Number.isNaN(startedAtMs)) return { state: 'never_started' }
    const left = isThisBoot ? treeOf(taskId, attempt, this.mark, null) : []
    if (left.length === 0) {
      return { state: 'ended', exit: this.readExit(watchedOf(handle, startedAtMs, timeoutMs || null, null)) }
    }
    // until it has said who it is, the supervisor is the first of the tree
    const supervisor = supervisorOf(handle) ?? oldestOf(left)
    const watched = this.watch(handle, startedAtMs, timeoutMs || null, supervisor)
    watched.isStarted = true
    this.watchRecord(watched)
    return { state: 'running', startedAtMs }
  }

  async kill(taskId: number, attempt: number, graceMs: number): Promise<void> {
    const watched = this.watched.get(key(taskId, attempt))
    if (watched === undefined || isRecorded(watched)) return
    markKill(watched)
    this.endTree(watched, graceMs)
  }

  leftOf(taskId: number, attempt: number): string | null {
    const supervisor = this.watched.get(key(taskId, attempt))?.supervisor ?? null
    return describeProcesses(treeOf(taskId, attempt, this.mark, supervisor))
  }

  usage(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]> {
    return this.meter.measure(
      attempts.flatMap(({ taskId, attempt }) => this.watched.get(key(taskId, attempt)) ?? []),
    )
  }

  async list(): Promise<{ taskId: number; attempt: number }[]> {
    return [...this.watched.values()].map(({ taskId, attempt }) => ({ taskId, attempt }))
  }

  async collect(handle: Handle): Promise<void> {
    this.files.remove(handle)
  }

  async close(): Promise<void> {
    for (const watched of this.watched.values()) for (const stop of watched.stop) stop()
    this.watched.clear()
  }

  /** Starts the supervisor in a session of its own: it and the task outlive the runner. */
  private spawn(launch: LaunchSpec, become: string[]): ChildProcess {
    const path = join(launch.taskDir, 'supervise.sh')
    writeFileSync(
      path,
      supervisorScript(launch, become, this.files.scriptOf(launch), join(this.files.dirOf(launch), 'note')),
      { mode: 0o600 },
    )
    const marks = Object.fromEntries(marksOf(launch.taskId, launch.attempt, this.mark))
    const env = { PATH: defaultPath, LANG: 'C.UTF-8', ...marks, ...ownIdentity() }
    return spawn('/bin/sh', [path], { detached: true, cwd: '/', env, stdio: 'ignore' })
  }

  private watch(
    from: AttemptDir,
    startedAtMs: number,
    timeoutMs: number | null,
    supervisor: ProcessId | null,
  ): Watched {
    const watched = watchedOf(from, startedAtMs, timeoutMs, supervisor)
    this.watched.set(key(from.taskId, from.attempt), watched)
    if (timeoutMs !== null) {
      const left = Math.max(0, startedAtMs + timeoutMs - this.deps.now())
      this.after(watched, left, () => {
        // its own end counts; what is left of it is being ended
        if (isRecorded(watched)) return
        watched.isTimedOut = true
        this.endTree(watched, this.options.graceMs ?? 10_000)
      })
    }
    return watched
  }

  /** For a supervisor that is not our child: told by the file system, and looked at now and then to be safe. */
  private watchRecord(watched: Watched): void {
    const look = () => {
      const { supervisor } = watched
      if (isRecorded(watched) || supervisor === null || !isAlive(supervisor)) this.onEnd(watched)
    }
    const watcher = watch(join(watched.taskDir, 'record'), look)
    watcher.on('error', () => watcher.close())
    const timer = setInterval(look, safetyPollMs)
    watched.stop.push(
      () => watcher.close(),
      () => clearInterval(timer),
    )
    // not at once: whoever recovers it is told first that it runs
    this.after(watched, 0, look)
  }

  /** Tells the start once the set-up is done; of one that fails there is nothing to tell. */
  private confirmStart(watched: Watched, check: number): void {
    this.after(watched, startCheckMs[Math.min(check, startCheckMs.length - 1)] ?? 0, () => {
      if (this.files.wasRun(watched)) this.reportStarted(watched)
      else this.confirmStart(watched, check + 1)
    })
  }

  private reportStarted(watched: Watched): void {
    if (watched.isStarted) return
    watched.isStarted = true
    this.deps.events.onStarted(watched.taskId, watched.attempt, watched.startedAtMs)
  }

  /** The supervisor has ended: what is left of the tree goes too, then the end is told. */
  private onEnd(watched: Watched): void {
    if (this.watched.get(key(watched.taskId, watched.attempt)) !== watched) return
    const left = treeOf(watched.taskId, watched.attempt, this.mark, null)
    if (left.length === 0) this.finish(watched, this.readExit(watched))
    else this.endTree(watched, this.options.graceMs ?? 10_000)
  }

  /** TERM to the whole tree, KILL after the grace, until nothing is left. */
  private endTree(watched: Watched, graceMs: number): void {
    if (watched.isEnding) return
    watched.isEnding = true
    // by a clock that nobody can set
    const killAtMs = performance.now() + graceMs
    const { supervisor } = watched
    const asked = new Set<number>()
    const look = () => {
      // before that, its shells may swallow a signal: they are asked again
      const isSetUp = this.files.wasRun(watched)
      const left = treeOf(watched.taskId, watched.attempt, this.mark, supervisor)
      // also what was being started while the others were asked
      signalAll(
        left.filter((pid) => !asked.has(pid)),
        'SIGTERM',
      )
      if (isSetUp) for (const pid of left) asked.add(pid)
      const isSupervised = supervisor !== null && isAlive(supervisor)
      if (left.length === 0 && (isRecorded(watched) || !isSupervised)) {
        this.finish(watched, this.readExit(watched))
        return
      }
      if (performance.now() >= killAtMs) signalAll(left, 'SIGKILL')
      this.after(watched, endingPollMs, look)
    }
    look()
  }

  private finish(watched: Watched, exit: TaskExit): void {
    if (!this.watched.delete(key(watched.taskId, watched.attempt))) return
    for (const stop of watched.stop) stop()
    if (exit.startedAtMs !== null) this.reportStarted(watched)
    this.deps.events.onExit(watched.taskId, watched.attempt, exit)
  }

  private readExit(watched: Watched): TaskExit {
    const record = parseRecord(textOf(recordPath(watched)))
    const exit: TaskExit = {
      ...exitWithout('lost', 'its supervisor was ended, so its exit is not known', this.deps.now()),
      startedAtMs: watched.startedAtMs,
    }
    if (isKillMarked(watched)) Object.assign(exit, { cause: 'killed', reason: null })
    if (record === null) return exit
    const { status, cpuTimeMs } = record
    // file times are a little behind the clock
    const endedAtMs = Math.max(recordedAtMs(watched) ?? exit.endedAtMs, watched.startedAtMs)
    const signal = status > 128 ? signalName(status - 128) : null
    Object.assign(exit, {
      cpuTimeMs,
      endedAtMs,
      signal,
      exitCode: signal === null ? status : null,
    })
    if (isKillMarked(watched)) return exit
    if (watched.isTimedOut) {
      return {
        ...exit,
        cause: 'timeout',
        reason: `it ran longer than its limit of ${(watched.timeoutMs ?? 0) / 1000} s`,
      }
    }
    const note = this.files.noteOf(watched)
    if (status === launchFailedExitCode && note !== null) {
      return { ...exit, cause: 'launch_failed', exitCode: null, startedAtMs: null, reason: note }
    }
    if (signal !== null) return { ...exit, cause: 'signaled', reason: `ended by ${signal}` }
    return { ...exit, cause: 'exited', reason: null }
  }

  private after(watched: Watched, delayMs: number, action: () => void): void {
    watched.stop.push(after(delayMs, action))
  }
}

function watchedOf(
  from: AttemptDir,
  startedAtMs: number,
  timeoutMs: number | null,
  supervisor: ProcessId | null,
): Watched {
  const { taskId, attempt, taskDir } = from
  return {
    taskId,
    attempt,
    taskDir,
    timeoutMs,
    startedAtMs,
    supervisor,
    isStarted: false,
    isTimedOut: false,
    isEnding: false,
    stop: [],
  }
}

/**
 * Waits for the task and records its exit. It outlives what a terminal or a kill of the group sends, and runs
 * builtins only once the task has ended: whatever else is in its session then is a part of the task. What the
 * shell itself has to say of a signal is not the task's output. The task runs in the foreground, because a shell
 * lets background commands ignore SIGINT and SIGQUIT (POSIX.1-2024 XCU 2.12). A shell tells a signal only as
 * 128 + its number (2.8.2), so an exit code above 128 that is a signal's is taken for one. The output files are opened
 * here and not by the runner, which must not wait for a directory that does not answer.
 */
function supervisorScript(
  launch: LaunchSpec,
  become: string[],
  scriptPath: string,
  notePath: string,
): string {
  const [out, err] = [launch.stdoutPath, launch.stderrPath].map((path) => quote(path).toString())
  const failed = `{ echo 'its output file could not be opened' > ${quote(notePath)}; exit ${launchFailedExitCode}; }`
  const record = quote(recordPath(launch)).toString()
  const supervisor = quote(join(launch.taskDir, 'record', 'supervisor')).toString()
  return `{
trap : HUP INT TERM
read -r stat < /proc/$$/stat
set -- \${stat##*)}
echo "$$ \${20}" > ${supervisor}
(trap - HUP INT TERM
(umask 027; true >> ${out} && true >> ${err}) || ${failed}
exec >> ${out} 2>> ${err}
exec ${[...become, '/bin/sh', scriptPath].map((word) => quote(word)).join(' ')})
status=$?
times > ${record}.times
{ read -r own; read -r children; } < ${record}.times
printf 'children=%s\\nstatus=%s\\nend\\n' "$children" "$status" > ${record}
}
`
}

function parseRecord(text: string | null): { status: number; cpuTimeMs: number | null } | null {
  if (text === null || !text.endsWith('\nend\n')) return null
  const status = /^status=(\d+)$/m.exec(text)
  if (status === null) return null
  const children = /^children=(.*)$/m.exec(text)?.[1] ?? ''
  const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, m, s]) => Number(m) * 60_000 + Number(s) * 1000,
  )
  return {
    status: Number(status[1]),
    cpuTimeMs: times.length === 2 ? Math.round((times[0] ?? 0) + (times[1] ?? 0)) : null,
  }
}

/** Is the record there and whole? */
function isRecorded(attempt: { taskDir: string }): boolean {
  return parseRecord(textOf(recordPath(attempt))) !== null
}

function recordedAtMs(attempt: { taskDir: string }): number | null {
  const mtimeMs = statSync(recordPath(attempt), { throwIfNoEntry: false })?.mtimeMs
  return mtimeMs === undefined ? null : Math.round(mtimeMs)
}

/** Makes the claim on an attempt's only start. @returns false where it is taken */
function claim(launch: LaunchSpec): boolean {
  try {
    writeFileSync(claimPath(launch), `${Date.now()} ${launch.spec.timeoutMs ?? 0}`, {
      flag: 'wx',
      mode: 0o600,
    })
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}

function claimPath(attempt: { taskDir: string }): string {
  return join(attempt.taskDir, 'record', 'claim')
}

function supervisorOf(attempt: { taskDir: string }): ProcessId | null {
  const text = textOf(join(attempt.taskDir, 'record', 'supervisor'))
  const [pid, startTime] = text?.trim().split(' ') ?? []
  return pid === undefined || startTime === undefined ? null : { pid: Number(pid), startTime }
}

/** The process that was started first. */
function oldestOf(pids: readonly number[]): ProcessId | null {
  const all = pids.flatMap((pid) => identify(pid) ?? [])
  return all.reduce<ProcessId | null>(
    (oldest, one) => (oldest === null || Number(one.startTime) < Number(oldest.startTime) ? one : oldest),
    null,
  )
}

function unsupportedBy(info: ExecutorInfo, launch: LaunchSpec): string | null {
  if (launch.spec.privateNetwork) return `the ${info.name} executor cannot give a private network`
  if (launch.spec.privatePids) return `the ${info.name} executor cannot give private PIDs`
  if (launch.numaId !== null && !info.features.numa) return 'numactl is missing on this node'
  return null
}

/** Who the runner is, for a task that runs as the same user. */
function ownIdentity(): Record<string, string> {
  const names = ['HOME', 'USER', 'LOGNAME', 'SHELL'] as const
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

function key(taskId: number, attempt: number): string {
  return `${taskId}-${attempt}`
}
