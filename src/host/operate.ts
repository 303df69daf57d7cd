/** What operators do about nodes and tasks that something is wrong with. Each answers when it is on disk. */
import { AppError } from '../core/errors.ts'
import { isFinal, type Task } from '../core/task.ts'
import type { Cluster, NodeState } from './cluster.ts'
import type { Links } from './links.ts'

/** Nothing new is placed on the node any more; what runs there goes on. @throws AppError `not_found` */
export async function drainNode(cluster: Cluster, name: string, reason: string): Promise<NodeState> {
  wantedNode(cluster, name)
  cluster.setDrained(name, reason)
  await cluster.settled()
  return wantedNode(cluster, name)
}

/** Takes a drain back. @throws AppError `not_found` */
export async function resumeNode(cluster: Cluster, name: string): Promise<NodeState> {
  wantedNode(cluster, name)
  cluster.setDrained(name, null)
  await cluster.settled()
  return wantedNode(cluster, name)
}

/**
 * Forgets a node that does not come back. With `isForced` its tasks are `lost` by the operator's word.
 * @throws AppError `not_found`, `conflict` where it is online, or holds tasks and is not forced
 */
export async function removeNode(
  cluster: Cluster,
  name: string,
  { isForced, by }: { isForced: boolean; by: string },
): Promise<{ removed: string; lost: string[] }> {
  const { record } = wantedNode(cluster, name)
  if (record.status === 'online')
    throw new AppError('conflict', `cannot remove ${name}: it is online; stop its runner first`, {
      details: { fix: `hakuriver node drain ${name}, wait for its tasks, and stop the runner there.` },
    })
  const held = cluster.attemptsOn(name)
  if (held.length > 0 && !isForced)
    throw new AppError(
      'conflict',
      `cannot remove ${name}: ${held.length} ${held.length === 1 ? 'task' : 'tasks'} may still run there`,
      { details: { fix: 'If it is gone for good, --force calls them lost.' } },
    )
  const reason = `${by} removed its node ${name}`
  for (const { taskId, attempt } of held) cluster.apply(taskId, { type: 'declared_lost', attempt, reason })
  cluster.removeNode(name, `removed by ${by}`)
  await cluster.settled()
  return { removed: name, lost: held.map(({ taskId }) => String(taskId)) }
}

/**
 * Ends what runs on a node and this host does not know, as after the restore of an old backup. Tells the ids.
 * @throws AppError `not_found`, `unavailable` where it is not linked
 */
export async function endUnknownTasks(
  cluster: Cluster,
  links: Pick<Links, 'endUnknown'>,
  name: string,
  by: string,
): Promise<string[]> {
  wantedNode(cluster, name)
  const ended = links.endUnknown(name, by)
  await cluster.settled()
  return ended.map(String)
}

/**
 * The operator's word that nobody will ever know how this task ended. Should its node come back with it, it is ended
 * there.
 * @throws AppError `conflict` where its node can still tell
 */
export async function forgetTask(
  cluster: Cluster,
  task: Task,
  { by, reason }: { by: string; reason: string | undefined },
): Promise<void> {
  const refuse = (why: string) => {
    throw new AppError('conflict', `cannot forget task ${task.id}: ${why}`)
  }
  if (isFinal(task.status)) refuse(`it has ended (${task.status})`)
  const live = cluster.task(task.id)
  const node = live !== null && 'placement' in live ? live.placement?.node : undefined
  if (live === null || node === undefined) return refuse('it is not on any node: kill it instead')
  if (cluster.nodes.get(node)?.record.status === 'online')
    refuse(`its node ${node} is online: kill it instead`)
  const words = `${by} gave it up: ${reason ?? `its node ${node} was silent`}`
  cluster.apply(task.id, { type: 'declared_lost', attempt: live.attempt, reason: words })
  await cluster.settled()
}

function wantedNode(cluster: Cluster, name: string): NodeState {
  const node = cluster.nodes.get(name)
  if (node === undefined) throw new AppError('not_found', `there is no node ${name}`)
  return node
}
