/** A node as the core sees it: what it has, and whether it can be heard. */
import type { RunnerIdentity } from './task.ts'

/** A memory domain inside a node. */
export interface NumaNode {
  id: number
  /** Logical CPUs, ascending. Empty for a memory-only domain. */
  cpus: number[]
  /** null where the machine does not tell. */
  memoryBytes: number | null
  /** Distance to each NUMA node of the machine by id, as the firmware tells it (10 = itself). */
  distances: Record<string, number>
}

/** What a node has to give. */
export interface Capacity {
  /** Online logical CPUs. */
  cores: number
  memoryBytes: number
  /** Ascending by id; empty where the machine has (or tells) no NUMA topology. */
  numaNodes: NumaNode[]
}

/**
 * `online`: linked and heartbeats arrive. `unreachable`: silent for longer than the deadline; its tasks
 * may well be running. Nothing is placed on a node that is not online.
 */
export const nodeStatuses = ['online', 'unreachable'] as const
export type NodeStatus = (typeof nodeStatuses)[number]

/** Which way of running tasks a runner chose, and why. */
export interface ExecutorInfo {
  name: 'systemd' | 'systemd-user' | 'process' | 'fake'
  /** One sentence: why this one. */
  why: string
  /** Are CPU quota and memory limit really enforced? */
  enforcesLimits: boolean
  /** Sandbox features that work here. A submit that asks for another is refused. */
  features: {
    privateNetwork: boolean
    privatePids: boolean
    numa: boolean
    /** Ends what is leased by itself, also where the runner is dead: `--requeue` needs it. */
    lease?: boolean
    /** Its runner keeps secrets of tasks to itself: the host knows from how it answered the welcome. */
    secrets?: boolean
  }
}

export interface ClusterNode {
  name: string
  /** `closed`: it is online, but for the reason in `problem` nothing new is placed on it. */
  status: NodeStatus | 'closed'
  problem?: string
  capacity: Capacity
  executor: ExecutorInfo
  identity: RunnerIdentity
}

/** What a heartbeat tells of the machine. Percentages are of the whole node, 0–100. */
export interface NodeLoad {
  cpuPercent: number | null
  memoryUsedBytes: number | null
  numaNodes: { id: number; cpuPercent: number | null; memoryUsedBytes: number | null }[]
}
