/**
 * Reads a machine's NUMA topology from texts: what `numactl --hardware` prints, or what sysfs holds. And which of
 * its NUMA nodes a task can be bound to.
 */
import type { NumaNode } from './node.ts'

/** The texts of one `/sys/devices/system/node/node<id>` directory; null where a file is not there. */
export interface SysfsNumaNode {
  id: number
  cpulist: string | null
  meminfo: string | null
  distance: string | null
}

const kibi = 1024

/**
 * Reads a list of CPUs as the kernel prints it (cpuset(7), "List format"): "0-3,8,10-11". Ascending, each
 * once. What is no such list gives none, as does an empty text.
 */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>()
  const plain = text.trim()
  for (const part of plain === '' ? [] : plain.split(',')) {
    const [, from, to] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()) ?? []
    if (from === undefined) return []
    const last = Number(to ?? from)
    if (last < Number(from)) return []
    for (let cpu = Number(from); cpu <= last; cpu += 1) cpus.add(cpu)
  }
  return ascending(cpus)
}

/**
 * Reads what `numactl --hardware` prints (numactl(8)). Empty where it says that there is no NUMA, or where the
 * text is something else. numactl counts sizes in MiB and calls them MB.
 */
export function parseNumactlHardware(text: string): NumaNode[] {
  const found = new Map<number, NumaNode>()
  let columns: number[] = []
  for (const line of text.split('\n')) {
    const [, id, what, rest = ''] = /^node (\d+) (cpus|size):(.*)$/.exec(line.trim()) ?? []
    if (id !== undefined) {
      const node = obtain(found, Number(id))
      if (what === 'cpus') node.cpus = ascending(numbers(rest))
      else node.memoryBytes = mebibytes(rest)
      continue
    }
    if (/^node\s+\d+(\s+\d+)*$/.test(line.trim())) {
      columns = numbers(line.trim().slice('node'.length))
      continue
    }
    const [, row, distances] = /^(\d+):((?:\s+\d+)+)$/.exec(line.trim()) ?? []
    if (row !== undefined) obtain(found, Number(row)).distances = zip(columns, numbers(distances ?? ''))
  }
  return byId(found)
}

/** Writes numbers as the kernel writes a CPU list: the text that `parseCpuList` reads. */
export function formatCpuList(cpus: Iterable<number>): string {
  const ranges: { from: number; to: number }[] = []
  for (const cpu of ascending(cpus)) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to + 1 === cpu) last.to = cpu
    else ranges.push({ from: cpu, to: cpu })
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/**
 * Reads the kernel's own files (Documentation/ABI/stable/sysfs-devices-node), of all online NUMA nodes at once.
 * What cannot be read is left empty or null, never guessed.
 * @param onlineCpus `/sys/devices/system/cpu/online`, where it could be read: other CPUs are left out.
 */
export function parseSysfsNuma(
  entries: readonly SysfsNumaNode[],
  onlineCpus: string | null = null,
): NumaNode[] {
  const online = onlineCpus === null ? null : new Set(parseCpuList(onlineCpus))
  const found = new Map<number, NumaNode>()
  const ids = ascending(entries.map((entry) => entry.id))
  for (const { id, cpulist, meminfo, distance } of entries) {
    const node = obtain(found, id)
    node.cpus = parseCpuList(cpulist ?? '').filter((cpu) => online === null || online.has(cpu))
    const [, total] = /MemTotal:\s+(\d+) kB/.exec(meminfo ?? '') ?? []
    node.memoryBytes = total === undefined ? null : Number(total) * kibi
    // One figure for each online NUMA node, in the order of their ids.
    node.distances = zip(ids, numbers(distance ?? ''))
  }
  return byId(found)
}

/**
 * The part of the topology that may be used (proc_pid_status(5), `Cpus_allowed_list` and `Mems_allowed_list`). A
 * NUMA node of which nothing may be used stays in sight, without CPUs or with no memory, and is no target.
 * @param mems NUMA nodes whose memory may be used; null: all.
 */
export function usablePart(
  numaNodes: readonly NumaNode[],
  cpus: readonly number[],
  mems: readonly number[] | null,
): NumaNode[] {
  const allowed = new Set(cpus)
  return numaNodes.map((node) => ({
    ...node,
    cpus: node.cpus.filter((cpu) => allowed.has(cpu)),
    memoryBytes: mems === null || mems.includes(node.id) ? node.memoryBytes : 0,
  }))
}

/**
 * What a NUMA node lacks to be a target, null where it is one: numactl cannot bind a task where there are no CPUs,
 * and where there is no memory the task could not even begin (numactl(8), `--cpunodebind` and `--membind`).
 */
export function lackingForTarget(numaNode: NumaNode): 'CPUs' | 'memory' | null {
  if (numaNode.cpus.length === 0) return 'CPUs'
  return numaNode.memoryBytes === 0 ? 'memory' : null
}

/** The NUMA nodes that a task can be bound to. */
export function numaTargets(numaNodes: readonly NumaNode[]): NumaNode[] {
  return numaNodes.filter((numaNode) => lackingForTarget(numaNode) === null)
}

function obtain(found: Map<number, NumaNode>, id: number): NumaNode {
  let node = found.get(id)
  if (node === undefined) {
    node = { id, cpus: [], memoryBytes: null, distances: {} }
    found.set(id, node)
  }
  return node
}

function mebibytes(text: string): number | null {
  const [, size] = /^\s*(\d+) MB$/.exec(text) ?? []
  return size === undefined ? null : Number(size) * kibi * kibi
}

function numbers(text: string): number[] {
  return (text.match(/\d+/g) ?? []).map(Number)
}

function ascending(values: Iterable<number>): number[] {
  return [...new Set(values)].sort((a, b) => a - b)
}

function zip(columns: readonly number[], distances: readonly number[]): Record<string, number> {
  if (columns.length !== distances.length) return {}
  return Object.fromEntries(columns.map((column, at) => [String(column), distances[at] ?? 0]))
}

function byId(found: Map<number, NumaNode>): NumaNode[] {
  return [...found.values()].sort((a, b) => a.id - b.id)
}
