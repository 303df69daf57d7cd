/**
 * The life of a task: its states, the events that change them, and the one pure function that decides.
 * Who persists the outcome is `host/store`; nobody else may write a status.
 */
import { unreachable } from './errors.ts'
import type { Placement, Target } from './target.ts'

/** Every status, in the order of a life. The spelling is the wire's and the database's. */
export const statuses = [
  'pending',
  'assigning',
  'running',
  'unreachable',
  'killing',
  'completed',
  'failed',
  'killed',
  'killed_oom',
  'timed_out',
  'lost',
] as const

export type Status = (typeof statuses)[number]

/** The statuses that never change again. */
export const finalStatuses = ['completed', 'failed', 'killed', 'killed_oom', 'timed_out', 'lost'] as const
export type FinalStatus = (typeof finalStatuses)[number]
/** The statuses that hold cores and memory of a node: all between placement and end. */
export const heldStatuses = ['assigning', 'running', 'unreachable', 'killing'] as const
export type HeldStatus = (typeof heldStatuses)[number]

const finalSet: ReadonlySet<Status> = new Set(finalStatuses)
const heldSet: ReadonlySet<Status> = new Set(heldStatuses)

/** Has the task ended for good? */
export function isFinal(status: Status): status is FinalStatus {
  return finalSet.has(status)
}

/** Does a task in this status hold cores and memory of its node? */
export function isHeld(status: Status): status is HeldStatus {
  return heldSet.has(status)
}

/** What a user may ask of a task in each status: serves the host's 409, the CLI's hint and the web's button. */
const allowed = {
  kill: ['pending', 'assigning', 'running', 'unreachable'],
  rerun: [...finalStatuses],
} satisfies Record<string, Status[]>

export type TaskAction = keyof typeof allowed

/** May this be asked of a task in this status? */
export function taskCan(action: TaskAction, status: Status): boolean {
  return (allowed[action] as Status[]).includes(status)
}

/** What the user asked to be run. Never changes after the submit. */
export interface TaskSpec {
  /** The program: a path, or a name looked up in the task's PATH. */
  command: string
  arguments: string[]
  /** The task's environment on top of the node's small default one. Names are shell identifiers. */
  env: Record<string, string>
  /** Working directory on the node; null: the executor's default (the task's temp directory). */
  cwd: string | null
  /** A name for people; null: the command is shown. */
  name: string | null
  /** CPUs of quota (1 = one CPU's worth of time); also what placement counts. */
  cores: number
  /** Memory limit, also what placement counts; null: neither limited nor counted. */
  memoryBytes: number | null
  /** The task is ended as `timed_out` after so long; null: no limit. */
  timeoutMs: number | null
  privateNetwork: boolean
  privatePids: boolean
  /** false: refuse a named target that is busy instead of queueing. */
  queue: boolean
  /** How often at most it is started again elsewhere because its node was lost; left out: never. */
  requeue?: number
  /** Variables that only the task itself sees; left out: none. */
  sealed?: SealedRef
}

/** Where the secrets of a task lie, and what they are called. What they are stands nowhere but there, encrypted. */
export interface SealedRef {
  /** The batch with which they came; a rerun refers to the first one's. */
  batchId: number
  /** Which of the sets of that batch: specs with the same secrets share one. */
  set: number
  /** In their order. */
  names: string[]
}

/**
 * May this attempt be followed by another one? Then it runs under a lease: its node ends it by itself when it has
 * not heard the host for too long.
 */
export function isLeased(spec: Pick<TaskSpec, 'requeue'>, attempt: number): boolean {
  return attempt <= (spec.requeue ?? 0)
}

/** How a process tree came to its end, as the runner saw it. Read from records, never guessed. */
export type ExitCause =
  /** By itself, with an exit code. */
  | 'exited'
  /** By a signal that nobody here sent. */
  | 'signaled'
  /** The kernel's OOM killer struck the main process or a child. */
  | 'oom'
  /** The task's own time limit. */
  | 'timeout'
  /** We were asked to kill it, and nothing of it is left. */
  | 'killed'
  /** It never ran: the set-up failed (directory, user, NUMA node, sandbox). */
  | 'launch_failed'
  /** The node rebooted or lost its record: nobody can know. */
  | 'lost'
  /** Under a lease: its node went down, or ended it because the lease ran out. Nothing of it is left. */
  | 'node_lost'

/** The account of an end. Times are milliseconds since the epoch by the node's clock. */
export interface TaskExit {
  cause: ExitCause
  /** The main process's code, 0–255; null where it did not exit by itself. */
  exitCode: number | null
  /** Name of the ending signal ("SIGKILL"); null where none. */
  signal: string | null
  startedAtMs: number | null
  endedAtMs: number
  /** CPU time of the whole process tree; null where the kernel does not tell. */
  cpuTimeMs: number | null
  /** Peak memory of the whole process tree; null where the kernel does not tell. */
  peakMemoryBytes: number | null
  /** One sentence on why, where there is more to say than the code. */
  reason: string | null
}

/** The part of a task that is there in every status. */
export interface TaskBase {
  id: number
  batchId: number
  /** The user who submitted it. */
  owner: string
  spec: TaskSpec
  target: Target
  submittedAtMs: number
  /** Number of the current (or next) start; 0 before the first placement. */
  attempt: number
  /** The task that this one runs again, where it was made so. */
  rerunOf?: number
}

/** What a placed task carries. */
export interface Placed {
  placement: Placement
  /** Boot id and runner id of the node when the task was sent there: what `lost` is judged by. */
  dispatchedTo: RunnerIdentity
  placedAtMs: number
}

/** Which life of which runner: another boot id means a reboot, another runner id a wiped disk. */
export interface RunnerIdentity {
  runnerId: string
  bootId: string
}

/** A task: the fields a status needs live inside that status. */
export type Task = TaskBase &
  /** `requeuedFor`: why the attempt before was given up; left out before the first. */
  (
    | { status: 'pending'; requeuedFor?: string }
    | ({ status: 'assigning' } & Placed)
    | ({ status: 'running'; startedAtMs: number } & Placed)
    /** The node is silent. Not final; `startedAtMs` is null where the start was not confirmed. */
    | ({ status: 'unreachable'; startedAtMs: number | null; sinceMs: number } & Placed)
    | ({
        status: 'killing'
        startedAtMs: number | null
        killRequestedAtMs: number
        killReason: string
      } & Placed)
    | ({
        status: FinalStatus
        startedAtMs: number | null
        endedAtMs: number
        exitCode: number | null
        signal: string | null
        reason: string | null
        cpuTimeMs: number | null
        peakMemoryBytes: number | null
      } & (Placed | { placement: null }))
  )

/** A task that holds a part of a node. */
export type HeldTask = Extract<Task, { status: HeldStatus }>
/** A task that has ended. */
export type FinalTask = Extract<Task, { status: FinalStatus }>

/** What can happen to a task. Those that come from a runner carry the attempt they speak of. */
export type TaskEvent =
  | { type: 'placed'; attempt: number; placement: Placement; dispatchedTo: RunnerIdentity }
  | { type: 'started'; attempt: number; startedAtMs: number }
  | { type: 'exited'; attempt: number; exit: TaskExit }
  | { type: 'kill_requested'; reason: string }
  | { type: 'node_silent' }
  /** The node is back and holds the attempt: `startedAtMs` null means that it has not started yet. */
  | { type: 'node_returned'; attempt: number; startedAtMs: number | null }
  /**
   * The node is back without it, on evidence (see `reconcile`), or an operator said so. `nothingLeft`: the
   * evidence also says that no process of it is alive.
   */
  | { type: 'declared_lost'; attempt: number; reason: string; nothingLeft?: boolean }
  /** Under a lease: its node went down, or the lease is over. Either way no process of it is alive. */
  | { type: 'node_lost'; attempt: number; reason: string }

export type TaskEventType = TaskEvent['type']

/** What the host must do once the change is committed. */
export type Effect =
  | { type: 'dispatch'; taskId: number; attempt: number }
  | { type: 'signal'; taskId: number; attempt: number }

export type Transition =
  | { kind: 'changed'; task: Task; effects: Effect[] }
  /** Late, doubled or of an older attempt: nothing to do. */
  | { kind: 'ignored' }
  /** Nobody may ask this of a task in this status. */
  | { kind: 'illegal'; reason: string }

/**
 * The only function that decides a status. Pure: time comes in, effects go out.
 * An event of another attempt than the current one is ignored; a final status never changes.
 */
export function transition(task: Task, event: TaskEvent, nowMs: number): Transition {
  if (isFinalTask(task)) {
    return event.type === 'kill_requested' ? illegal(`it has ended (${task.status})`) : ignored
  }
  if (task.status === 'pending') return fromPending(task, event, nowMs)
  if ('attempt' in event && event.attempt !== task.attempt) return ignored
  return fromHeld(task, event, nowMs)
}

/** Narrows a task to its final form. */
export function isFinalTask(task: Task): task is FinalTask {
  return isFinal(task.status)
}

/** Narrows a task to one that holds a part of a node. */
export function isHeldTask(task: Task): task is HeldTask {
  return isHeld(task.status)
}

const ignored: Transition = { kind: 'ignored' }

function illegal(reason: string): Transition {
  return { kind: 'illegal', reason }
}

function changed(task: Task, effects: Effect[] = []): Transition {
  return { kind: 'changed', task, effects }
}

function fromPending(task: Task & { status: 'pending' }, event: TaskEvent, nowMs: number): Transition {
  switch (event.type) {
    case 'placed': {
      if (event.attempt !== task.attempt + 1) return ignored
      const { placement, dispatchedTo, attempt } = event
      return changed(
        { ...base(task), attempt, status: 'assigning', placement, dispatchedTo, placedAtMs: nowMs },
        [{ type: 'dispatch', taskId: task.id, attempt }],
      )
    }
    case 'kill_requested':
      return changed({
        ...base(task),
        status: 'killed',
        placement: null,
        startedAtMs: null,
        endedAtMs: nowMs,
        exitCode: null,
        signal: null,
        reason: event.reason,
        cpuTimeMs: null,
        peakMemoryBytes: null,
      })
    case 'started':
    case 'exited':
    case 'node_silent':
    case 'node_returned':
    case 'declared_lost':
    case 'node_lost':
      return ignored
    default:
      return unreachable(event)
  }
}

function fromHeld(task: HeldTask, event: TaskEvent, nowMs: number): Transition {
  switch (event.type) {
    case 'placed':
      return ignored
    case 'started':
      return started(task, event.startedAtMs, nowMs)
    case 'exited':
      if (event.exit.cause === 'node_lost') return changed(afterNode(task, event.exit, nowMs))
      return changed(ended(task, event.exit, nowMs))
    case 'kill_requested':
      if (task.status === 'killing') return ignored
      return changed(
        {
          ...placedPart(task),
          status: 'killing',
          startedAtMs: startOf(task),
          killRequestedAtMs: nowMs,
          killReason: event.reason,
        },
        [{ type: 'signal', taskId: task.id, attempt: task.attempt }],
      )
    case 'node_silent':
      if (task.status === 'killing' || task.status === 'unreachable') return ignored
      return changed({
        ...placedPart(task),
        status: 'unreachable',
        startedAtMs: startOf(task),
        sinceMs: nowMs,
      })
    case 'node_returned':
      return returned(task, event.startedAtMs, nowMs)
    case 'declared_lost':
      return declaredLost(task, event.reason, event.nothingLeft ?? false, nowMs)
    case 'node_lost':
      return changed(afterNode(task, { ...lostExit(task, event.reason, nowMs), cause: 'node_lost' }, nowMs))
    default:
      return unreachable(event)
  }
}

function started(task: HeldTask, byNode: number, nowMs: number): Transition {
  const startedAtMs = startByHost(task, byNode, nowMs)
  switch (task.status) {
    case 'assigning':
    case 'unreachable':
      // What was told first stands.
      return changed({ ...placedPart(task), status: 'running', startedAtMs: startOf(task) ?? startedAtMs })
    case 'killing':
      return task.startedAtMs === null ? changed({ ...task, startedAtMs }) : ignored
    case 'running':
      return ignored
    default:
      return unreachable(task)
  }
}

function returned(task: HeldTask, startedAtMs: number | null, nowMs: number): Transition {
  if (task.status !== 'unreachable') return startedAtMs === null ? ignored : started(task, startedAtMs, nowMs)
  const at = task.startedAtMs ?? (startedAtMs === null ? null : startByHost(task, startedAtMs, nowMs))
  return at === null
    ? changed({ ...placedPart(task), status: 'assigning' })
    : changed({ ...placedPart(task), status: 'running', startedAtMs: at })
}

/** A kill that was on its way has come true only where nothing is left; else nobody knows. */
function declaredLost(task: HeldTask, reason: string, nothingLeft: boolean, nowMs: number): Transition {
  const exit = lostExit(task, reason, nowMs)
  const final = ended(task, exit, nowMs)
  return changed(task.status === 'killing' && !nothingLeft ? { ...final, status: 'lost' } : final)
}

/**
 * A node's clock may be hours away from the host's, which orders things: a start lies between the placement and the
 * moment in which it is told.
 */
function startByHost(task: HeldTask, byNode: number, nowMs: number): number {
  return Math.max(task.placedAtMs, Math.min(byNode, nowMs))
}

/** The end that belongs to a start by the host's clock: what lies between was measured by the node's. */
function endByHost(exit: TaskExit, startedAtMs: number | null, placedAtMs: number, nowMs: number): number {
  const isMoved = startedAtMs !== null && exit.startedAtMs !== null && exit.startedAtMs !== startedAtMs
  const endedAtMs = isMoved ? startedAtMs + exit.endedAtMs - (exit.startedAtMs ?? 0) : exit.endedAtMs
  // a clock that was set while it ran makes neither a negative duration nor an end in the future
  const earliest = startedAtMs ?? placedAtMs
  return Math.max(earliest, Math.min(endedAtMs, nowMs))
}

/** Its node is gone and nothing of it is left: it waits for its next attempt, unless it is to end or has had the last. */
function afterNode(task: HeldTask, exit: TaskExit, nowMs: number): Task {
  if (task.status === 'killing' || !isLeased(task.spec, task.attempt)) return ended(task, exit, nowMs)
  return { ...base(task), status: 'pending', requeuedFor: exit.reason ?? 'its node was lost' }
}

function ended(task: HeldTask, exit: TaskExit, nowMs: number): FinalTask {
  // what was told first stands
  const told = exit.startedAtMs === null ? null : startByHost(task, exit.startedAtMs, nowMs)
  const startedAtMs = startOf(task) ?? told
  return {
    ...placedPart(task),
    status: finalStatusOf(task, exit),
    startedAtMs,
    endedAtMs: endByHost(exit, startedAtMs, task.placedAtMs, nowMs),
    exitCode: exit.exitCode,
    signal: exit.signal,
    reason: exit.reason ?? (task.status === 'killing' && exit.cause === 'killed' ? task.killReason : null),
    cpuTimeMs: exit.cpuTimeMs,
    peakMemoryBytes: exit.peakMemoryBytes,
  }
}

/** What an end means. A task that ended by itself before the kill reached it keeps its own outcome. */
function finalStatusOf(task: HeldTask, exit: TaskExit): FinalStatus {
  switch (exit.cause) {
    case 'exited':
      return exit.exitCode === 0 ? 'completed' : 'failed'
    case 'signaled':
    case 'launch_failed':
      return 'failed'
    case 'oom':
      return 'killed_oom'
    case 'timeout':
      return 'timed_out'
    case 'killed':
      return 'killed'
    case 'lost':
    case 'node_lost':
      // Nothing of it is left, and its end had been asked for: that is what `killed` says.
      return task.status === 'killing' ? 'killed' : 'lost'
    default:
      return unreachable(exit.cause)
  }
}

function lostExit(task: HeldTask, reason: string, nowMs: number): TaskExit {
  return {
    cause: 'lost',
    exitCode: null,
    signal: null,
    startedAtMs: startOf(task),
    endedAtMs: nowMs,
    cpuTimeMs: null,
    peakMemoryBytes: null,
    reason,
  }
}

function startOf(task: HeldTask): number | null {
  return task.status === 'assigning' ? null : task.startedAtMs
}

function base(task: TaskBase): TaskBase {
  const { id, batchId, owner, spec, target, submittedAtMs, attempt, rerunOf } = task
  const origin = rerunOf === undefined ? {} : { rerunOf }
  return { id, batchId, owner, spec, target, submittedAtMs, attempt, ...origin }
}

function placedPart(task: HeldTask): TaskBase & Placed {
  const { placement, dispatchedTo, placedAtMs } = task
  return { ...base(task), placement, dispatchedTo, placedAtMs }
}
