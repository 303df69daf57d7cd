/** What the pages make of nodes: their state in one word, the newest load over the last answer, order and choice. */
import type { LiveLoad } from '../../../../src/protocol/live.ts'
import type { NodeView } from '../../../../src/protocol/schemas.ts'

/** `drained`: an operator closed it; `closed`: it takes nothing new for another reason. */
export const nodeStates = ['unreachable', 'closed', 'drained', 'online'] as const
export type NodeState = (typeof nodeStates)[number]
export type NodeLoad = LiveLoad['nodes'][number]

export function nodeState(node: Pick<NodeView, 'status' | 'problem' | 'isDrained'>): NodeState {
  if (node.status !== 'online') return 'unreachable'
  if (node.problem === null) return 'online'
  return node.isDrained ? 'drained' : 'closed'
}

/** The answer with what the stream has told since. */
export function withLoad(node: NodeView, load: NodeLoad | undefined): NodeView {
  if (load === undefined || Date.parse(load.lastSeenAt) < Date.parse(node.lastSeenAt)) return node
  const { status, lastSeenAt, cpuPercent, memoryUsedBytes, coresAllocated, memoryAllocatedBytes } = load
  return {
    ...node,
    status,
    lastSeenAt,
    cpuPercent,
    memoryUsedBytes,
    coresAllocated,
    memoryAllocatedBytes,
    coresFree: Math.max(0, node.coresFree + node.coresAllocated - coresAllocated),
    memoryFreeBytes: Math.max(0, node.memoryFreeBytes + node.memoryAllocatedBytes - memoryAllocatedBytes),
  }
}

export const nodeSorts = ['name', 'status', 'cores', 'busy', 'memory', 'tasks', 'version'] as const
export type NodeSort = (typeof nodeSorts)[number]

const byName = new Intl.Collator('en', { numeric: true })
const part = (of: number, whole: number) => (whole <= 0 ? 0 : of / whole)
const sizes: Record<Exclude<NodeSort, 'name' | 'version'>, (node: NodeView) => number> = {
  status: (node) => nodeStates.indexOf(nodeState(node)),
  cores: (node) => part(node.coresAllocated, node.cores),
  busy: (node) => node.cpuPercent ?? -1,
  memory: (node) => part(node.memoryAllocatedBytes, node.memoryBytes),
  tasks: (node) => node.tasksRunning,
}

/** In the order of the sort; `isDescending`: the largest first. Those that are alike go by name, n2 before n10. */
export function sortNodes(nodes: readonly NodeView[], sort: NodeSort, isDescending: boolean): NodeView[] {
  const sign = isDescending ? -1 : 1
  const compare = (a: NodeView, b: NodeView) => {
    if (sort === 'name') return 0
    if (sort === 'version') return byName.compare(a.runnerVersion, b.runnerVersion)
    return sizes[sort](a) - sizes[sort](b)
  }
  return [...nodes].sort(
    (a, b) => sign * compare(a, b) || (sort === 'name' ? sign : 1) * byName.compare(a.name, b.name),
  )
}

/** Those of a state whose name, reason or executor has the text in it. */
export function filterNodes(nodes: readonly NodeView[], text: string, state: NodeState | null): NodeView[] {
  const wanted = text.trim().toLowerCase()
  return nodes.filter(
    (node) =>
      (state === null || nodeState(node) === state) &&
      [node.name, node.problem ?? '', node.executor.name].some((words) =>
        words.toLowerCase().includes(wanted),
      ),
  )
}

/** Number of nodes in each state. */
export function countStates(nodes: readonly NodeView[]): Record<NodeState, number> {
  const counts = { unreachable: 0, closed: 0, drained: 0, online: 0 }
  for (const node of nodes) counts[nodeState(node)] += 1
  return counts
}

/** Which NUMA nodes it has, of how many cores: "4 × 16", "8 + 8 + 0"; null where it tells of none. */
export function numaWords({ numaNodes }: Pick<NodeView, 'numaNodes'>): string | null {
  const cores = numaNodes.map(({ cpus }) => cpus.length)
  if (cores.length === 0) return null
  return cores.every((count) => count === cores[0])
    ? `${cores.length} × ${cores[0]}`
    : cores.length <= 4
      ? cores.join(' + ')
      : `${cores.length}, unlike`
}

/** "12 of 16 cores allocated, 80 % busy". */
export function coresWords({ coresAllocated, cores, cpuPercent }: NodeView): string {
  const busy = cpuPercent === null ? '' : `, ${Math.round(cpuPercent)} % busy`
  return `${coresAllocated} of ${cores} ${cores === 1 ? 'core' : 'cores'} allocated${busy}`
}
