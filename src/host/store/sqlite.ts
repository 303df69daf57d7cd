/** The store on SQLite. */
import { closeSync, openSync, rmSync } from 'node:fs'
import { backup, type DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Kysely } from 'kysely'
import type { AuditHead, AuditRow } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import type { TaskSearch } from '../../core/search.ts'
import { finalStatuses, type Status, statuses, type Task } from '../../core/task.ts'
import { type AuditFilter, type AuditPage, AuditTable } from './audit-table.ts'
import type { TaskCounts } from './counts.ts'
import { asSaveError, isFull } from './full.ts'
import { IdentityTables } from './identity.ts'
import { type LargestIds, largestIds } from './ids.ts'
import { JoinRows } from './joins.ts'
import { type OpenDatabase, openDatabase } from './open.ts'
import type { EventRecord, NodeRecord, TaskEventRecord } from './rows.ts'
import { eventOfRow, nodeOfRow, rowOfEvent, rowOfNode, rowOfTask, taskOfRow } from './rows.ts'
import type {
  Batch,
  BatchRecord,
  Changes,
  CredentialRecord,
  IdentityChanges,
  Joined,
  JoinTokenRecord,
  Page,
  SearchSlice,
  Store,
  TargetCount,
  TaskFilter,
  TaskPage,
  TaskPlace,
  TaskQuery,
  TokenRecord,
  UserRecord,
} from './store.ts'
import type { BatchesTable, Database, NodeEventsTable, SecretsTable, TasksTable } from './tables.ts'
import { countAll, TaskReads } from './task-reads.ts'

export class SqliteStore implements Store {
  private readonly database: OpenDatabase
  private readonly db: Kysely<Database>
  private readonly write: Writers
  private readonly read: TaskReads
  private readonly taskCounts: TaskCounts
  private readonly identity: IdentityTables
  private readonly joins: JoinRows
  private readonly audit: AuditTable
  /** Number of batches of each user. */
  private readonly batchTotals: Map<string, number>

  constructor(database: string | OpenDatabase) {
    this.database = typeof database === 'string' ? openDatabase(database) : database
    this.db = this.database.db
    const { raw } = this.database
    this.write = prepareWriters(raw)
    this.taskCounts = countAll(raw)
    this.read = new TaskReads(raw, this.taskCounts)
    this.identity = new IdentityTables(raw)
    this.joins = new JoinRows(raw)
    this.audit = new AuditTable(raw)
    const totals = raw.prepare('select owner, count(*) as count from batches group by owner').all()
    this.batchTotals = new Map(totals.map(({ owner, count }) => [String(owner), Number(count)]))
  }

  async commit(changes: Changes): Promise<void> {
    let audited = () => {}
    this.inTransaction(() => {
      for (const batch of changes.batches) {
        this.write.batch(rowOfBatch(batch))
        for (const { set, data } of batch.sealed ?? [])
          this.write.secrets({ batch_id: batch.id, number: set, data })
      }
      for (const task of changes.newTasks) this.write.newTask(rowOfTask(task))
      for (const task of changes.changedTasks) this.write.changedTask(rowOfTask(task))
      for (const name of changes.removedNodes ?? []) this.write.removedNode({ name })
      for (const node of changes.nodes) this.write.node(rowOfNode(node))
      for (const event of changes.events) {
        if (event.kind === 'task') this.write.taskEvent(rowOfEvent(event))
        else this.write.nodeEvent(rowOfNodeEvent(event))
      }
      audited = this.audit.append(changes.audit ?? [])
    })
    audited()
    this.taskCounts.committed(changes.newTasks, changes.changedTasks)
    for (const { owner } of changes.batches)
      this.batchTotals.set(owner, (this.batchTotals.get(owner) ?? 0) + 1)
  }

  /** All of it is on disk then, or nothing. @throws AppError `store_full` */
  private inTransaction(write: () => void): void {
    const { raw } = this.database
    try {
      raw.exec('begin immediate')
      try {
        write()
        raw.exec('commit')
      } catch (error) {
        if (raw.isTransaction) raw.exec('rollback')
        throw error
      }
    } catch (error) {
      throw asSaveError(error)
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
    return (await this.counts({})) ?? new Map()
  }

  async counts(filter: TaskFilter): Promise<Map<Status, number> | null> {
    return this.read.counts(filter)
  }

  async task(id: number): Promise<Task | null> {
    return this.read.task(id)
  }

  async tasksById(ids: readonly number[], maxBytes?: number): Promise<(Task | null)[]> {
    return this.read.tasksById(ids, maxBytes)
  }

  async statusesOf(ids: readonly number[]): Promise<Map<number, Status>> {
    return this.read.statusesOf(ids)
  }

  async tasks(query: TaskQuery): Promise<TaskPage> {
    return this.read.tasks(query)
  }

  async taskPlaces(query: TaskQuery): Promise<TaskPlace[]> {
    return this.read.places(query)
  }

  async searchSlice(query: TaskQuery, search: TaskSearch, sliceMs: number): Promise<SearchSlice> {
    return this.read.searchSlice(query, search, sliceMs)
  }

  async batchTargets(batchId: number): Promise<TargetCount[]> {
    return this.read.batchTargets(batchId)
  }

  async batchBySubmission(submissionId: string): Promise<BatchRecord | null> {
    const row = await this.db
      .selectFrom('batches')
      .selectAll()
      .where('submission_id', '=', submissionId)
      .executeTakeFirst()
    if (row === undefined) return null
    return { ...batchOfRow(row), submissionId: row.submission_id, answer: row.answer }
  }

  async batch(id: number): Promise<Batch | null> {
    const row = await this.batchRows().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : batchOfRow(row)
  }

  async batches(limit: number, after: number | null, owner?: string): Promise<Page<Batch>> {
    const all = owner === undefined ? this.batchRows() : this.batchRows().where('owner', '=', owner)
    const behind = after === null ? all : all.where('id', '<', after)
    const rows = await behind
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    const items = rows.slice(0, limit).map(batchOfRow)
    return {
      items,
      total: this.batchTotalOf(owner),
      next: rows.length > limit ? (items.at(-1)?.id ?? null) : null,
    }
  }

  private batchTotalOf(owner: string | undefined): number {
    if (owner !== undefined) return this.batchTotals.get(owner) ?? 0
    let total = 0
    for (const count of this.batchTotals.values()) total += count
    return total
  }

  /** Without the answers, which are as large as their batches. */
  private batchRows() {
    return this.db.selectFrom('batches').select(['id', 'owner', 'name', 'submitted_at_ms'])
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

  async taskOwner(id: number): Promise<string | null> {
    return this.read.taskOwner(id)
  }

  async auditHead(): Promise<AuditHead> {
    return this.audit.head
  }

  async auditPage(filter: AuditFilter, limit: number, before: number | null): Promise<AuditPage> {
    return this.audit.page(filter, limit, before)
  }

  async auditAfter(seq: number, limit: number): Promise<AuditRow[]> {
    return this.audit.after(seq, limit)
  }

  async sealedSet(batchId: number, set: number): Promise<Uint8Array | null> {
    const row = await this.db
      .selectFrom('secrets')
      .select('data')
      .where('batch_id', '=', batchId)
      .where('number', '=', set)
      .executeTakeFirst()
    return row?.data ?? null
  }

  async hasSealedSets(): Promise<boolean> {
    return (await this.db.selectFrom('secrets').select('number').limit(1).executeTakeFirst()) !== undefined
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

  async users(): Promise<UserRecord[]> {
    return this.identity.users()
  }

  async tokens(): Promise<TokenRecord[]> {
    return this.identity.tokens()
  }

  async saveIdentity(changes: IdentityChanges): Promise<void> {
    this.inTransaction(() => this.identity.write(changes))
  }

  async joinToken(hash: string): Promise<JoinTokenRecord | null> {
    return this.joins.token(hash)
  }

  async addJoinTokens(tokens: readonly JoinTokenRecord[], forgetBeforeMs: number): Promise<void> {
    this.joins.addTokens(tokens, forgetBeforeMs)
  }

  async credentials(): Promise<CredentialRecord[]> {
    return this.joins.credentials()
  }

  async join(joined: Joined): Promise<void> {
    this.joins.join(joined)
  }

  async saveCredential(credential: CredentialRecord): Promise<void> {
    this.joins.save(credential)
  }

  async probe(): Promise<void> {
    const { raw } = this.database
    try {
      raw.exec("insert or replace into id_floors (name, value) values ('probe', 0)")
    } catch (error) {
      throw asSaveError(error)
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

interface Writers {
  batch(row: BatchesTable): void
  secrets(row: SecretsTable): void
  newTask(row: TasksTable): void
  changedTask(row: TasksTable): void
  node(row: Database['nodes']): void
  removedNode(row: { name: string }): void
  taskEvent(row: Database['task_events']): void
  nodeEvent(row: NodeEventsTable): void
}

const taskColumns = Object.keys({
  id: 0, batch_id: 0, owner: 0, status: 0, spec: 0, target: 0, node: 0, numa_id: 0, attempt: 0, runner_id: 0, boot_id: 0,
  submitted_at_ms: 0, placed_at_ms: 0, started_at_ms: 0, since_ms: 0, kill_requested_at_ms: 0, ended_at_ms: 0,
  exit_code: 0, signal: 0, reason: 0, cpu_time_ms: 0, peak_memory_bytes: 0, rerun_of: 0,
} satisfies Record<keyof TasksTable, 0>) as (keyof TasksTable)[] // biome-ignore format: a list
const changingColumns = taskColumns.filter(
  (column) => !['id', 'batch_id', 'owner', 'spec', 'target', 'submitted_at_ms', 'rerun_of'].includes(column),
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
    batch: insert('batches', ['id', 'owner', 'submission_id', 'name', 'submitted_at_ms', 'answer']),
    secrets: insert('secrets', ['batch_id', 'number', 'data']),
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
    const values = row as Record<string, string | number | Uint8Array | null>
    statement.run(...columns.map((column) => values[column] ?? null))
  }
}

function rowOfBatch(batch: BatchRecord): BatchesTable {
  return {
    id: batch.id,
    owner: batch.owner,
    submission_id: batch.submissionId,
    name: batch.name,
    submitted_at_ms: batch.submittedAtMs,
    answer: batch.answer,
  }
}

function batchOfRow(row: Pick<BatchesTable, 'id' | 'owner' | 'name' | 'submitted_at_ms'>): Batch {
  return { id: row.id, owner: row.owner, name: row.name, submittedAtMs: row.submitted_at_ms }
}

function rowOfNodeEvent(event: Extract<EventRecord, { kind: 'node' }>): NodeEventsTable {
  return { id: event.id, at_ms: event.atMs, node: event.node, type: event.type, reason: event.reason }
}

function nodeEventOfRow(row: NodeEventsTable): EventRecord {
  return { kind: 'node', id: row.id, atMs: row.at_ms, node: row.node, type: row.type, reason: row.reason }
}
