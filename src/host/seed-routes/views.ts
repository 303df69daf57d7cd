/** Nodes and tasks in the original's words. Times are ISO 8601 with their zone; ids are texts. */
import { constants } from 'node:os'
import { numaIdOf, parseTarget } from '../../core/target.ts'
import { unitNameOf } from '../../core/unit-name.ts'
import { logPath } from '../../platform/log-paths.ts'
import type { NodeView, TaskDetail } from '../../protocol/schemas.ts'

export interface SeedNumaTopology {
  [id: string]: { cores: number[]; memory_bytes: number | null }
}

/** One element of `GET /nodes`. A runner listens on nothing: its `url` is empty. */
export function seedNode(node: NodeView) {
  const isOnline = node.status === 'online'
  return {
    hostname: node.name,
    url: '',
    total_cores: node.cores,
    cores_in_use: isOnline ? node.coresAllocated : 'N/A',
    available_cores: isOnline ? node.cores - node.coresAllocated : 0,
    status: isOnline ? 'online' : 'offline',
    last_heartbeat: node.lastSeenAt,
    numa_topology: seedTopology(node),
  }
}

/** One element of `GET /health`. */
export function seedHealth(node: NodeView) {
  const used = node.memoryUsedBytes
  return {
    hostname: node.name,
    status: node.status === 'online' ? 'online' : 'offline',
    last_heartbeat: node.lastSeenAt,
    cpu_percent: node.cpuPercent,
    memory_percent: used === null ? null : Math.round((used / node.memoryBytes) * 1000) / 10,
    memory_used_bytes: used,
    memory_total_bytes: used === null ? null : node.memoryBytes,
    total_cores: node.cores,
    url: '',
    numa_topology: seedTopology(node),
  }
}

function seedTopology({ numaNodes }: NodeView): SeedNumaTopology | null {
  if (numaNodes.length === 0) return null
  return Object.fromEntries(
    numaNodes.map(({ id, cpus, memoryBytes }) => [id, { cores: cpus, memory_bytes: memoryBytes }]),
  )
}

/**
 * `GET /status/{id}`, and one element of `GET /tasks`. Where the host has no shared directory, the paths of the logs
 * are those below the directory of the node's runner.
 * @param unitsOf The runner of its node, where that runs tasks as systemd units
 */
export function seedTask(task: TaskDetail, sharedDir: string | null, unitsOf: string | null) {
  const id = Number(task.id)
  return {
    task_id: task.id,
    batch_id: task.batchId,
    command: task.command,
    arguments: task.arguments,
    // hidden from who may not see it: clients of the original count on an object
    env_vars: task.env ?? {},
    required_cores: task.cores,
    required_memory_bytes: task.memoryBytes,
    status: task.status,
    assigned_node: task.node,
    target_numa_node_id: task.numaId ?? numaIdOf(parseTarget(task.target)),
    stdout_path: logPath(sharedDir ?? '', 'stdout', id),
    stderr_path: logPath(sharedDir ?? '', 'stderr', id),
    exit_code: task.exitCode ?? signalCode(task.signal),
    error_message: task.reason,
    submitted_at: task.submittedAt,
    started_at: task.startedAt,
    completed_at: task.endedAt,
    use_private_network: task.privateNetwork,
    use_private_pid: task.privatePids,
    systemd_unit_name: unitsOf !== null && task.attempt > 0 ? unitNameOf(id, task.attempt, unitsOf) : null,
    assignment_suspicion_count: 0,
  }
}

/** An end by a signal as Python's `subprocess` tells it: the signal's number below zero. */
function signalCode(name: string | null): number | null {
  // the table has no name that Node does not know
  const numbers: Partial<Record<string, number>> = constants.signals
  const number = name === null ? undefined : numbers[name]
  return number === undefined ? null : -number
}
