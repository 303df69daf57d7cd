/** Reads what Linux tells of NUMA nodes: `numactl --hardware`, and the files of /sys/devices/system/node. */
import type { NumaNode } from './node.ts'

/** Reads a CPU or node list as the kernel writes it ("0-3,8,10-11"); an empty text is an empty list. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = []
  for (const part of text.trim().split(',')) {
    if (part === '') continue
    const [first, last] = part.split('-')
    const from = Number(first)
    const to = last === undefined ? from : Number(last)
    for (let cpu = from; cpu <= to; cpu += 1) cpus.push(cpu)
  }
  return cpus
}

/** Writes numbers as the kernel writes a CPU list. */
export function formatCpuList(cpus: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < cpus.length; ) {
    let end = i
    while (cpus[end + 1] === (cpus[end] ?? 0) + 1) end += 1
    parts.push(end === i ? `${cpus[i]}` : `${cpus[i]}-${cpus[end]}`)
    i = end + 1
  }
  return parts.join(',')
}

/**
 * Reads the output of `numactl --hardware` (numactl(8)): sizes are in MB of 1024², distances a table in the
 * order of its head line. Memory-only and memory-less nodes are kept. Returns none where it tells of none.
 */
export function parseNumactlHardware(text: string): NumaNode[] {
  const nodes = new Map<number, NumaNode>()
  let columns: number[] | null = null
  for (const line of text.split('\n')) {
    const property = /^node (\d+) (cpus|size):(.*)$/.exec(line)
    if (property !== null) {
      const node = nodeOf(nodes, Number(property[1]))
      const value = (property[3] ?? '').trim()
      if (property[2] === 'cpus') node.cpus = value === '' ? [] : value.split(/\s+/).map(Number)
      else node.memoryBytes = Number.parseInt(value, 10) * 1024 * 1024
      continue
    }
    if (/^node\s+\d/.test(line)) {
      columns = line.trim().split(/\s+/).slice(1).map(Number)
      continue
    }
    const row = /^\s*(\d+):\s+(.*)$/.exec(line)
    if (columns !== null && row !== null) {
      const node = nodeOf(nodes, Number(row[1]))
      const values = (row[2] ?? '').trim().split(/\s+/).map(Number)
      columns.forEach((id, index) => {
        const distance = values[index]
        if (distance !== undefined) node.distances[id] = distance
      })
    }
  }
  return [...nodes.values()].sort((a, b) => a.id - b.id)
}

/** The texts of one `/sys/devices/system/node/node<id>` directory; null where a file is not there. */
export interface SysfsNumaNode {
  id: number
  cpulist: string | null
  meminfo: string | null
  distance: string | null
}

/**
 * Reads the files of /sys/devices/system/node (Documentation/ABI/stable/sysfs-devices-node).
 * The columns of `distance` are the online nodes in ascending order.
 */
export function parseSysfsNuma(entries: readonly SysfsNumaNode[]): NumaNode[] {
  const sorted = [...entries].sort((a, b) => a.id - b.id)
  return sorted.map((entry) => {
    const total = /MemTotal:\s+(\d+) kB/.exec(entry.meminfo ?? '')
    const values = (entry.distance ?? '').trim().split(/\s+/).filter(Boolean).map(Number)
    const distances: Record<string, number> = {}
    sorted.forEach((other, index) => {
      const distance = values[index]
      if (distance !== undefined) distances[other.id] = distance
    })
    return {
      id: entry.id,
      cpus: parseCpuList(entry.cpulist ?? ''),
      memoryBytes: total === null ? null : Number(total[1]) * 1024,
      distances,
    }
  })
}

function nodeOf(nodes: Map<number, NumaNode>, id: number): NumaNode {
  let node = nodes.get(id)
  if (node === undefined) {
    node = { id, cpus: [], memoryBytes: null, distances: {} }
    nodes.set(id, node)
  }
  return node
}
