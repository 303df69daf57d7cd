/** Rows to what the host speaks of, and back. */
import type { Capacity, ExecutorInfo, NodeStatus } from '../../core/node.ts'
import { formatTarget, parseTarget } from '../../core/target.ts'
import { isFinal, type Status, statuses, type Task, type TaskSpec } from '../../core/task.ts'
import type { NodesTable, TaskEventsTable, TasksTable } from './tables.ts'

/** A change of a task, as it is kept and streamed. */
export interface TaskEventRecord {
  kind: 'task'
  id: number
  atMs: number
  taskId: number
  batchId: number
  attempt: number
  type: string
  status: Status
  node: string | null
  exitCode: number | null
  reason: string | null
}

/** A change of a node. */
export interface NodeEventRecord {
  kind: 'node'
  id: number
  atMs: number
  node: string
  type: string
  reason: string | null
}

export type EventRecord = TaskEventRecord | NodeEventRecord

/** A node as it is kept over restarts of the host. */
export interface NodeRecord {
  name: string
  runnerId: string
  bootId: string
  capacity: Capacity
  executor: ExecutorInfo
  runnerVersion: string
  status: NodeStatus
  lastSeenMs: number
  /** Why an operator has closed it to new tasks; null: nobody has. */
  drained: string | null
}

/** One JSON text for all tasks that share a spec object. */
const specTexts = new WeakMap<TaskSpec, string>()

function specText(spec: TaskSpec): string {
  let text = specTexts.get(spec)
  if (text === undefined) {
    text = JSON.stringify(spec)
    specTexts.set(spec, text)
  }
  return text
}

export function rowOfTask(task: Task): TasksTable {
  const row: TasksTable = {
    id: task.id,
    batch_id: task.batchId,
    owner: task.owner,
    status: task.status,
    spec: specText(task.spec),
    target: formatTarget(task.target),
    node: null,
    numa_id: null,
    attempt: task.attempt,
    runner_id: null,
    boot_id: null,
    submitted_at_ms: task.submittedAtMs,
    placed_at_ms: null,
    started_at_ms: null,
    since_ms: null,
    kill_requested_at_ms: null,
    ended_at_ms: null,
    exit_code: null,
    signal: null,
    reason: null,
    cpu_time_ms: null,
    peak_memory_bytes: null,
    rerun_of: task.rerunOf ?? null,
  }
  if ('placement' in task && task.placement !== null) {
    row.node = task.placement.node
    row.numa_id = task.placement.numaId
    row.runner_id = task.dispatchedTo.runnerId
    row.boot_id = task.dispatchedTo.bootId
    row.placed_at_ms = task.placedAtMs
  }
  if ('startedAtMs' in task) row.started_at_ms = task.startedAtMs
  if (task.status === 'pending') row.reason = task.requeuedFor ?? null
  if (task.status === 'unreachable') row.since_ms = task.sinceMs
  if (task.status === 'killing') {
    row.kill_requested_at_ms = task.killRequestedAtMs
    row.reason = task.killReason
  }
  if ('endedAtMs' in task) {
    row.ended_at_ms = task.endedAtMs
    row.exit_code = task.exitCode
    row.signal = task.signal
    row.reason = task.reason
    row.cpu_time_ms = task.cpuTimeMs
    row.peak_memory_bytes = task.peakMemoryBytes
  }
  return row
}

/** @throws Error for a row that no version of ours has written */
export function taskOfRow(row: TasksTable): Task {
  const status = statusOf(row)
  const base = {
    id: row.id,
    batchId: row.batch_id,
    owner: row.owner,
    spec: JSON.parse(row.spec) as TaskSpec, // written by rowOfTask
    target: parseTarget(row.target),
    submittedAtMs: row.submitted_at_ms,
    attempt: row.attempt,
    ...(row.rerun_of !== null && { rerunOf: row.rerun_of }),
  }
  if (status === 'pending')
    return { ...base, status, ...(row.reason !== null && { requeuedFor: row.reason }) }
  if (isFinal(status)) {
    const end = {
      startedAtMs: row.started_at_ms,
      endedAtMs: wanted(row, 'ended_at_ms'),
      exitCode: row.exit_code,
      signal: row.signal,
      reason: row.reason,
      cpuTimeMs: row.cpu_time_ms,
      peakMemoryBytes: row.peak_memory_bytes,
    }
    return row.node === null
      ? { ...base, ...end, status, placement: null }
      : { ...base, ...end, status, ...placedOf(row) }
  }
  const placed = placedOf(row)
  switch (status) {
    case 'assigning':
      return { ...base, status, ...placed }
    case 'running':
      return { ...base, status, ...placed, startedAtMs: wanted(row, 'started_at_ms') }
    case 'unreachable':
      return { ...base, status, ...placed, startedAtMs: row.started_at_ms, sinceMs: wanted(row, 'since_ms') }
    case 'killing':
      return {
        ...base,
        status,
        ...placed,
        startedAtMs: row.started_at_ms,
        killRequestedAtMs: wanted(row, 'kill_requested_at_ms'),
        killReason: row.reason ?? '',
      }
  }
}

function placedOf(row: TasksTable) {
  return {
    placement: { node: wanted(row, 'node'), numaId: row.numa_id },
    dispatchedTo: { runnerId: wanted(row, 'runner_id'), bootId: wanted(row, 'boot_id') },
    placedAtMs: wanted(row, 'placed_at_ms'),
  }
}

function statusOf(row: TasksTable): Status {
  const status = statuses.find((candidate) => candidate === row.status)
  if (status === undefined)
    throw new Error(`task ${row.id} has the unknown status "${row.status}" in the database`)
  return status
}

function wanted<K extends keyof TasksTable>(row: TasksTable, column: K): NonNullable<TasksTable[K]> {
  const value = row[column]
  if (value === null) throw new Error(`task ${row.id} is ${row.status} but has no ${column} in the database`)
  return value as NonNullable<TasksTable[K]>
}

export function eventOfRow(row: TaskEventsTable): TaskEventRecord {
  return {
    kind: 'task',
    id: row.id,
    atMs: row.at_ms,
    taskId: row.task_id,
    batchId: row.batch_id,
    attempt: row.attempt,
    type: row.type,
    status: row.status as Status, // written by us, from a Task
    node: row.node,
    exitCode: row.exit_code,
    reason: row.reason,
  }
}

export function rowOfEvent(event: TaskEventRecord): TaskEventsTable {
  return {
    id: event.id,
    at_ms: event.atMs,
    task_id: event.taskId,
    batch_id: event.batchId,
    attempt: event.attempt,
    type: event.type,
    status: event.status,
    node: event.node,
    exit_code: event.exitCode,
    reason: event.reason,
  }
}

export function rowOfNode(node: NodeRecord): NodesTable {
  return {
    name: node.name,
    runner_id: node.runnerId,
    boot_id: node.bootId,
    capacity: JSON.stringify(node.capacity),
    executor: JSON.stringify(node.executor),
    runner_version: node.runnerVersion,
    status: node.status,
    last_seen_ms: node.lastSeenMs,
    drained: node.drained,
  }
}

export function nodeOfRow(row: NodesTable): NodeRecord {
  return {
    name: row.name,
    runnerId: row.runner_id,
    bootId: row.boot_id,
    capacity: JSON.parse(row.capacity) as Capacity, // written by rowOfNode
    executor: JSON.parse(row.executor) as ExecutorInfo,
    runnerVersion: row.runner_version,
    status: row.status === 'online' ? 'online' : 'unreachable',
    lastSeenMs: row.last_seen_ms,
    drained: row.drained,
  }
}
