/** What can be chosen as a target, and what is free there, for the picker. */
import type { NodeView } from '../../../../src/protocol/schemas.ts'

export interface TargetRow {
  target: string
  label: string
  isNuma: boolean
  /** Why nothing starts there at the moment; null: nothing is wrong. */
  problem: string | null
  cores: number
  coresFree: number
  memoryBytes: number | null
  memoryFreeBytes: number | null
}

/** Each node, and beneath it its NUMA nodes where it has several. */
export function targetRows(nodes: readonly NodeView[], filter: string): TargetRow[] {
  const wanted = filter.trim().toLowerCase()
  return nodes.flatMap((node) => {
    if (wanted !== '' && !node.name.toLowerCase().includes(wanted)) return []
    const problem = node.status === 'unreachable' ? 'unreachable' : node.problem
    const whole: TargetRow = {
      target: node.name,
      label: node.name,
      isNuma: false,
      problem,
      cores: node.cores,
      coresFree: node.coresFree,
      memoryBytes: node.memoryBytes,
      memoryFreeBytes: node.memoryFreeBytes,
    }
    // one that is only memory takes no tasks
    const numaNodes = node.numaNodes.filter(({ cpus }) => cpus.length > 0)
    if (numaNodes.length < 2) return [whole]
    const parts = numaNodes.map((numa) => ({
      target: `${node.name}:${numa.id}`,
      label: `NUMA node ${numa.id}`,
      isNuma: true,
      problem,
      cores: numa.cpus.length,
      coresFree: numa.coresFree,
      memoryBytes: numa.memoryBytes,
      memoryFreeBytes: numa.memoryFreeBytes,
    }))
    return [whole, ...parts]
  })
}

/** With or without a target, in the order in which they were chosen; none is any node. */
export function toggleTarget(targets: readonly string[], target: string): string[] {
  return targets.includes(target) ? targets.filter((chosen) => chosen !== target) : [...targets, target]
}
