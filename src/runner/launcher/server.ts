/**
 * The launcher at work for one runner: it takes requests of a closed schema, and carries them out by the systemd
 * executor. All paths, users and properties are its own: from a request come ids, an owner, what to run, and bounds.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkCarriable, isVariableName } from '../../core/carry.ts'
import { AppError } from '../../core/errors.ts'
import { localUserOf, type RunnerRights } from '../../core/local-user.ts'
import { isLeased, type TaskExit } from '../../core/task.ts'
import { cutWithin } from '../cut-within.ts'
import { exitWithout } from '../executors/attempt-files.ts'
import type { Executor, ExecutorDeps, ExecutorEvents, Handle, LaunchSpec } from '../executors/executor.ts'
import type { LauncherConfig } from './config.ts'
import { type AttemptId, launcherVersion, type Request, readRequest } from './messages.ts'
import type { Places } from './places.ts'

export interface ServerOptions {
  config: LauncherConfig
  rights: RunnerRights
  places: Places
  bootId: string
  /** Of what this launcher runs: marks its units. */
  launcherId: string
  openExecutor: (deps: ExecutorDeps) => Promise<Executor>
  /** One message to the runner, without the end of its line. */
  send: (line: string) => void
  now: () => number
}

/** What is kept of an attempt beside its record; one that is torn is of before the start. */
interface Kept {
  version: 1
  bootId: string
  isLeased: boolean
}

const keptFile = 'kept.json'
/** The longest reason that is told (`protocol/link.ts`). */
const reasonChars = 2_000

export class LauncherServer implements ExecutorEvents {
  private readonly options: ServerOptions
  private executor!: Executor // set by open(), before anybody has the object
  private isOpen = false

  private constructor(options: ServerOptions) {
    this.options = options
  }

  static async open(options: ServerOptions): Promise<LauncherServer> {
    const server = new LauncherServer(options)
    server.executor = await options.openExecutor({
      events: server,
      now: options.now,
      bootId: options.bootId,
      runnerId: options.launcherId,
      log: (message, fields) =>
        server.tell({ event: 'log', message, ...(fields !== undefined && { fields }) }),
    })
    return server
  }

  /** Carries one line out, and answers it. Never rejects. */
  async take(line: string): Promise<void> {
    let n: number | null = null
    try {
      const { n: number, request } = readRequest(line)
      n = number
      this.tell({ n, ok: (await this.carryOut(request)) ?? null })
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'internal'
      const message = error instanceof Error ? error.message : String(error)
      this.tell({ n, error: { code, message: message.slice(0, reasonChars) } })
    }
  }

  onStarted(taskId: number, attempt: number, startedAtMs: number): void {
    this.tell({ event: 'started', taskId, attempt, startedAtMs })
  }

  onExit(taskId: number, attempt: number, exit: TaskExit): void {
    const reason = exit.reason?.slice(0, reasonChars) ?? null
    this.tell({ event: 'exited', taskId, attempt, exit: { ...exit, reason } })
  }

  /** Stops watching. Tasks go on. */
  close(): Promise<void> {
    return this.executor.close()
  }

  private tell(message: object): void {
    this.options.send(JSON.stringify(message))
  }

  private async carryOut(request: Request): Promise<unknown> {
    if (request.op === 'open') return this.opened(request.version)
    if (!this.isOpen) throw new AppError('invalid_request', 'the first request is to open the launcher')
    const { executor } = this
    switch (request.op) {
      case 'start':
        return this.start(request)
      case 'recover':
        return this.recover(request)
      case 'kill':
        return executor.kill(request.taskId, request.attempt, request.graceMs)
      case 'left':
        return executor.leftOf?.(request.taskId, request.attempt) ?? null
      case 'usage':
        return executor.usage?.(request.attempts) ?? []
      case 'list':
        return executor.list()
      case 'collect':
        return this.collect(request)
      case 'arm':
        return this.arm(request.deadlineMs)
      case 'cut':
        return this.cut(request)
    }
  }

  private opened(version: number) {
    if (version !== launcherVersion) {
      throw new AppError(
        'conflict',
        `the launcher speaks version ${launcherVersion}, and the runner ${version}: start both anew after an update`,
      )
    }
    this.isOpen = true
    const { executor, options } = this
    const deadlineMs = executor.fence?.deadlineMs ?? null
    return {
      info: executor.info,
      logsDir: options.places.logsDir,
      fence: executor.fence === undefined ? null : { deadlineMs },
    }
  }

  private async start(request: Extract<Request, { op: 'start' }>): Promise<void> {
    const { taskId, attempt } = request
    let launch: LaunchSpec
    try {
      launch = this.launchOf(request)
      mkdirSync(launch.taskDir, { recursive: true, mode: 0o700 })
      this.keep(request)
      this.options.places.makeLogs(taskId)
    } catch (error) {
      // the place and the words of a failure are of no use to whoever has no right to the directory
      const why = error instanceof AppError ? error.message : 'the launcher cannot write its state'
      if (!(error instanceof AppError))
        this.tell({ event: 'log', message: why, fields: { error: String(error) } })
      return this.onExit(taskId, attempt, exitWithout('launch_failed', why, this.options.now()))
    }
    await this.executor.start(launch)
  }

  /** @throws AppError where it may not be run here */
  private launchOf(request: Extract<Request, { op: 'start' }>): LaunchSpec {
    const { config, rights, places } = this.options
    const { taskId, attempt, owner, spec, numaId, extraEnv, secrets } = request
    checkCarriable(spec, secrets)
    const strange = Object.keys(extraEnv).find((name) => !isVariableName(name))
    if (strange !== undefined)
      throw new AppError('invalid_request', 'a variable has a name that no shell can set')
    const found = localUserOf(owner, config, rights)
    if ('refusal' in found) throw new AppError('not_permitted', found.refusal)
    return {
      ...{ taskId, attempt, owner, spec, numaId, extraEnv },
      ...(secrets !== undefined && { secrets }),
      taskDir: places.attemptDir(request),
      stdoutPath: places.logPath('stdout', taskId),
      stderrPath: places.logPath('stderr', taskId),
      defaultCwd: config.localTempDir,
      user: found.user,
    }
  }

  /** Written once: a start that is asked for again changes nothing. */
  private keep({ taskId, attempt, spec }: Extract<Request, { op: 'start' }>): void {
    const { places, bootId } = this.options
    if (this.keptOf({ taskId, attempt }) !== null) return
    const kept: Kept = { version: 1, bootId, isLeased: isLeased(spec, attempt) }
    writeFileSync(join(places.attemptDir({ taskId, attempt }), keptFile), JSON.stringify(kept), {
      mode: 0o600,
    })
  }

  private keptOf(id: AttemptId): Kept | null {
    try {
      const kept = JSON.parse(
        readFileSync(join(this.options.places.attemptDir(id), keptFile), 'utf8'),
      ) as Kept
      return kept.version === 1 ? kept : null
    } catch {
      return null
    }
  }

  private async recover(id: AttemptId) {
    const kept = this.keptOf(id)
    if (kept === null) return { state: 'never_started' }
    return this.executor.recover(this.handleOf(id, kept))
  }

  private async collect(id: AttemptId): Promise<void> {
    const kept = this.keptOf(id)
    if (kept === null) return
    await this.executor.collect(this.handleOf(id, kept))
    rmSync(this.options.places.attemptDir(id), { recursive: true, force: true })
  }

  private handleOf({ taskId, attempt }: AttemptId, { bootId, isLeased }: Kept): Handle {
    const taskDir = this.options.places.attemptDir({ taskId, attempt })
    const leased = isLeased ? { isLeased } : {}
    return { version: 1, executor: 'systemd', taskId, attempt, taskDir, bootId, ...leased }
  }

  private async arm(deadlineMs: number): Promise<number | null> {
    const { fence } = this.executor
    if (fence === undefined) throw new AppError('unsatisfiable', 'there is no fence on this machine')
    await fence.arm(deadlineMs)
    return fence.deadlineMs
  }

  private cut({ taskId, stream, isLast }: Extract<Request, { op: 'cut' }>): Promise<number> {
    const { logLimitBytes } = this.options.config
    if (logLimitBytes === null)
      throw new AppError('invalid_request', 'the configuration of the launcher has no limit for logs')
    const { places } = this.options
    const job = { path: places.logPath(stream, taskId), kept: logLimitBytes, isLast }
    return cutWithin(job, places.logsDir === null)
  }
}
