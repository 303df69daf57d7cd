/**
 * The systemd executor of a runner that is not root: the launcher has it, and this asks for it over its socket. What
 * the launcher has not heard when a connection broke is found out on the next one, so that each end is told once.
 */

import { AppError } from '../../core/errors.ts'
import type { ExecutorInfo } from '../../core/node.ts'
import { isLeased, type TaskExit, type TaskSpec } from '../../core/task.ts'
import type { LogStream } from '../../protocol/routes.ts'
import { exitWithout, rebootedExit } from '../executors/attempt-files.ts'
import type {
  AttemptUsage,
  Executor,
  ExecutorDeps,
  Fence,
  Handle,
  LaunchSpec,
  LogOwner,
  Recovered,
} from '../executors/executor.ts'
import { uptimeMs } from '../executors/systemd/fence.ts'
import { type ConnectionOptions, CutOff, LauncherConnection } from './connection.ts'
import type { Request } from './messages.ts'

export type RemoteOptions = Omit<ConnectionOptions, 'onEvent' | 'onReconnected' | 'log'>

/** What the launcher says of itself (`LauncherServer`). */
interface Opened {
  info: ExecutorInfo
  logsDir: string | null
  fence: { deadlineMs: number | null } | null
}

/** An attempt whose end is awaited. */
interface Watched {
  taskId: number
  attempt: number
  /** Until it has begun: what is asked for again where the launcher never heard of it. */
  launch: LaunchSpec | null
  isStarted: boolean
  /** What of it cannot be ended, as last told. */
  left: string | null
  isAskingLeft: boolean
  /** A kill was asked for. */
  graceMs: number | null
}

export class RemoteExecutor implements Executor {
  readonly mapsUsers = true
  info!: ExecutorInfo // these are set by open(), before anybody has the object
  logs!: LogOwner
  fence?: Fence & { deadlineMs: number | null }
  private connection!: LauncherConnection
  private readonly deps: ExecutorDeps
  private readonly watched = new Map<string, Watched>()
  /** Told, and not let go of yet: nothing of it is started a second time. */
  private readonly ended = new Set<string>()
  private readonly background = new Set<Promise<void>>()

  private constructor(deps: ExecutorDeps) {
    this.deps = deps
  }

  /** @throws AppError `unavailable` where the launcher does not serve this runner */
  static async open(options: RemoteOptions, deps: ExecutorDeps): Promise<RemoteExecutor> {
    const executor = new RemoteExecutor(deps)
    const { connection, opened } = await LauncherConnection.open({
      ...options,
      log: deps.log,
      onEvent: (event) => executor.onEvent(event),
      onReconnected: (again) => executor.onReconnected(again as Opened),
    })
    executor.connection = connection
    executor.take(opened as Opened)
    return executor
  }

  handleFor(launch: LaunchSpec): Handle {
    const { taskId, attempt, taskDir } = launch
    const leased = isLeased(launch.spec, attempt) ? { isLeased: true } : {}
    return { version: 1, executor: 'systemd', taskId, attempt, taskDir, bootId: this.deps.bootId, ...leased }
  }

  async start(launch: LaunchSpec): Promise<void> {
    const key = keyOf(launch)
    if (this.watched.has(key) || this.ended.has(key)) return
    const watched = watchedOf(launch, launch)
    this.watched.set(key, watched)
    await this.ask(watched, launch)
  }

  async recover(handle: Handle): Promise<Recovered> {
    const { now, bootId } = this.deps
    if (handle.bootId !== bootId) return { state: 'ended', exit: rebootedExit(handle, now()) }
    const known = this.watched.get(keyOf(handle))
    const watched = known ?? { ...watchedOf(handle, null), isStarted: true }
    // watched before it is asked for: what ends in between is not missed
    this.watched.set(keyOf(handle), watched)
    const { taskId, attempt } = handle
    const found = (await this.connection.callAgain({ op: 'recover', taskId, attempt })) as Recovered
    if (found.state !== 'running') this.forget(watched)
    return found
  }

  async kill(taskId: number, attempt: number, graceMs: number): Promise<void> {
    const watched = this.watched.get(keyOf({ taskId, attempt }))
    if (watched === undefined) return
    watched.graceMs = graceMs
    await this.unlessCut(this.connection.call({ op: 'kill', taskId, attempt, graceMs }), 'the kill')
  }

  /** As it was when it was asked last: the launcher is asked for it anew. */
  leftOf(taskId: number, attempt: number): string | null {
    const watched = this.watched.get(keyOf({ taskId, attempt }))
    if (watched === undefined) return null
    if (!watched.isAskingLeft) {
      watched.isAskingLeft = true
      const asked = this.connection.call({ op: 'left', taskId, attempt }).then((left) => {
        watched.left = left as string | null
      })
      this.inBackground(
        'what is left',
        asked.finally(() => {
          watched.isAskingLeft = false
        }),
      )
    }
    return watched.left
  }

  async usage(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]> {
    const known = attempts.filter((each) => this.watched.has(keyOf(each)))
    const asked = known.map(({ taskId, attempt }) => ({ taskId, attempt }))
    const used: AttemptUsage[] = []
    for (let at = 0; at < asked.length; at += usageChunk)
      used.push(
        ...((await this.connection.call({
          op: 'usage',
          attempts: asked.slice(at, at + usageChunk),
        })) as AttemptUsage[]),
      )
    return used
  }

  async list(): Promise<{ taskId: number; attempt: number }[]> {
    return (await this.connection.callAgain({ op: 'list' })) as { taskId: number; attempt: number }[]
  }

  async collect({ taskId, attempt }: Handle): Promise<void> {
    await this.connection.callAgain({ op: 'collect', taskId, attempt })
    this.ended.delete(keyOf({ taskId, attempt }))
  }

  async close(): Promise<void> {
    this.connection.close()
    await Promise.all(this.background)
  }

  private take({ info, logsDir, fence }: Opened): void {
    this.info = info
    this.logs = { logsDir, cutLog: (id, stream, isLast) => this.cutLog(id, stream, isLast) }
    if (fence === null) return
    this.fence = {
      deadlineMs: fence.deadlineMs,
      now: uptimeMs,
      arm: async (deadlineMs) => {
        const whole = Math.floor(deadlineMs)
        await this.connection.call({ op: 'arm', deadlineMs: whole })
        if (this.fence !== undefined) this.fence.deadlineMs = Math.max(whole, this.fence.deadlineMs ?? 0)
      },
    }
  }

  private async cutLog(id: string, stream: LogStream, isLast: boolean): Promise<number> {
    const taskId = Number(id.split('-')[0])
    return Number(await this.connection.call({ op: 'cut', taskId, stream, isLast }))
  }

  private async ask(watched: Watched, launch: LaunchSpec): Promise<void> {
    try {
      await this.connection.call(startRequest(launch))
    } catch (error) {
      // what the launcher has heard of it is asked when it is back
      if (error instanceof CutOff) return
      const reason = error instanceof AppError ? error.message : String(error)
      this.finish(watched, exitWithout('launch_failed', reason, this.deps.now()))
    }
  }

  private onEvent(message: Record<string, unknown>): void {
    const { event, taskId, attempt } = message
    if (event === 'log')
      return this.deps.log(String(message.message), (message.fields ?? {}) as Record<string, unknown>)
    const watched = this.watched.get(`${taskId}-${attempt}`)
    if (watched === undefined) return
    if (event === 'started') this.started(watched, Number(message.startedAtMs))
    if (event === 'exited') this.finish(watched, message.exit as TaskExit)
  }

  private onReconnected(opened: Opened): void {
    this.info = opened.info
    if (this.fence !== undefined && opened.fence !== null) this.fence.deadlineMs = opened.fence.deadlineMs
    for (const watched of [...this.watched.values()])
      this.inBackground('looking after a task', this.catchUp(watched))
  }

  /** What became of it while the launcher was away, or of what it was asked for when it went. */
  private async catchUp(watched: Watched): Promise<void> {
    const { taskId, attempt, launch } = watched
    const found = (await this.connection.call({ op: 'recover', taskId, attempt })) as Recovered
    if (this.watched.get(keyOf(watched)) !== watched) return
    if (found.state === 'running') {
      this.started(watched, found.startedAtMs)
      if (watched.graceMs !== null) await this.kill(taskId, attempt, watched.graceMs)
    } else if (found.state === 'ended') this.finish(watched, found.exit)
    else if (launch === null)
      this.finish(watched, exitWithout('lost', 'the launcher has no record of it', this.deps.now()))
    else if (watched.graceMs !== null)
      this.finish(watched, exitWithout('killed', 'killed before it was started', this.deps.now()))
    else await this.ask(watched, launch)
  }

  private started(watched: Watched, startedAtMs: number): void {
    watched.launch = null
    if (watched.isStarted) return
    watched.isStarted = true
    this.deps.events.onStarted(watched.taskId, watched.attempt, startedAtMs)
  }

  private finish(watched: Watched, exit: TaskExit): void {
    if (this.watched.get(keyOf(watched)) !== watched) return
    if (exit.startedAtMs !== null) this.started(watched, exit.startedAtMs)
    this.forget(watched)
    this.ended.add(keyOf(watched))
    this.deps.events.onExit(watched.taskId, watched.attempt, exit)
  }

  private forget(watched: Watched): void {
    if (this.watched.get(keyOf(watched)) === watched) this.watched.delete(keyOf(watched))
  }

  private async unlessCut(asked: Promise<unknown>, what: string): Promise<void> {
    try {
      await asked
    } catch (error) {
      if (!(error instanceof CutOff)) throw error
      this.deps.log(`Cannot ask the launcher for ${what} yet`, { error: error.message })
    }
  }

  private inBackground(what: string, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.deps.log(`Failed with the launcher: ${what}`, { error: String(error) }))
      .finally(() => this.background.delete(tracked))
    this.background.add(tracked)
  }
}

/** Of one request: far below what its longest answer may be. */
const usageChunk = 1_000

function watchedOf(
  { taskId, attempt }: { taskId: number; attempt: number },
  launch: LaunchSpec | null,
): Watched {
  return { taskId, attempt, launch, isStarted: false, left: null, isAskingLeft: false, graceMs: null }
}

/** What the launcher needs to know, and nothing else. Of variables of one name the last that counts is sent alone. */
function startRequest(launch: LaunchSpec): Request {
  const { taskId, attempt, owner, numaId, extraEnv, spec } = launch
  const { command, cwd, cores, memoryBytes, timeoutMs, privateNetwork, privatePids, requeue } = spec
  const secrets = launch.secrets === undefined ? undefined : without(launch.secrets, extraEnv)
  const env = without(spec.env, { ...launch.secrets, ...extraEnv })
  const wanted = {
    ...{ command, arguments: spec.arguments, env, cwd },
    ...{ cores, memoryBytes, timeoutMs, privateNetwork, privatePids },
    ...(requeue !== undefined && { requeue }),
  } as TaskSpec // its name and its queueing are of no use there
  const request = { op: 'start' as const, taskId, attempt, owner, numaId, spec: wanted, extraEnv }
  return secrets === undefined ? request : { ...request, secrets }
}

function without(all: Record<string, string>, others: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(others, name)))
}

function keyOf({ taskId, attempt }: { taskId: number; attempt: number }): string {
  return `${taskId}-${attempt}`
}
