/** The end of many tasks. Some at a time: each commit is short, and what else has come in goes between them. */
import { type Actor, mayTouch } from '../core/roles.ts'
import { isFinal, type Status } from '../core/task.ts'
import type { KillOutcome } from '../protocol/schemas.ts'
import { othersWords } from './caller.ts'
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
  { reason, caller }: { reason: string; caller: Actor },
  { cluster, store }: { cluster: Cluster; store: Store },
): Promise<KillOutcome[]> {
  const outcomes = new Map<number, KillOutcome>()
  const order = waitingFirst(ids, cluster)
  for (let at = 0; at < order.length; at += tasksPerTurn) {
    const some = order.slice(at, at + tasksPerTurn)
    const { open, foreign } = sort(some, caller, cluster)
    for (const id of open) cluster.apply(id, { type: 'kill_requested', reason })
    await cluster.settled() // also an end is told only when it is on disk
    const statuses = await store.statusesOf(some)
    for (const id of some) {
      const outcome = outcomeOf(id, open.has(id), statuses.get(id) ?? null)
      const message = foreign.get(id)
      outcomes.set(id, message === undefined ? outcome : { ...outcome, message })
    }
  }
  return ids.flatMap((id) => outcomes.get(id) ?? [])
}

/** Those that can be ended, and those that this caller may not end, with the reason. */
function sort(ids: readonly number[], caller: Actor, cluster: Cluster) {
  const open = new Set<number>()
  const foreign = new Map<number, string>()
  for (const id of ids) {
    const task = cluster.task(id)
    if (task === null) continue
    if (mayTouch(caller, task.owner)) open.add(id)
    else foreign.set(id, othersWords(caller, task.owner, `kill task ${id}`))
  }
  return { open, foreign }
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
