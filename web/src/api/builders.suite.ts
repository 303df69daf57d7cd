/** Answers of the host for tests: of each only what matters is given. */
import type { NodeView, TaskView } from '../../../src/protocol/schemas.ts'

const at = '2026-11-28T12:00:00.000Z'
const GiB = 1024 ** 3

/** A node that is online, but for what is given. */
export function nodeOf(given: Partial<NodeView> & { name: string }): NodeView {
  return {
    status: 'online',
    problem: null,
    isDrained: false,
    lastSeenAt: at,
    cores: 8,
    coresAllocated: 1,
    coresFree: 7,
    memoryBytes: 16 * GiB,
    memoryAllocatedBytes: 0,
    memoryFreeBytes: 16 * GiB,
    cpuPercent: 12.5,
    memoryUsedBytes: GiB,
    numaNodes: [],
    executor: {
      name: 'systemd',
      why: 'the runner is root',
      enforcesLimits: true,
      features: { privateNetwork: true, privatePids: true, numa: false },
    },
    runnerVersion: '0.1.0',
    tasksRunning: 1,
    tasksHeld: 1,
    unknownTasks: [],
    ...given,
  }
}

/** One of its NUMA nodes, with `cores` CPUs from `id` × `cores` on. */
export function numaNodeOf(
  id: number,
  cores: number,
  given: Partial<NodeView['numaNodes'][number]> = {},
): NodeView['numaNodes'][number] {
  return {
    id,
    cpus: Array.from({ length: cores }, (_, at) => id * cores + at),
    memoryBytes: 8 * GiB,
    distances: {},
    coresAllocated: 0,
    memoryAllocatedBytes: 0,
    coresFree: cores,
    memoryFreeBytes: 8 * GiB,
    cpuPercent: null,
    memoryUsedBytes: null,
    ...given,
  }
}

/** A task that runs on n1, but for what is given. */
export function taskOf(given: Partial<TaskView> & { id: string }): TaskView {
  return {
    batchId: '1',
    owner: 'admin',
    status: 'running',
    name: null,
    command: 'sleep',
    arguments: ['60'],
    cwd: null,
    cores: 1,
    memoryBytes: null,
    timeoutMs: null,
    privateNetwork: false,
    privatePids: false,
    requeue: 0,
    rerunOf: null,
    target: 'any',
    node: 'n1',
    numaId: null,
    attempt: 1,
    submittedAt: at,
    startedAt: at,
    endedAt: null,
    unreachableSince: null,
    stuck: null,
    exitCode: null,
    signal: null,
    reason: null,
    cpuTimeMs: null,
    peakMemoryBytes: null,
    ...given,
  }
}
