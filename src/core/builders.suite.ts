/** Makes nodes, tasks and exits for the core's tests: every field has a plain default. */

import type { ClusterNode, ExecutorInfo, NodeStatus, NumaNode } from './node.ts'
import type { PendingTask } from './pending.ts'
import { parseTarget } from './target.ts'
import type { RunnerIdentity, Task, TaskExit, TaskSpec } from './task.ts'

export const GiB = 1024 ** 3

export const identity: RunnerIdentity = { runnerId: 'runner-1', bootId: 'boot-1' }

export function spec(overrides: Partial<TaskSpec> = {}): TaskSpec {
  return {
    command: 'true',
    arguments: [],
    env: {},
    cwd: null,
    name: null,
    cores: 1,
    memoryBytes: null,
    timeoutMs: null,
    privateNetwork: false,
    privatePids: false,
    queue: true,
    ...overrides,
  }
}

export function pendingTask(id: number, target: string, overrides: Partial<TaskSpec> = {}): PendingTask {
  return { id, target: parseTarget(target), spec: spec(overrides) }
}

interface NodeOptions {
  cores?: number
  memoryBytes?: number
  /** The NUMA nodes, or how many: then cores and memory are shared out evenly. */
  numa?: number | NumaNode[]
  features?: Partial<ExecutorInfo['features']>
  status?: NodeStatus
}

export function node(name: string, options: NodeOptions = {}): ClusterNode {
  const { cores = 8, memoryBytes = 16 * GiB, numa = 0, features = {}, status = 'online' } = options
  return {
    name,
    status,
    capacity: {
      cores,
      memoryBytes,
      numaNodes: Array.isArray(numa) ? numa : evenly(numa, cores, memoryBytes),
    },
    executor: {
      name: 'systemd',
      why: 'a test',
      enforcesLimits: true,
      features: { privateNetwork: true, privatePids: true, numa: true, lease: true, ...features },
    },
    identity,
  }
}

export function numaNode(id: number, cpus: number[], memoryGiB: number | null): NumaNode {
  return { id, cpus, memoryBytes: memoryGiB === null ? null : memoryGiB * GiB, distances: {} }
}

function evenly(count: number, cores: number, memoryBytes: number): NumaNode[] {
  const share = Math.floor(cores / Math.max(1, count))
  return Array.from({ length: count }, (_, id) => ({
    id,
    cpus: Array.from({ length: share }, (_unused, at) => id * share + at),
    memoryBytes: Math.floor(memoryBytes / count),
    distances: {},
  }))
}

export function pending(overrides: Partial<Task & { status: 'pending' }> = {}): Task {
  return {
    id: 12,
    batchId: 10,
    owner: 'admin',
    spec: spec(),
    target: { kind: 'any' },
    submittedAtMs: 1_000,
    attempt: 0,
    ...overrides,
    status: 'pending',
  }
}

export function exit(overrides: Partial<TaskExit> = {}): TaskExit {
  return {
    cause: 'exited',
    exitCode: 0,
    signal: null,
    startedAtMs: 5_000,
    endedAtMs: 9_000,
    cpuTimeMs: 100,
    peakMemoryBytes: 4096,
    reason: null,
    ...overrides,
  }
}
