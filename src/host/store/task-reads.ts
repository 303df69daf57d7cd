/** What is read of the tasks: one by one, in pages, by search, and in numbers. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { TaskSearch } from '../../core/search.ts'
import { isFinal, type Status, statuses, type Task, type TaskSpec } from '../../core/task.ts'
import { type Cell, type OwnerCell, TaskCounts } from './counts.ts'
import { taskOfRow } from './rows.ts'
import type { SearchSlice, TargetCount, TaskFilter, TaskPage, TaskPlace, TaskQuery } from './store.ts'
import type { TasksTable } from './tables.ts'
import { placesSql } from './task-list.ts'

/** A page ends early where the specs of its tasks are larger together: reading them keeps everything else waiting. */
const pageBytes = 4 * 1024 * 1024
/** A slice of a search looks at so many tasks at most. */
const sliceTasks = 2_000
const unfinished = statuses.filter((status) => !isFinal(status))

export class TaskReads {
  private readonly raw: DatabaseSync
  private readonly taskCounts: TaskCounts
  private readonly statements = new Map<string, StatementSync>()

  constructor(raw: DatabaseSync, taskCounts: TaskCounts) {
    this.raw = raw
    this.taskCounts = taskCounts
  }

  /** null: of an owner on a node, which is not counted. */
  counts({ batchId, ...filter }: TaskFilter): Map<Status, number> | null {
    if (batchId === undefined) return this.taskCounts.counts(filter)
    const { owner } = filter
    if (owner !== undefined && owner !== this.ownerOf(batchId)) return new Map()
    return this.taskCounts.batchCounts(batchId, filter, () =>
      this.all<Cell>(
        'select status, node, count(*) as count from tasks where batch_id = ? group by status, node',
        batchId,
      ),
    )
  }

  task(id: number): Task | null {
    return this.tasksById([id])[0] ?? null
  }

  /** Without its spec, which may be large. */
  taskOwner(id: number): string | null {
    const [row] = this.rows<{ id: number | null; owner: string }>('tasks.id, tasks.owner', [id])
    return row === undefined || row.id === null ? null : row.owner
  }

  tasksById(ids: readonly number[], maxBytes = Number.POSITIVE_INFINITY): (Task | null)[] {
    const tasks: (Task | null)[] = []
    let bytes = 0
    for (const row of this.rows<{ id: null } | TasksTable>('tasks.*', ids)) {
      if (row.id !== null) bytes += row.spec.length
      if (bytes > maxBytes && tasks.length > 0) break
      tasks.push(row.id === null ? null : taskOfRow(row))
    }
    return tasks
  }

  statusesOf(ids: readonly number[]): Map<number, Status> {
    const found = new Map<number, Status>()
    // written by us, from a Task
    for (const { id, status } of this.rows<{ id: number | null; status: Status }>('tasks.id, status', ids))
      if (id !== null) found.set(id, status)
    return found
  }

  places(query: TaskQuery): TaskPlace[] {
    const { statuses, node } = query
    const present = this.taskCounts.counts({ statuses, node })?.keys() ?? []
    const part = placesSql(query, [...present])
    if (part === null) return []
    const rows = this.all<{ id: number; place: number | null }>(part.sql, ...part.values, query.limit)
    return rows.map(({ id, place }) => ({ id, key: place }))
  }

  tasks(query: TaskQuery): TaskPage {
    const places = this.places({ ...query, limit: query.limit + 1 })
    const ids = places.slice(0, query.limit).map(({ id }) => id)
    const items = this.tasksById(ids, pageBytes).filter((task) => task !== null)
    const isEnd = items.length === places.length
    return { items, total: this.total(query), next: isEnd ? null : (places[items.length - 1] ?? null) }
  }

  searchSlice(query: TaskQuery, search: TaskSearch, sliceMs: number): SearchSlice {
    const until = performance.now() + sliceMs
    const places = this.places({ ...query, limit: sliceTasks })
    const found: TaskPlace[] = []
    let at = 0
    for (const { spec } of this.rows<{ spec: string }>(
      'spec',
      places.map(({ id }) => id),
    )) {
      const isLate = at > 0 && performance.now() > until
      if (isLate || found.length === query.limit) return { found, at: places[at - 1] ?? null, looked: at }
      const place = places[at]
      if (place !== undefined && isMatch(search, place.id, spec)) found.push(place)
      at += 1
    }
    const isEnd = places.length < sliceTasks
    return { found, at: isEnd ? null : (places.at(-1) ?? null), looked: places.length }
  }

  batchTargets(batchId: number): TargetCount[] {
    return this.all<TargetCount>(
      `select target, node, status, count(*) as count from tasks where batch_id = ?
       group by target, node, status order by min(id)`,
      batchId,
    )
  }

  /** All tasks of a batch are of one user. */
  private ownerOf(batchId: number): string | undefined {
    return this.all<{ owner: string }>('select owner from batches where id = ?', batchId)[0]?.owner
  }

  private total({ sort, statuses, node, batchId, owner }: TaskQuery): number | null {
    const counts = this.counts({ statuses, node, batchId, owner })
    if (counts === null) return null
    let total = 0
    for (const [status, count] of counts) if (sort !== 'ended' || isFinal(status)) total += count
    return total
  }

  /** One for each id, in their order; of what is not there, all is null. One statement for all, read as far as is asked. */
  private rows<Row>(columns: string, ids: readonly number[]): Iterable<Row> {
    const sql = `select ${columns} from json_each(?) as wanted left join tasks on tasks.id = wanted.value`
    return this.statement(sql).iterate(JSON.stringify(ids)) as Iterable<Row>
  }

  private all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    return this.statement(sql).all(...values) as Row[]
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql)
    if (statement === undefined) {
      statement = this.raw.prepare(sql)
      if (this.statements.size > 500) this.statements.clear()
      this.statements.set(sql, statement)
    }
    return statement
  }
}

type OpenRow = Cell & { id: number; batchId: number; owner: string }

/** By an index each. Of tasks without a node there is none: they are what is left. */
export const countings = [
  'select node, status, count(*) as count from tasks where node is not null group by node, status',
  'select null as node, status, count(*) as count from tasks group by status',
]

/** By an index too. */
export const ownerCounting = 'select owner, status, count(*) as count from tasks group by owner, status'

/** Counts what is there when a store is opened. */
export function countAll(raw: DatabaseSync): TaskCounts {
  const [placed = [], rest = []] = countings.map((sql) => raw.prepare(sql).all() as unknown as Cell[])
  for (const { status, count } of placed) {
    const ofStatus = rest.find((cell) => cell.status === status)
    if (ofStatus !== undefined) ofStatus.count -= count
  }
  const open = raw
    .prepare(
      `select id, status, node, batch_id as batchId, owner from tasks
       where status in (${unfinished.map(() => '?').join(', ')})`,
    )
    .all(...unfinished)
  const owners = raw.prepare(ownerCounting).all() as unknown as OwnerCell[]
  return new TaskCounts([...placed, ...rest], owners, open as unknown as OpenRow[])
}

function isMatch(search: TaskSearch, id: number, specText: string): boolean {
  if (search.matchesId(id)) return true
  return search.mayMatch(specText) && search.matches(JSON.parse(specText) as TaskSpec) // written by rowOfTask
}
