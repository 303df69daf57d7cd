/**
 * The cores of a node as cells, parted by NUMA node, each with the task that holds it. Which core a task runs on is the
 * kernel's affair: a cell stands for one of so many. Pure.
 */
import type { NodeView, TaskView } from '../../../../src/protocol/schemas.ts'

export type HeldTask = Pick<TaskView, 'id' | 'cores' | 'numaId'>

/** Cells side by side that one holds. */
export interface Run {
  /** `other`: a task that is not in the list, or one that the host does not know. */
  by: 'task' | 'other' | 'free'
  /** null where no task of the list holds it. */
  taskId: string | null
  cores: number
  /** Bound to no NUMA node of several: it is drawn where there is room. */
  isLoose: boolean
}

export interface CoreGroup {
  /** null: the machine tells of no NUMA nodes, or of one alone. */
  numa: NodeView['numaNodes'][number] | null
  cores: number
  runs: Run[]
}

/**
 * Every core once. Tasks that are bound stand in their NUMA node; the others fill up, from the emptiest on. `others` is
 * the number of cores that something else holds.
 */
export function coreGroups(
  node: Pick<NodeView, 'cores' | 'numaNodes'>,
  tasks: readonly HeldTask[],
  others: number,
): CoreGroup[] {
  const numaNodes = node.numaNodes.filter(({ cpus }) => cpus.length > 0)
  const isParted = numaNodes.length > 1
  const groups: CoreGroup[] = isParted
    ? numaNodes.map((numa) => ({ numa, cores: numa.cpus.length, runs: [] }))
    : [{ numa: numaNodes[0] ?? null, cores: node.cores, runs: [] }]
  const groupOf = (task: HeldTask) =>
    task.numaId === null ? undefined : groups.find(({ numa }) => numa?.id === task.numaId)
  for (const task of tasks) {
    const group = groupOf(task)
    if (group === undefined) continue
    const cores = Math.min(task.cores, freeOf(group))
    if (cores > 0) group.runs.push({ by: 'task', taskId: task.id, cores, isLoose: false })
  }
  for (const task of tasks)
    if (groupOf(task) === undefined)
      fill(groups, { by: 'task', taskId: task.id, isLoose: isParted }, task.cores)
  fill(groups, { by: 'other', taskId: null, isLoose: isParted }, others)
  for (const group of groups) {
    const cores = freeOf(group)
    if (cores > 0) group.runs.push({ by: 'free', taskId: null, cores, isLoose: false })
  }
  return groups
}

/** Cores that nothing stands on yet. */
function freeOf({ cores, runs }: CoreGroup): number {
  return runs.reduce((free, run) => free - run.cores, cores)
}

function fill(groups: readonly CoreGroup[], run: Omit<Run, 'cores'>, wanted: number): void {
  let rest = wanted
  for (const group of [...groups].sort((a, b) => freeOf(b) - freeOf(a))) {
    const cores = Math.min(rest, freeOf(group))
    if (cores > 0) group.runs.push({ ...run, cores })
    rest -= cores
  }
}

/** Which sign a task has on this page: it keeps it for its life, and the first free one goes to the next. */
export function assignSigns(
  before: ReadonlyMap<string, number>,
  ids: readonly string[],
): Map<string, number> {
  const signs = new Map<string, number>()
  for (const id of ids) {
    const sign = before.get(id)
    if (sign !== undefined) signs.set(id, sign)
  }
  const used = new Set(signs.values())
  let next = 0
  for (const id of ids) {
    if (signs.has(id)) continue
    while (used.has(next)) next += 1
    used.add(next)
    signs.set(id, next)
  }
  return signs
}

/** A, B, … Z, then AA, AB, … */
export function letterOf(sign: number): string {
  const last = String.fromCharCode(65 + (sign % 26))
  return sign < 26 ? last : letterOf(Math.floor(sign / 26) - 1) + last
}

/** Number of its colour, 1 to 8: the letter tells those apart that share one. */
export function colourOf(sign: number): number {
  return (sign % 8) + 1
}

/** Do the distances between its NUMA nodes differ? Then it matters which are neighbours. */
export function hasNeighbours(numaNodes: NodeView['numaNodes']): boolean {
  const between = numaNodes.flatMap(({ id, distances }) =>
    numaNodes.flatMap((other) => (other.id === id ? [] : [distances[other.id] ?? null])),
  )
  return new Set(between.filter((distance) => distance !== null)).size > 1
}
