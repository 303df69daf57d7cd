/** What every node and NUMA node has free: what it has, less what tasks between placement and end hold. */
import type { ClusterNode, NodeStatus } from './node.ts'
import type { Placement } from './target.ts'

/** What a task takes of a node. */
export interface Need {
  cores: number
  /** null: not limited, not counted. */
  memoryBytes: number | null
}

export interface Free {
  cores: number
  memoryBytes: number
}

/** One task's part of a node. */
export interface Hold extends Need {
  taskId: number
  numaId: number | null
}

interface Entry {
  node: ClusterNode
  holds: Map<number, Hold>
  used: Free
  /** By NUMA id: what NUMA-bound tasks hold there. */
  usedByNuma: Map<number, Free>
}

/**
 * The books of the cluster, in memory. A task bound to a NUMA node holds a part of that and of its node; one
 * that may use the whole node holds a part of the node only. Sums never exceed capacity unless the capacity
 * itself shrank under running tasks: then nothing is free until enough of them have ended.
 */
export class Ledger {
  private readonly entries = new Map<string, Entry>()
  private readonly whereTaskIs = new Map<number, string>()
  /** Names of online nodes by free cores: what finds a fitting node without asking all. */
  private readonly byFreeCores = new Map<number, Set<string>>()

  /** Takes a node in, or its new capacity, executor or status. */
  setNode(node: ClusterNode): void {
    const entry = this.entries.get(node.name)
    if (entry === undefined) {
      this.entries.set(node.name, { node, holds: new Map(), used: nothing(), usedByNuma: new Map() })
    } else {
      this.unindex(entry)
      entry.node = node
    }
    this.index(this.entryOf(node.name))
  }

  /** @throws Error when the node is not known */
  setStatus(name: string, status: NodeStatus): void {
    const entry = this.entryOf(name)
    this.setNode({ ...entry.node, status })
  }

  node(name: string): ClusterNode | undefined {
    return this.entries.get(name)?.node
  }

  nodes(): ClusterNode[] {
    return [...this.entries.values()].map((entry) => entry.node)
  }

  /** Books a task's part. Idempotent by task id. @throws Error when the node is not known */
  hold(taskId: number, placement: Placement, need: Need): void {
    if (this.whereTaskIs.has(taskId)) return
    const entry = this.entryOf(placement.node)
    const hold: Hold = { taskId, numaId: placement.numaId, cores: need.cores, memoryBytes: need.memoryBytes }
    this.unindex(entry)
    entry.holds.set(taskId, hold)
    this.whereTaskIs.set(taskId, placement.node)
    book(entry, hold, 1)
    this.index(entry)
  }

  /** Gives a task's part back. @returns the node it was on, null where it held nothing */
  release(taskId: number): string | null {
    const name = this.whereTaskIs.get(taskId)
    if (name === undefined) return null
    const entry = this.entryOf(name)
    const hold = entry.holds.get(taskId)
    this.unindex(entry)
    entry.holds.delete(taskId)
    this.whereTaskIs.delete(taskId)
    if (hold !== undefined) book(entry, hold, -1)
    this.index(entry)
    return name
  }

  /** What is free on a node, or on one of its NUMA nodes; never negative. */
  free(name: string, numaId: number | null = null): Free {
    const entry = this.entryOf(name)
    const { capacity } = entry.node
    const onNode = lessUsed(capacity.cores, capacity.memoryBytes, entry.used)
    if (numaId === null) return onNode
    const numaNode = capacity.numaNodes.find((candidate) => candidate.id === numaId)
    const used = entry.usedByNuma.get(numaId) ?? nothing()
    const onNuma = lessUsed(numaNode?.cpus.length ?? 0, numaNode?.memoryBytes ?? capacity.memoryBytes, used)
    return {
      cores: Math.min(onNode.cores, onNuma.cores),
      memoryBytes: Math.min(onNode.memoryBytes, onNuma.memoryBytes),
    }
  }

  /** What is allocated on a node, or to the tasks bound to one of its NUMA nodes. */
  allocated(name: string, numaId: number | null = null): Free {
    const entry = this.entryOf(name)
    return { ...(numaId === null ? entry.used : (entry.usedByNuma.get(numaId) ?? nothing())) }
  }

  /** Who holds parts of a node, by task id. */
  holdsOf(name: string): Hold[] {
    return [...this.entryOf(name).holds.values()].sort((a, b) => a.taskId - b.taskId)
  }

  /** Number of tasks that hold a part of a node. */
  countHolds(name: string): number {
    return this.entryOf(name).holds.size
  }

  /** Names of online nodes with at least so many free cores, the fullest first (best fit), then by name. */
  *onlineWithFreeCores(cores: number): Generator<string> {
    const levels = [...this.byFreeCores.keys()].filter((level) => level >= cores).sort((a, b) => a - b)
    for (const level of levels) {
      // taken as it stands: the caller may book while it walks
      yield* [...(this.byFreeCores.get(level) ?? [])].sort()
    }
  }

  private entryOf(name: string): Entry {
    const entry = this.entries.get(name)
    if (entry === undefined) throw new Error(`no such node in the ledger: ${name}`)
    return entry
  }

  private index(entry: Entry): void {
    if (entry.node.status !== 'online') return
    const level = Math.max(0, entry.node.capacity.cores - entry.used.cores)
    const names = this.byFreeCores.get(level)
    if (names === undefined) this.byFreeCores.set(level, new Set([entry.node.name]))
    else names.add(entry.node.name)
  }

  private unindex(entry: Entry): void {
    const level = Math.max(0, entry.node.capacity.cores - entry.used.cores)
    const names = this.byFreeCores.get(level)
    names?.delete(entry.node.name)
    if (names?.size === 0) this.byFreeCores.delete(level)
  }
}

function nothing(): Free {
  return { cores: 0, memoryBytes: 0 }
}

function lessUsed(cores: number, memoryBytes: number, used: Free): Free {
  return { cores: Math.max(0, cores - used.cores), memoryBytes: Math.max(0, memoryBytes - used.memoryBytes) }
}

function book(entry: Entry, hold: Hold, sign: 1 | -1): void {
  add(entry.used, hold, sign)
  if (hold.numaId === null) return
  const used = entry.usedByNuma.get(hold.numaId) ?? nothing()
  add(used, hold, sign)
  entry.usedByNuma.set(hold.numaId, used)
}

function add(sum: Free, need: Need, sign: 1 | -1): void {
  sum.cores += sign * need.cores
  sum.memoryBytes += sign * (need.memoryBytes ?? 0)
}
