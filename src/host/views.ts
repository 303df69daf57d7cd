/** What the API shows of the host's records. */
import { countStatuses, isBatchFinal, type StatusCounts, totalOf } from '../core/batch.ts'
import { type Actor, mayTouch } from '../core/roles.ts'
import { formatTarget } from '../core/target.ts'
import { isFinalTask, type Status, statuses, type Task } from '../core/task.ts'
import { explainWait } from '../core/waiting.ts'
import type { BatchView, ClusterEvent, NodeView, TaskDetail, TaskView } from '../protocol/schemas.ts'
import type { Cluster, NodeState } from './cluster.ts'
import type { EventRecord } from './store/rows.ts'
import type { Batch } from './store/store.ts'

export function instant(ms: number): string {
  return new Date(ms).toISOString()
}

function instantOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : instant(ms)
}

/** A task as the store has it; why it waits comes from the live queue. */
export function taskView(task: Task, cluster: Cluster): TaskView {
  const { spec } = task
  const end = isFinalTask(task) ? task : null
  const placement = 'placement' in task ? task.placement : null
  return {
    id: String(task.id),
    batchId: String(task.batchId),
    owner: task.owner,
    status: task.status,
    name: spec.name,
    command: spec.command,
    arguments: spec.arguments,
    cwd: spec.cwd,
    cores: spec.cores,
    memoryBytes: spec.memoryBytes,
    timeoutMs: spec.timeoutMs,
    privateNetwork: spec.privateNetwork,
    privatePids: spec.privatePids,
    requeue: spec.requeue ?? 0,
    rerunOf: task.rerunOf === undefined ? null : String(task.rerunOf),
    target: formatTarget(task.target),
    node: placement?.node ?? null,
    numaId: placement?.numaId ?? null,
    attempt: task.attempt,
    submittedAt: instant(task.submittedAtMs),
    startedAt: instantOrNull('startedAtMs' in task ? task.startedAtMs : null),
    endedAt: instantOrNull(end?.endedAtMs),
    stuck: cluster.stuckOf(task.id),
    unreachableSince: task.status === 'unreachable' ? instant(task.sinceMs) : null,
    exitCode: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    reason: reasonOf(task, cluster),
    cpuTimeMs: end?.cpuTimeMs ?? null,
    peakMemoryBytes: end?.peakMemoryBytes ?? null,
  }
}

/** What of it is for its owner alone depends on who asks. */
export function taskDetail(task: Task, cluster: Cluster, caller: Actor): TaskDetail {
  const isHis = mayTouch(caller, task.owner)
  const { env, sealed } = task.spec
  return {
    ...taskView(task, cluster),
    env: isHis ? env : null,
    secretNames: isHis ? (sealed?.names ?? []) : [],
    mayTouch: isHis,
  }
}

function reasonOf(task: Task, cluster: Cluster): string | null {
  if (isFinalTask(task)) return task.reason
  switch (task.status) {
    case 'pending': {
      const waiting = cluster.queue.get(task.id)
      const why =
        waiting === null ? 'is about to be placed' : explainWait(waiting, cluster.queue, cluster.ledger)
      return task.requeuedFor === undefined ? why : `${why} (attempt ${task.attempt}: ${task.requeuedFor})`
    }
    case 'assigning':
      return `was sent to ${task.placement.node}, which has not confirmed its start yet`
    case 'unreachable': {
      const node = cluster.nodes.get(task.placement.node)?.record
      return `node ${task.placement.node} was last heard at ${instant(node?.lastSeenMs ?? task.sinceMs)}; the task may still be running`
    }
    case 'killing':
      return task.killReason
    case 'running':
      return null
  }
}

/** Counts in the order of a life. */
export function countsView(byStatus: ReadonlyMap<Status, number>): StatusCounts {
  const counts: StatusCounts = {}
  for (const status of statuses) {
    const count = byStatus.get(status)
    if (count !== undefined) counts[status] = count
  }
  return counts
}

export function batchView(batch: Batch, byStatus: ReadonlyMap<Status, number>): BatchView {
  const counts = countsView(byStatus)
  return {
    id: String(batch.id),
    owner: batch.owner,
    name: batch.name,
    submittedAt: instant(batch.submittedAtMs),
    total: totalOf(counts),
    counts,
    isFinal: isBatchFinal(counts),
  }
}

export function nodeView({ record, load, strangers }: NodeState, cluster: Cluster): NodeView {
  const account = cluster.ledger.freeOf(record.name)
  const attempts = cluster.attemptsOn(record.name)
  const { coresFree = 0, memoryFreeBytes = 0 } = account ?? {}
  return {
    name: record.name,
    status: record.status,
    problem: cluster.problemOf(record.name),
    isDrained: record.drained !== null,
    lastSeenAt: instant(record.lastSeenMs),
    cores: record.capacity.cores,
    coresAllocated: account?.coresHeld ?? 0,
    coresFree,
    memoryBytes: record.capacity.memoryBytes,
    memoryAllocatedBytes: account?.memoryHeldBytes ?? 0,
    memoryFreeBytes,
    cpuPercent: load?.cpuPercent ?? null,
    memoryUsedBytes: load?.memoryUsedBytes ?? null,
    numaNodes: record.capacity.numaNodes.map((numaNode) => {
      const held = account?.numaNodes.find(({ id }) => id === numaNode.id)
      const used = load?.numaNodes.find(({ id }) => id === numaNode.id)
      return {
        ...numaNode,
        coresAllocated: held?.coresHeld ?? 0,
        memoryAllocatedBytes: held?.memoryHeldBytes ?? 0,
        // tasks that may use the whole node take of both
        coresFree: Math.min(coresFree, held?.coresFree ?? 0),
        memoryFreeBytes:
          held === undefined || held.memoryFreeBytes === null
            ? null
            : Math.min(memoryFreeBytes, held.memoryFreeBytes),
        cpuPercent: used?.cpuPercent ?? null,
        memoryUsedBytes: used?.memoryUsedBytes ?? null,
      }
    }),
    executor: record.executor,
    runnerVersion: record.runnerVersion,
    tasksRunning: countStatuses(attempts).running ?? 0,
    tasksHeld: attempts.length,
    unknownTasks: strangers.map(({ taskId, attempt }) => ({ taskId: String(taskId), attempt })),
  }
}

export function eventView(event: EventRecord): ClusterEvent {
  const base = { id: event.id, at: instant(event.atMs), type: event.type, reason: event.reason }
  if (event.kind === 'node') {
    return {
      ...base,
      kind: 'node',
      taskId: null,
      batchId: null,
      node: event.node,
      status: null,
      attempt: null,
      exitCode: null,
    }
  }
  return {
    ...base,
    kind: 'task',
    taskId: String(event.taskId),
    batchId: String(event.batchId),
    node: event.node,
    status: event.status,
    attempt: event.attempt,
    exitCode: event.exitCode,
  }
}
