/** The nodes of a cluster in a few numbers. */
import type { NodeLoad, NodeStatus } from './node.ts'

/** What the numbers are made of, of one node. Percent are of all its cores. */
export interface OverviewNode {
  status: NodeStatus
  /** Online, but takes nothing new. */
  isClosed: boolean
  cores: number
  memoryBytes: number
  /** null: not heard of yet. */
  load: Pick<NodeLoad, 'cpuPercent' | 'memoryUsedBytes'> | null
}

export interface NodesOverview {
  nodes: { total: number; online: number; unreachable: number; closed: number }
  /** Of nodes that are online. */
  cores: number
  memoryBytes: number
  /** Of those of them that have told; null: none has. */
  memoryUsedBytes: number | null
  /** The mean, weighted by cores, of those that have told; null: none has. */
  cpuPercent: number | null
}

/** Sums nodes up. */
export function overviewOf(all: Iterable<OverviewNode>): NodesOverview {
  const nodes = { total: 0, online: 0, unreachable: 0, closed: 0 }
  const sum = { cores: 0, memoryBytes: 0, busyCores: 0, toldCores: 0 }
  let memoryUsedBytes: number | null = null
  for (const { status, isClosed, cores, memoryBytes, load } of all) {
    nodes.total += 1
    nodes[status] += 1
    if (status !== 'online') continue
    if (isClosed) nodes.closed += 1
    sum.cores += cores
    sum.memoryBytes += memoryBytes
    const { cpuPercent: percent = null, memoryUsedBytes: used = null } = load ?? {}
    if (used !== null) memoryUsedBytes = (memoryUsedBytes ?? 0) + used
    if (percent === null) continue
    sum.busyCores += (percent / 100) * cores
    sum.toldCores += cores
  }
  const { cores, memoryBytes, busyCores, toldCores } = sum
  const cpuPercent = toldCores === 0 ? null : (busyCores * 100) / toldCores
  return { nodes, cores, memoryBytes, memoryUsedBytes, cpuPercent }
}
