/**
 * What the host asks of its store, in the host's own words. SQLite answers today; another engine comes beside
 * it without a caller noticing: everything is asynchronous and speaks of tasks, not of rows.
 */
import type { Status, Task } from '../../core/task.ts'
import type { EventRecord, NodeRecord, TaskEventRecord } from './rows.ts'

/** A batch as it was submitted. */
export interface BatchRecord {
  id: number
  submissionId: string | null
  name: string | null
  submittedAtMs: number
  /** The submit's answer as JSON. */
  answer: string
}

/** All that one commit makes durable, together or not at all. */
export interface Changes {
  batches: readonly BatchRecord[]
  /** Tasks that the store has not seen yet. */
  newTasks: readonly Task[]
  changedTasks: readonly Task[]
  nodes: readonly NodeRecord[]
  /** Names of nodes that are forgotten. */
  removedNodes?: readonly string[]
  events: readonly EventRecord[]
}

export interface Page<T> {
  items: T[]
  /** Whole number of rows that the filter matches. */
  total: number
  /** Id to go on behind; null at the end. */
  next: number | null
}

export interface TaskFilter {
  statuses?: readonly Status[] | undefined
  node?: string | undefined
  batchId?: number | undefined
}

export type TokenKind = 'admin' | 'join'

export interface SessionRecord {
  hash: string
  createdAtMs: number
  expiresAtMs: number
}

export interface Store {
  /** Resolves when everything is on disk. @throws AppError `store_full`; nothing was changed then */
  commit(changes: Changes): Promise<void>
  unfinishedTasks(): Promise<Task[]>
  nodes(): Promise<NodeRecord[]>
  /** The largest ids ever given, also by a later database that this one was restored in place of. */
  lastIds(): Promise<{ task: number; event: number }>
  countByStatus(): Promise<Map<Status, number>>

  task(id: number): Promise<Task | null>
  /** Newest first; `after`: only older than this id. */
  tasks(filter: TaskFilter, limit: number, after: number | null): Promise<Page<Task>>
  batchBySubmission(submissionId: string): Promise<BatchRecord | null>
  batch(id: number): Promise<BatchRecord | null>
  batches(limit: number, after: number | null): Promise<Page<BatchRecord>>
  /** Number of tasks by status of each batch. */
  batchCounts(ids: readonly number[]): Promise<Map<number, Map<Status, number>>>
  /** Ids of the tasks of a batch, oldest first. */
  taskIdsOfBatch(batchId: number): Promise<number[]>
  taskEvents(taskId: number): Promise<TaskEventRecord[]>
  /** The last thousand of a node, oldest first. */
  nodeEvents(node: string): Promise<EventRecord[]>
  /** Events behind an id, oldest first. */
  eventsAfter(id: number, limit: number): Promise<EventRecord[]>

  tokens(): Promise<{ hash: string; kind: TokenKind }[]>
  addToken(hash: string, kind: TokenKind, nowMs: number): Promise<void>
  /** Browsers that are logged in, oldest first, by the hash of what their cookie holds. */
  sessions(): Promise<SessionRecord[]>
  addSession(session: SessionRecord): Promise<void>
  removeSessions(hashes: readonly string[]): Promise<void>
  /** Resolves when the disk has taken a write just now. @throws AppError `store_full` */
  probe(): Promise<void>
  /** Writes a copy as of one moment to a file, while all goes on. @throws AppError `store_full` */
  backup(path: string): Promise<void>
  close(): Promise<void>
}
