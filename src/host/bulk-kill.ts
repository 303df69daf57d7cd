/** The end of many tasks. Some at a time: each commit is short, and what else has come in goes between them. */
import { isFinal, type Status } from '../core/task.ts'
import type { KillOutcome } from '../protocol/schemas.ts'
import type { Cluster } from './cluster.ts'
import type { Store } from './store/store.ts'

/** Tasks of one commit. */
const tasksPerTurn = 300

/**
 * Asks for the end of each, and tells in the order of the ids what became of it, when that is on disk.
 * @throws AppError `timeout` where the disk takes nothing; to ask again does no harm
 */
export async function killTasks(
  ids: readonly number[],
  reason: string,
  { cluster, store }: { cluster: Cluster; store: Store },
): Promise<KillOutcome[]> {
  const outcomes = new Map<number, KillOutcome>()
  const order = waitingFirst(ids, cluster)
  for (let at = 0; at < order.length; at += tasksPerTurn) {
    const some = order.slice(at, at + tasksPerTurn)
    const open = new Set(some.filter((id) => cluster.task(id) !== null))
    for (const id of open) cluster.apply(id, { type: 'kill_requested', reason })
    await cluster.settled() // also an end is told only when it is on disk
    const statuses = await store.statusesOf(some)
    for (const id of some) outcomes.set(id, outcomeOf(id, open.has(id), statuses.get(id) ?? null))
  }
  return ids.flatMap((id) => outcomes.get(id) ?? [])
}

/** What waits comes before what runs, or it would be started in the place of that. */
function waitingFirst(ids: readonly number[], cluster: Cluster): number[] {
  const waits = new Set(ids.filter((id) => cluster.task(id)?.status === 'pending'))
  return [...waits, ...ids.filter((id) => !waits.has(id))]
}

function outcomeOf(id: number, isAsked: boolean, status: Status | null): KillOutcome {
  const outcome = { id: String(id), isAsked, status, message: null }
  if (isAsked) return outcome
  if (status === null) return { ...outcome, message: `there is no task ${id}` }
  const why = isFinal(status) ? `it has ended (${status})` : `it is ${status}`
  return { ...outcome, message: `cannot kill task ${id}: ${why}` }
}
