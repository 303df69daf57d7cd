/**
 * Compares what the host believes of a node with what its runner holds, and tells what is missing: events for
 * tasks, and commands to the runner. The same comparison heals a lost message, a cut link, a restarted host, a
 * rebooted node and a wiped disk.
 */
import { unreachable } from './errors.ts'
import type { HeldStatus, RunnerIdentity, TaskEvent } from './task.ts'

/** A task that the host has placed on the node and that has not ended. */
export interface HostAttempt {
  taskId: number
  attempt: number
  status: HeldStatus
  /** null: the start was not confirmed. */
  startedAtMs: number | null
  dispatchedTo: RunnerIdentity
  /** It runs under a lease: see `isLeased`. */
  isLeased?: boolean
}

/** An attempt that the runner holds. `ended`: its report is not acknowledged yet. */
export interface RunnerAttempt {
  taskId: number
  attempt: number
  phase: 'starting' | 'running' | 'ended'
  startedAtMs: number | null
}

export type ReconcileAction =
  /** Give this event to `transition`. */
  | { do: 'apply'; taskId: number; event: TaskEvent }
  /** Send the start again: the runner does nothing if it has it after all. */
  | { do: 'start'; taskId: number; attempt: number }
  /** Send the kill again: the runner reports an attempt that it never saw as killed. */
  | { do: 'kill'; taskId: number; attempt: number }
  /** The runner holds what the host has never heard of: shown to people, not touched. */
  | { do: 'unknown'; taskId: number; attempt: number }

/**
 * What to do so that host and runner agree about a node. Both lists must be of the same link, and the host's
 * must be read after all that came on the link before the runner's: then what is missing is missing. Applying
 * the actions and comparing again gives nothing but the same `start`, `kill` and `unknown`.
 * @param node Its name, for the reasons.
 * @param isKnown Does the host know the task of an attempt that it does not hold here (ended, or elsewhere)?
 */
export function reconcile(
  node: string,
  host: readonly HostAttempt[],
  runner: { identity: RunnerIdentity; attempts: readonly RunnerAttempt[] },
  isKnown: (taskId: number) => boolean,
): ReconcileAction[] {
  const held = new Map(runner.attempts.map((attempt) => [keyOf(attempt), attempt]))
  const placed = new Map(host.map((task) => [task.taskId, task]))
  const actions: ReconcileAction[] = []
  for (const task of host) {
    const attempt = held.get(keyOf(task))
    actions.push(...(attempt === undefined ? missing(task, node, runner.identity) : present(task, attempt)))
  }
  for (const attempt of runner.attempts) {
    const task = placed.get(attempt.taskId)
    if (task?.attempt === attempt.attempt || attempt.phase === 'ended') continue
    // One newer than the host's is from after the backup that the host was restored from.
    const isStray = task === undefined ? isKnown(attempt.taskId) : attempt.attempt < task.attempt
    actions.push({ do: isStray ? 'kill' : 'unknown', taskId: attempt.taskId, attempt: attempt.attempt })
  }
  return actions
}

/** The runner holds the attempt. */
function present(task: HostAttempt, held: RunnerAttempt): ReconcileAction[] {
  // Its report is on the way and says more than this list does.
  if (held.phase === 'ended') return []
  const { taskId, attempt } = task
  const startedAtMs = held.phase === 'running' ? held.startedAtMs : null
  const started: ReconcileAction[] =
    startedAtMs !== null && task.startedAtMs === null
      ? [{ do: 'apply', taskId, event: { type: 'started', attempt, startedAtMs } }]
      : []
  switch (task.status) {
    case 'unreachable':
      return [{ do: 'apply', taskId, event: { type: 'node_returned', attempt, startedAtMs } }]
    case 'killing':
      return [...started, { do: 'kill', taskId, attempt }]
    case 'assigning':
    case 'running':
      return started
    default:
      return unreachable(task.status)
  }
}

/** The runner has neither the attempt nor a report of its end. */
function missing(task: HostAttempt, node: string, identity: RunnerIdentity): ReconcileAction[] {
  const { taskId, attempt, dispatchedTo } = task
  const rebooted = dispatchedTo.bootId !== identity.bootId
  const wiped = dispatchedTo.runnerId !== identity.runnerId
  if (rebooted && task.isLeased === true) {
    const reason = `${node} rebooted`
    return [{ do: 'apply', taskId, event: { type: 'node_lost', attempt, reason } }]
  }
  // After a wiped disk without a reboot its processes may live on where nobody looks for them: until its lease is over.
  if (wiped && task.isLeased === true) {
    const isTold = task.status === 'unreachable' || task.status === 'killing'
    return isTold ? [] : [{ do: 'apply', taskId, event: { type: 'node_silent' } }]
  }
  if (wiped) return [lost(task, `${node} came back with an empty state directory`, rebooted)]
  if (rebooted) return [lost(task, `${node} rebooted`, true)]
  if (task.startedAtMs !== null) return [lost(task, `${node} has neither its unit nor its record`, true)]
  switch (task.status) {
    case 'running':
      throw new Error(`task ${taskId} runs, but has no start`)
    case 'killing':
      return [{ do: 'kill', taskId, attempt }]
    case 'unreachable':
      return [
        { do: 'apply', taskId, event: { type: 'node_returned', attempt, startedAtMs: null } },
        { do: 'start', taskId, attempt },
      ]
    case 'assigning':
      return [{ do: 'start', taskId, attempt }]
    default:
      return unreachable(task.status)
  }
}

function lost(task: HostAttempt, reason: string, nothingLeft: boolean): ReconcileAction {
  const { taskId, attempt } = task
  return { do: 'apply', taskId, event: { type: 'declared_lost', attempt, reason, nothingLeft } }
}

function keyOf({ taskId, attempt }: { taskId: number; attempt: number }): string {
  return `${taskId}/${attempt}`
}
