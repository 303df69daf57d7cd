/**
 * Compares what the host believes of a node with what its runner holds, and says what is missing on either
 * side. Level-triggered: run at every (re)connect and at every heartbeat; its actions applied, it is quiet.
 */
import type { HeldStatus, RunnerIdentity, TaskEvent } from './task.ts'

/** A task that holds a part of the node, as the host has it. */
export interface HostAttempt {
  taskId: number
  attempt: number
  status: HeldStatus
  /** null: its start was never confirmed. */
  startedAtMs: number | null
  dispatchedTo: RunnerIdentity
}

/** An attempt that the runner holds. `ended`: its report is under way. */
export interface RunnerAttempt {
  taskId: number
  attempt: number
  phase: 'starting' | 'running' | 'ended'
  startedAtMs: number | null
}

export type ReconcileAction =
  | { do: 'apply'; taskId: number; event: TaskEvent }
  /** Send the start again: the runner never got it. */
  | { do: 'start'; taskId: number; attempt: number }
  /** Send a kill: it has been asked for, or the attempt is a stray of a task that has ended or moved on. */
  | { do: 'kill'; taskId: number; attempt: number }
  /** The runner holds an attempt of a task that this host never heard of: shown, not touched. */
  | { do: 'unknown'; taskId: number; attempt: number }

/**
 * What has to happen so that host and runner agree about a node.
 * @param isKnown Does the host know the task of an attempt that it does not hold here (ended, or elsewhere)?
 */
export function reconcile(
  node: string,
  host: readonly HostAttempt[],
  runner: { identity: RunnerIdentity; attempts: readonly RunnerAttempt[] },
  isKnown: (taskId: number) => boolean,
): ReconcileAction[] {
  const held = new Map(runner.attempts.map((attempt) => [key(attempt), attempt]))
  const expected = new Set(host.map(key))
  const actions: ReconcileAction[] = []
  for (const ours of host) {
    const theirs = held.get(key(ours))
    if (theirs === undefined) actions.push(...missing(node, ours, runner.identity))
    else actions.push(...present(ours, theirs))
  }
  for (const theirs of runner.attempts) {
    if (expected.has(key(theirs)) || theirs.phase === 'ended') continue
    const { taskId, attempt } = theirs
    actions.push({ do: isKnown(taskId) ? 'kill' : 'unknown', taskId, attempt })
  }
  return actions
}

function key(attempt: { taskId: number; attempt: number }): string {
  return `${attempt.taskId}-${attempt.attempt}`
}

/** Both sides hold it. */
function present(ours: HostAttempt, theirs: RunnerAttempt): ReconcileAction[] {
  const { taskId, attempt } = ours
  if (theirs.phase === 'ended') return []
  const startedAtMs = theirs.phase === 'running' ? theirs.startedAtMs : null
  const actions: ReconcileAction[] = []
  if (ours.status === 'unreachable') {
    actions.push({ do: 'apply', taskId, event: { type: 'node_returned', attempt, startedAtMs } })
  } else if (startedAtMs !== null && ours.startedAtMs === null) {
    actions.push({ do: 'apply', taskId, event: { type: 'started', attempt, startedAtMs } })
  }
  if (ours.status === 'killing') actions.push({ do: 'kill', taskId, attempt })
  return actions
}

/** Only the host has it: sent again where it cannot have run, lost where there is evidence. */
function missing(node: string, ours: HostAttempt, now: RunnerIdentity): ReconcileAction[] {
  const { taskId, attempt } = ours
  const lost = (reason: string): ReconcileAction[] => [
    { do: 'apply', taskId, event: { type: 'declared_lost', attempt, reason } },
  ]
  if (ours.dispatchedTo.runnerId !== now.runnerId) return lost(`${node} came back with an empty state directory`)
  if (ours.dispatchedTo.bootId !== now.bootId) return lost(`${node} rebooted`)
  if (ours.startedAtMs !== null) return lost(`${node} has neither its unit nor its record`)
  if (ours.status === 'killing') return [{ do: 'kill', taskId, attempt }]
  const start: ReconcileAction = { do: 'start', taskId, attempt }
  if (ours.status !== 'unreachable') return [start]
  return [{ do: 'apply', taskId, event: { type: 'node_returned', attempt, startedAtMs: null } }, start]
}
