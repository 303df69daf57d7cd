/** The store on SQLite. */
import { closeSync, openSync, rmSync } from 'node:fs'
import { backup, type DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Kysely } from 'kysely'
import { AppError } from '../../core/errors.ts'
import { finalStatuses, type Status, statuses, type Task } from '../../core/task.ts'
import { type LargestIds, largestIds } from './ids.ts'
import { type OpenDatabase, openDatabase } from './open.ts'
import type { EventRecord, NodeRecord, TaskEventRecord } from './rows.ts'
import { eventOfRow, nodeOfRow, rowOfEvent, rowOfNode, rowOfTask, taskOfRow } from './rows.ts'
import type { BatchRecord, Changes, Page, SessionRecord, Store, TaskFilter, TokenKind } from './store.ts'
import type { BatchesTable, Database, NodeEventsTable, TasksTable } from './tables.ts'

export class SqliteStore implements Store {
  private readonly database: OpenDatabase
  private readonly db: Kysely<Database>
  private readonly write: Writers

  constructor(database: string | OpenDatabase) {
    this.database = typeof database === 'string' ? openDatabase(database) : database
    this.db = this.database.db
    this.write = prepareWriters(this.database.raw)
  }

  async commit(changes: Changes): Promise<void> {
    const { raw } = this.database
    try {
      raw.exec('begin immediate')
      try {
        for (const batch of changes.batches) this.write.batch(rowOfBatch(batch))
        for (const task of changes.newTasks) this.write.newTask(rowOfTask(task))
        for (const task of changes.changedTasks) this.write.changedTask(rowOfTask(task))
        for (const name of changes.removedNodes ?? []) this.write.removedNode({ name })
        for (const node of changes.nodes) this.write.node(rowOfNode(node))
        for (const event of changes.events) {
          if (event.kind === 'task') this.write.taskEvent(rowOfEvent(event))
          else this.write.nodeEvent(rowOfNodeEvent(event))
        }
        raw.exec('commit')
      } catch (error) {
        if (raw.isTransaction) raw.exec('rollback')
        throw error
      }
    } catch (error) {
      throw isFull(error)
        ? new AppError('store_full', 'cannot save: the disk of the host is full', { cause: error })
        : error
    }
  }

  async unfinishedTasks(): Promise<Task[]> {
    const unfinished = statuses.filter((status) => !(finalStatuses as readonly Status[]).includes(status))
    const rows = await this.db
      .selectFrom('tasks')
      .selectAll()
      .where('status', 'in', unfinished)
      .orderBy('id')
      .execute()
    return rows.map(taskOfRow)
  }

  async nodes(): Promise<NodeRecord[]> {
    return (await this.db.selectFrom('nodes').selectAll().orderBy('name').execute()).map(nodeOfRow)
  }

  async lastIds(): Promise<LargestIds> {
    return largestIds(this.database.raw)
  }

  async countByStatus(): Promise<Map<Status, number>> {
    const rows = await this.db
      .selectFrom('tasks')
      .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
      .groupBy('status')
      .execute()
    return new Map(rows.map(({ status, count }) => [status as Status, count]))
  }

  async task(id: number): Promise<Task | null> {
    const row = await this.db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : taskOfRow(row)
  }

  async tasks(filter: TaskFilter, limit: number, after: number | null): Promise<Page<Task>> {
    let matching = this.db.selectFrom('tasks')
    if (filter.statuses !== undefined && filter.statuses.length > 0) {
      matching = matching.where('status', 'in', [...filter.statuses])
    }
    if (filter.node !== undefined) matching = matching.where('node', '=', filter.node)
    if (filter.batchId !== undefined) matching = matching.where('batch_id', '=', filter.batchId)
    const { total } = await matching
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow()
    const behind = after === null ? matching : matching.where('id', '<', after)
    const rows = await behind.selectAll().orderBy('id', 'desc').limit(limit).execute()
    return page(rows, limit, total, taskOfRow)
  }

  async batchBySubmission(submissionId: string): Promise<BatchRecord | null> {
    const row = await this.db
      .selectFrom('batches')
      .selectAll()
      .where('submission_id', '=', submissionId)
      .executeTakeFirst()
    return row === undefined ? null : batchOfRow(row)
  }

  async batch(id: number): Promise<BatchRecord | null> {
    const row = await this.db.selectFrom('batches').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : batchOfRow(row)
  }

  async batches(limit: number, after: number | null): Promise<Page<BatchRecord>> {
    const { total } = await this.db
      .selectFrom('batches')
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow()
    const all = this.db.selectFrom('batches').selectAll()
    const behind = after === null ? all : all.where('id', '<', after)
    const rows = await behind.orderBy('id', 'desc').limit(limit).execute()
    return page(rows, limit, total, batchOfRow)
  }

  async batchCounts(ids: readonly number[]): Promise<Map<number, Map<Status, number>>> {
    const counts = new Map(ids.map((id) => [id, new Map<Status, number>()]))
    if (ids.length === 0) return counts
    const rows = await this.db
      .selectFrom('tasks')
      .select(({ fn }) => ['batch_id', 'status', fn.countAll<number>().as('count')])
      .where('batch_id', 'in', [...ids])
      .groupBy(['batch_id', 'status'])
      .execute()
    for (const { batch_id, status, count } of rows) counts.get(batch_id)?.set(status as Status, count)
    return counts
  }

  async taskIdsOfBatch(batchId: number): Promise<number[]> {
    const rows = await this.db
      .selectFrom('tasks')
      .select('id')
      .where('batch_id', '=', batchId)
      .orderBy('id')
      .execute()
    return rows.map(({ id }) => id)
  }

  async taskEvents(taskId: number): Promise<TaskEventRecord[]> {
    const rows = await this.db
      .selectFrom('task_events')
      .selectAll()
      .where('task_id', '=', taskId)
      .orderBy('id')
      .limit(10_000)
      .execute()
    return rows.map(eventOfRow)
  }

  async nodeEvents(node: string): Promise<EventRecord[]> {
    const rows = await this.db
      .selectFrom('node_events')
      .selectAll()
      .where('node', '=', node)
      .orderBy('id', 'desc')
      .limit(1_000)
      .execute()
    return rows.reverse().map(nodeEventOfRow)
  }

  async eventsAfter(id: number, limit: number): Promise<EventRecord[]> {
    const ofTasks = await this.db
      .selectFrom('task_events')
      .selectAll()
      .where('id', '>', id)
      .orderBy('id')
      .limit(limit)
      .execute()
    const ofNodes = await this.db
      .selectFrom('node_events')
      .selectAll()
      .where('id', '>', id)
      .orderBy('id')
      .limit(limit)
      .execute()
    return [...ofTasks.map(eventOfRow), ...ofNodes.map(nodeEventOfRow)]
      .sort((a, b) => a.id - b.id)
      .slice(0, limit)
  }

  async tokens(): Promise<{ hash: string; kind: TokenKind }[]> {
    const rows = await this.db.selectFrom('tokens').select(['hash', 'kind']).execute()
    return rows.map(({ hash, kind }) => ({ hash, kind: kind === 'admin' ? 'admin' : 'join' }))
  }

  async addToken(hash: string, kind: TokenKind, nowMs: number): Promise<void> {
    await this.db.insertInto('tokens').values({ hash, kind, created_at_ms: nowMs }).execute()
  }

  async sessions(): Promise<SessionRecord[]> {
    const rows = await this.db.selectFrom('sessions').selectAll().orderBy('created_at_ms').execute()
    return rows.map((row) => ({
      hash: row.hash,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms,
    }))
  }

  async addSession({ hash, createdAtMs, expiresAtMs }: SessionRecord): Promise<void> {
    const row = { hash, created_at_ms: createdAtMs, expires_at_ms: expiresAtMs }
    await this.db.insertInto('sessions').values(row).execute()
  }

  async removeSessions(hashes: readonly string[]): Promise<void> {
    await this.db
      .deleteFrom('sessions')
      .where('hash', 'in', [...hashes])
      .execute()
  }

  async probe(): Promise<void> {
    const { raw } = this.database
    try {
      raw.exec("insert or replace into id_floors (name, value) values ('probe', 0)")
    } catch (error) {
      throw isFull(error)
        ? new AppError('store_full', 'cannot save: the disk of the host is full', { cause: error })
        : error
    }
  }

  async backup(path: string): Promise<void> {
    rmSync(path, { force: true })
    // the file is made here, so that nobody else ever could read it
    closeSync(openSync(path, 'wx', 0o600))
    try {
      await backup(this.database.raw, path)
    } catch (error) {
      throw isFull(error)
        ? new AppError('store_full', 'cannot make a backup: the disk of the host is full', { cause: error })
        : error
    }
  }

  async close(): Promise<void> {
    this.database.close()
  }
}

function page<R extends { id: number }, T>(
  rows: R[],
  limit: number,
  total: number,
  convert: (row: R) => T,
): Page<T> {
  const last = rows.at(-1)
  return { items: rows.map(convert), total, next: rows.length < limit || last === undefined ? null : last.id }
}

interface Writers {
  batch(row: BatchesTable): void
  newTask(row: TasksTable): void
  changedTask(row: TasksTable): void
  node(row: Database['nodes']): void
  removedNode(row: { name: string }): void
  taskEvent(row: Database['task_events']): void
  nodeEvent(row: NodeEventsTable): void
}

const taskColumns = Object.keys({
  id: 0, batch_id: 0, status: 0, spec: 0, target: 0, node: 0, numa_id: 0, attempt: 0, runner_id: 0, boot_id: 0,
  submitted_at_ms: 0, placed_at_ms: 0, started_at_ms: 0, since_ms: 0, kill_requested_at_ms: 0, ended_at_ms: 0,
  exit_code: 0, signal: 0, reason: 0, cpu_time_ms: 0, peak_memory_bytes: 0,
} satisfies Record<keyof TasksTable, 0>) as (keyof TasksTable)[] // biome-ignore format: a list
const changingColumns = taskColumns.filter(
  (column) => !['id', 'batch_id', 'spec', 'target', 'submitted_at_ms'].includes(column),
)

/** The statements of the hot path, prepared once and run for many rows: building a query for each would cost more than running it. */
function prepareWriters(raw: DatabaseSync): Writers {
  const insert = <T extends keyof Database & string>(table: T, columns: string[], suffix = '') => {
    const names = columns.join(', ')
    const statement = raw.prepare(
      `insert into ${table} (${names}) values (${columns.map(() => '?').join(', ')})${suffix}`,
    )
    return runner(statement, columns)
  }
  const update = raw.prepare(
    `update tasks set ${changingColumns.map((column) => `${column} = ?`).join(', ')} where id = ?`,
  )
  const nodeColumns = [
    'name',
    'runner_id',
    'boot_id',
    'capacity',
    'executor',
    'runner_version',
    'status',
    'last_seen_ms',
    'drained',
  ]
  const upsert = nodeColumns
    .slice(1)
    .map((column) => `${column} = excluded.${column}`)
    .join(', ')
  return {
    batch: insert('batches', ['id', 'submission_id', 'name', 'submitted_at_ms', 'answer']),
    newTask: insert('tasks', taskColumns),
    changedTask: runner(update, [...changingColumns, 'id']),
    node: insert('nodes', nodeColumns, ` on conflict (name) do update set ${upsert}`),
    removedNode: runner(raw.prepare('delete from nodes where name = ?'), ['name']),
    taskEvent: insert('task_events', [
      'id',
      'at_ms',
      'task_id',
      'batch_id',
      'attempt',
      'type',
      'status',
      'node',
      'exit_code',
      'reason',
    ]),
    nodeEvent: insert('node_events', ['id', 'at_ms', 'node', 'type', 'reason']),
  }
}

function runner(statement: StatementSync, columns: string[]): (row: object) => void {
  return (row) => {
    const values = row as Record<string, string | number | null>
    statement.run(...columns.map((column) => values[column] ?? null))
  }
}

function rowOfBatch(batch: BatchRecord): BatchesTable {
  return {
    id: batch.id,
    submission_id: batch.submissionId,
    name: batch.name,
    submitted_at_ms: batch.submittedAtMs,
    answer: batch.answer,
  }
}

function batchOfRow(row: BatchesTable): BatchRecord {
  return {
    id: row.id,
    submissionId: row.submission_id,
    name: row.name,
    submittedAtMs: row.submitted_at_ms,
    answer: row.answer,
  }
}

function rowOfNodeEvent(event: Extract<EventRecord, { kind: 'node' }>): NodeEventsTable {
  return { id: event.id, at_ms: event.atMs, node: event.node, type: event.type, reason: event.reason }
}

function nodeEventOfRow(row: NodeEventsTable): EventRecord {
  return { kind: 'node', id: row.id, atMs: row.at_ms, node: row.node, type: row.type, reason: row.reason }
}

/** SQLITE_FULL and SQLITE_IOERR (sqlite.org/rescode.html): the disk takes no more. */
function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  const primary = Number(error.errcode) & 0xff
  return primary === 13 || primary === 10
}
