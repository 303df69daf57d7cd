/** Numbers of tasks by status and node, in memory: right after each commit, and never a scan. */
import { isFinal, type Status, type Task } from '../../core/task.ts'

/** How many tasks are in a status on a node; `node` null: on none. */
export interface Cell {
  status: Status
  node: string | null
  count: number
}

/** Which tasks are counted; what is left out matches all. */
export interface CountFilter {
  statuses?: readonly Status[] | undefined
  node?: string | undefined
  /** Whose they are. */
  owner?: string | undefined
}

/** Counts of one set of tasks. */
class Tally {
  private readonly byStatus = new Map<Status, Map<string | null, number>>()
  private readonly totals = new Map<Status, number>()
  /** Number of statuses and nodes that have occurred. */
  cells = 0

  add(status: Status, node: string | null, count: number): void {
    const byNode = this.byStatus.get(status) ?? new Map<string | null, number>()
    this.byStatus.set(status, byNode)
    const before = byNode.get(node)
    if (before === undefined) this.cells += 1
    byNode.set(node, (before ?? 0) + count)
    this.totals.set(status, (this.totals.get(status) ?? 0) + count)
  }

  /** Only statuses that occur. */
  counts({ statuses, node }: CountFilter): Map<Status, number> {
    const counts = new Map<Status, number>()
    for (const [status, byNode] of this.byStatus) {
      if (statuses !== undefined && statuses.length > 0 && !statuses.includes(status)) continue
      const count = node === undefined ? this.totals.get(status) : byNode.get(node)
      if (count !== undefined && count > 0) counts.set(status, count)
    }
    return counts
  }
}

/** What a task was at the last commit. */
type Counted = Pick<Cell, 'status' | 'node'> & { batchId: number; owner: string }

/** How many tasks of a user are in a status. */
export interface OwnerCell {
  owner: string
  status: Status
  count: number
}

/** Of all batches together so many statuses and nodes are kept. */
const keptCells = 200_000

/** The counts of all tasks, and of the batches that were asked for last. */
export class TaskCounts {
  private readonly all = new Tally()
  /** By owner; on which nodes they are is not counted. */
  private readonly owners = new Map<string, Tally>()
  /** Tasks that have not ended: what changes next, and from what. */
  private readonly open = new Map<number, Counted>()
  /** The batch that was asked for longest ago comes first. */
  private readonly batches = new Map<number, Tally>()
  private batchCells = 0

  /** `cells` and `owners`: of all tasks; `open`: those that have not ended. */
  constructor(cells: Iterable<Cell>, owners: Iterable<OwnerCell>, open: Iterable<Counted & { id: number }>) {
    for (const { status, node, count } of cells) this.all.add(status, node, count)
    for (const { owner, status, count } of owners) this.ofOwner(owner).add(status, null, count)
    for (const { id, status, node, batchId, owner } of open)
      this.open.set(id, { status, node, batchId, owner })
  }

  /** Takes in what a commit has made durable. */
  committed(newTasks: readonly Task[], changedTasks: readonly Task[]): void {
    for (const task of newTasks) this.put(task)
    for (const task of changedTasks) {
      const before = this.open.get(task.id)
      // none of ours: nothing on disk has changed either
      if (before === undefined) continue
      this.move(before, -1)
      this.put(task)
    }
  }

  /** Number of tasks in each status that occurs; null: of an owner on a node, which is not counted. */
  counts({ owner, ...filter }: CountFilter): Map<Status, number> | null {
    if (owner === undefined) return this.all.counts(filter)
    return filter.node === undefined ? (this.owners.get(owner)?.counts(filter) ?? new Map()) : null
  }

  /** The same of one batch; `read` is asked where it is not known. */
  batchCounts(batchId: number, filter: CountFilter, read: () => Iterable<Cell>): Map<Status, number> {
    const known = this.batches.get(batchId)
    const tally = known ?? new Tally()
    if (known === undefined) {
      for (const { status, node, count } of read()) tally.add(status, node, count)
      this.batchCells += 1 + tally.cells
    }
    this.batches.delete(batchId)
    this.batches.set(batchId, tally)
    for (const [oldest, { cells }] of this.batches) {
      if (this.batchCells <= keptCells || oldest === batchId) break
      this.batches.delete(oldest)
      this.batchCells -= 1 + cells
    }
    return tally.counts(filter)
  }

  private ofOwner(owner: string): Tally {
    const tally = this.owners.get(owner) ?? new Tally()
    this.owners.set(owner, tally)
    return tally
  }

  private put({ id, batchId, owner, status, ...rest }: Task): void {
    const node = 'placement' in rest ? (rest.placement?.node ?? null) : null
    const counted = { status, node, batchId, owner }
    if (isFinal(status)) this.open.delete(id)
    else this.open.set(id, counted)
    this.move(counted, 1)
  }

  private move({ status, node, batchId, owner }: Counted, count: 1 | -1): void {
    this.all.add(status, node, count)
    this.ofOwner(owner).add(status, null, count)
    const tally = this.batches.get(batchId)
    if (tally === undefined) return
    const before = tally.cells
    tally.add(status, node, count)
    this.batchCells += tally.cells - before
  }
}
