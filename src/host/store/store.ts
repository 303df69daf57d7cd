/**
 * What the host asks of its store, in the host's own words. SQLite answers today; another engine comes beside
 * it without a caller noticing: everything is asynchronous and speaks of tasks, not of rows.
 */
import type { JoinToken, NodeCredential } from '../../core/joining.ts'
import type { TaskSearch } from '../../core/search.ts'
import type { Status, Task } from '../../core/task.ts'
import type { TaskSort } from '../../protocol/choices.ts'
import type { Cell, CountFilter } from './counts.ts'
import type { EventRecord, NodeRecord, TaskEventRecord } from './rows.ts'

/** A batch as it was submitted. */
export interface Batch {
  id: number
  name: string | null
  submittedAtMs: number
}

/** A batch with what a repeated submit gets. */
export interface BatchRecord extends Batch {
  submissionId: string | null
  /** The submit's answer as JSON; as large as the batch. */
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

/** A page of a list. */
export interface Page<T, Next = number> {
  items: T[]
  /** Whole number of rows that the filter matches. */
  total: number
  /** What to go on behind; null at the end. */
  next: Next | null
}

export interface TaskFilter extends CountFilter {
  batchId?: number | undefined
}

export type TaskOrder = 'asc' | 'desc'

/** Where a task stands in a list: what it is sorted by (null comes last), and its id among the same. */
export interface TaskPlace {
  key: number | null
  id: number
}

/** A part of a list of tasks. */
export interface TaskQuery extends TaskFilter {
  /** By `submitted`, the key is the id; by `ended`, only tasks that have ended; by all others, only with `batchId`. */
  sort: TaskSort
  order: TaskOrder
  /** Behind this one; null: from the beginning. */
  after: TaskPlace | null
  limit: number
  /** Sorted by `submitted` and without `batchId`: only ids from the first up to before the second. */
  ids?: readonly [number, number] | undefined
}

/** What one slice of a search has come to. */
export interface SearchSlice {
  found: TaskPlace[]
  /** The last task that was looked at; null: none is left. */
  at: TaskPlace | null
  /** Number of tasks that were looked at. */
  looked: number
}

/** Tasks of a batch with the same target, on the same node, in the same status. */
export interface TargetCount extends Cell {
  target: string
}

export type TokenKind = 'admin' | 'join'

export interface SessionRecord {
  hash: string
  createdAtMs: number
  expiresAtMs: number
}

export interface JoinTokenRecord extends JoinToken {
  hash: string
  createdAtMs: number
}

export interface CredentialRecord extends NodeCredential {
  createdAtMs: number
}

/** What makes a machine a node, together or not at all. */
export interface Joined {
  /** The token that is used up by it. */
  tokenHash: string
  atMs: number
  credential: CredentialRecord
  /** Ids of credentials that hold no more, as this one takes their place. */
  replaced: readonly string[]
}

export interface Store {
  /** Resolves when everything is on disk. @throws AppError `store_full`; nothing was changed then */
  commit(changes: Changes): Promise<void>
  unfinishedTasks(): Promise<Task[]>
  nodes(): Promise<NodeRecord[]>
  /** The largest ids ever given, also by a later database that this one was restored in place of. */
  lastIds(): Promise<{ task: number; event: number }>
  countByStatus(): Promise<Map<Status, number>>
  /** Number of tasks in each status that occurs. */
  counts(filter: TaskFilter): Promise<Map<Status, number>>

  task(id: number): Promise<Task | null>
  /** Each in its place; null where there is none. Ends early where all together are large: at `maxBytes` of specs. */
  tasksById(ids: readonly number[], maxBytes?: number): Promise<(Task | null)[]>
  /** The statuses of those of these tasks that there are. */
  statusesOf(ids: readonly number[]): Promise<Map<number, Status>>
  /** A page of tasks; shorter than asked for where they are large. */
  tasks(query: TaskQuery): Promise<Page<Task, TaskPlace>>
  /** The same, only where they stand. */
  taskPlaces(query: TaskQuery): Promise<TaskPlace[]>
  /** Searches through what the query lists for some milliseconds, up to so many that match. */
  searchSlice(query: TaskQuery, search: TaskSearch, sliceMs: number): Promise<SearchSlice>
  batchBySubmission(submissionId: string): Promise<BatchRecord | null>
  batch(id: number): Promise<Batch | null>
  batches(limit: number, after: number | null): Promise<Page<Batch>>
  /** Ids of the tasks of a batch, oldest first. */
  taskIdsOfBatch(batchId: number): Promise<number[]>
  /** Number of tasks of a batch by target, node and status, in the order of the submit. */
  batchTargets(batchId: number): Promise<TargetCount[]>
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
  joinToken(hash: string): Promise<JoinTokenRecord | null>
  /** Forgets those that were over before a moment as well. */
  addJoinTokens(tokens: readonly JoinTokenRecord[], forgetBeforeMs: number): Promise<void>
  credentials(): Promise<CredentialRecord[]>
  /** @throws AppError `conflict` where the token is used already; nothing was changed then */
  join(joined: Joined): Promise<void>
  /** Writes what has changed of a credential. */
  saveCredential(credential: CredentialRecord): Promise<void>
  /** Resolves when the disk has taken a write just now. @throws AppError `store_full` */
  probe(): Promise<void>
  /** Writes a copy as of one moment to a file, while all goes on. @throws AppError `store_full` */
  backup(path: string): Promise<void>
  close(): Promise<void>
}
