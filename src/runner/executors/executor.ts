/**
 * What a runner asks of any way of running a task. Three implementations (systemd, process, fake) pass
 * one shared suite. An executor knows nothing of the host, the link or the outbox.
 */
import type { ExecutorInfo } from '../../core/node.ts'
import type { TaskExit, TaskSpec } from '../../core/task.ts'
import type { LogStream } from '../../protocol/routes.ts'

/** One start of one task, as the runner hands it to an executor. */
export interface LaunchSpec {
  taskId: number
  attempt: number
  /** The API user whose task it is. */
  owner: string
  spec: TaskSpec
  /** NUMA node to bind to; null: none. */
  numaId: number | null
  /** Variables the runner adds (HAKURIVER_*); they win over the user's of the same name. */
  extraEnv: Record<string, string>
  /** Variables that are to stand in the start script alone: in no record, log or unit. Left out: none. */
  secrets?: Record<string, string>
  /** Directory of this attempt on the node's own disk, made by the runner, mode 0700 (root's or the runner's). */
  taskDir: string
  /** Where the task's standard output and error go: appended to, created where missing. */
  stdoutPath: string
  stderrPath: string
  /** Working directory where the spec names none. */
  defaultCwd: string
  /** The user that the task runs as; null: the runner's own. Executors that cannot switch refuse. */
  user: string | null
}

/**
 * How to find a started attempt again: small, versioned, JSON; kept in `<taskDir>/handle.json` by the
 * runner, written before the start.
 */
export interface Handle {
  version: 1
  executor: ExecutorInfo['name']
  taskId: number
  attempt: number
  taskDir: string
  /** Boot in which it was started: another one now means that no process of it can be alive. */
  bootId: string
  /** It runs under a lease; left out: it does not. */
  isLeased?: boolean
}

/** What a running attempt has used since its start, and uses now. null: the system does not tell. */
export interface AttemptUsage {
  taskId: number
  attempt: number
  /** CPU time of all its processes, those included that have ended. */
  cpuTimeMs: number | null
  memoryBytes: number | null
}

/** What became of an attempt that is looked for after a runner restart. */
export type Recovered =
  /** Alive; its end will be told through `onExit`. */
  | { state: 'running'; startedAtMs: number }
  | { state: 'ended'; exit: TaskExit }
  /** There is no trace that it ever started: neither a unit nor a record. */
  | { state: 'never_started' }

export interface ExecutorEvents {
  /** The command is executing (the set-up is done). At most once per attempt. */
  onStarted(taskId: number, attempt: number, startedAtMs: number): void
  /** Nothing of the attempt is left alive. Exactly once per attempt that was started or recovered as running. */
  onExit(taskId: number, attempt: number, exit: TaskExit): void
}

/** Ends what is leased at its deadline, whatever has become of the runner by then. */
export interface Fence {
  /** Milliseconds since the boot, the machine's sleep included: what deadlines are told in. */
  now(): number
  /** The deadline that holds, also where an earlier runner has set it and where it is over; null: none yet. */
  readonly deadlineMs: number | null
  /**
   * Moves the deadline. From when this resolves nothing leased lives on behind it, and nothing leased starts there.
   * @throws Error where it could not be moved: the one before holds, or nothing leased runs at all
   */
  arm(deadlineMs: number): Promise<void>
}

/** What keeps the logs where the runner may only read them. */
export interface LogOwner {
  /** Where they are, as below a runner's own directory; null: in the shared one. */
  readonly logsDir: string | null
  /**
   * Cuts a log of an attempt (`<taskId>-<attempt>`) at the limit. `isLast`: the task has ended, and the log itself is to
   * say it too. @returns how many bytes are missing
   */
  cutLog(id: string, stream: LogStream, isLast: boolean): Promise<number>
}

export interface Executor {
  readonly info: ExecutorInfo
  /** It decides by itself whom tasks run as, and refuses those of others; left out: the runner does. */
  readonly mapsUsers?: boolean
  /** Left out: the runner keeps the logs. */
  readonly logs?: LogOwner
  /** Left out: it can run nothing under a lease (`isLeased` of `core/task.ts`). */
  readonly fence?: Fence
  /** The handle `start` will use: pure, so that it can be on disk before the start. */
  handleFor(launch: LaunchSpec): Handle
  /**
   * Starts the attempt. Resolves once the start has been handed to the system; failures of the set-up come
   * as `onExit` with cause `launch_failed`. A second start of the same attempt never makes a second process
   * tree: it resolves and does nothing.
   */
  start(launch: LaunchSpec): Promise<void>
  /** Finds a started attempt again after a restart of the runner. */
  recover(handle: Handle): Promise<Recovered>
  /**
   * Ends the whole process tree: SIGTERM, after `graceMs` SIGKILL. Resolves when the request has been made;
   * the end is told through `onExit` with cause `killed` when nothing is left. Of an attempt that has ended
   * already it does nothing.
   */
  kill(taskId: number, attempt: number, graceMs: number): Promise<void>
  /** What is left of an attempt that is being ended: in words, such as "process 12 (dd) …"; null: nothing that is known. */
  leftOf?(taskId: number, attempt: number): string | null
  /**
   * What these attempts use, as far as they run here; of the others nothing is said. Reads a few at a time, so that many
   * of them keep nothing else waiting. Left out: it cannot tell.
   */
  usage?(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]>
  /** Every attempt of ours that the system still knows, for reconciling (also ones without a record). */
  list(): Promise<{ taskId: number; attempt: number }[]>
  /** Lets the system forget an attempt that has ended and was reported (collects the unit). */
  collect(handle: Handle): Promise<void>
  /** Stops watching. Tasks go on. */
  close(): Promise<void>
}

/** How an executor is built: everything it needs is handed in. */
export interface ExecutorDeps {
  events: ExecutorEvents
  /** Milliseconds since the epoch. */
  now: () => number
  bootId: string
  /** Of the runner, made once per state directory: others on the same machine may hold attempts with the same ids. */
  runnerId: string
  /** Called with one sentence and fields for what is worth a line in the log. */
  log: (message: string, fields?: Record<string, unknown>) => void
}
