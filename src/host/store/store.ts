/**
 * What the host asks of its store, in the host's own words. SQLite answers today; another engine comes beside
 * it without a caller noticing: everything is asynchronous and speaks of tasks, not of rows.
 */
import type { AuditEntry, AuditHead, AuditRow } from '../../core/audit.ts'
import type { JoinToken, NodeCredential } from '../../core/joining.ts'
import type { Role } from '../../core/roles.ts'
import type { TaskSearch } from '../../core/search.ts'
import type { Status, Task } from '../../core/task.ts'
import type { TaskSort } from '../../protocol/choices.ts'
import type { AuditFilter, AuditPage } from './audit-table.ts'
import type { Cell, CountFilter } from './counts.ts'
import type { EventRecord, NodeRecord, TaskEventRecord } from './rows.ts'

/** A batch as it was submitted. */
export interface Batch {
  id: number
  name: string | null
  /** The user who submitted it. */
  owner: string
  submittedAtMs: number
}

/** A batch with what a repeated submit gets. */
export interface BatchRecord extends Batch {
  submissionId: string | null
  /** The submit's answer as JSON; as large as the batch. */
  answer: string
  /** Sets of secrets that its tasks refer to; left out: none. */
  sealed?: readonly SealedSet[]
}

/** Secrets that some tasks of a batch share, encrypted. */
export interface SealedSet {
  set: number
  data: Uint8Array
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
  /** Who asked for what, in the order of the chain. */
  audit?: readonly AuditEntry[]
}

/** A page of a list. */
export interface Page<T, Next = number> {
  items: T[]
  /** Whole number of rows that the filter matches. */
  total: number
  /** What to go on behind; null at the end. */
  next: Next | null
}

/** A page of tasks; `total` null: of an owner on a node, where they are not counted. */
export interface TaskPage extends Omit<Page<Task, TaskPlace>, 'total'> {
  total: number | null
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

/** `api`: of a person's programs; `browser`: one that is logged in; `login`: an invitation; `join`: of runners. */
export type TokenKind = 'api' | 'browser' | 'login' | 'join'

export interface UserRecord {
  name: string
  role: Role
  isDisabled: boolean
  createdAtMs: number
}

export interface TokenRecord {
  id: number
  /** SHA-256 of the secret. */
  hash: string
  kind: TokenKind
  /** null: no user's, but one of runners. */
  user: string | null
  /** Its own; it never acts in more than its user's. */
  role: Role
  label: string
  createdAtMs: number
  /** null: never. */
  expiresAtMs: number | null
  /** When all that it makes ends at the latest; null: no such bound. */
  boundMs: number | null
  /** Of an invitation: the user who made it. */
  madeBy: string | null
  lastUsedAtMs: number | null
  /** An address. */
  lastUsedFrom: string | null
  revokedAtMs: number | null
}

/** What one commit changes of who may call; each is put in the place of what there was of it. */
export interface IdentityChanges {
  users?: readonly UserRecord[]
  tokens?: readonly TokenRecord[]
  /** Ids. */
  removedTokens?: readonly number[]
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
  /** Number of tasks in each status that occurs; null: of an owner on a node, which is not counted. */
  counts(filter: TaskFilter): Promise<Map<Status, number> | null>

  task(id: number): Promise<Task | null>
  /** Each in its place; null where there is none. Ends early where all together are large: at `maxBytes` of specs. */
  tasksById(ids: readonly number[], maxBytes?: number): Promise<(Task | null)[]>
  /** The statuses of those of these tasks that there are. */
  statusesOf(ids: readonly number[]): Promise<Map<number, Status>>
  /** A page of tasks; shorter than asked for where they are large. */
  tasks(query: TaskQuery): Promise<TaskPage>
  /** The same, only where they stand. */
  taskPlaces(query: TaskQuery): Promise<TaskPlace[]>
  /** Searches through what the query lists for some milliseconds, up to so many that match. */
  searchSlice(query: TaskQuery, search: TaskSearch, sliceMs: number): Promise<SearchSlice>
  batchBySubmission(submissionId: string): Promise<BatchRecord | null>
  batch(id: number): Promise<Batch | null>
  /** `owner` left out: of all users. */
  batches(limit: number, after: number | null, owner?: string): Promise<Page<Batch>>
  /** Ids of the tasks of a batch, oldest first. */
  taskIdsOfBatch(batchId: number): Promise<number[]>
  /** Number of tasks of a batch by target, node and status, in the order of the submit. */
  batchTargets(batchId: number): Promise<TargetCount[]>
  /** Encrypted secrets of a batch; null: there are no such. */
  sealedSet(batchId: number, set: number): Promise<Uint8Array | null>
  hasSealedSets(): Promise<boolean>
  /** Who submitted it; null: there is no such task. */
  taskOwner(id: number): Promise<string | null>
  /** The last row of the log of who did what. */
  auditHead(): Promise<AuditHead>
  /** Newest first. @param before only rows before this one */
  auditPage(filter: AuditFilter, limit: number, before: number | null): Promise<AuditPage>
  /** From behind a row on, oldest first. */
  auditAfter(seq: number, limit: number): Promise<AuditRow[]>
  taskEvents(taskId: number): Promise<TaskEventRecord[]>
  /** The last thousand of a node, oldest first. */
  nodeEvents(node: string): Promise<EventRecord[]>
  /** Events behind an id, oldest first. */
  eventsAfter(id: number, limit: number): Promise<EventRecord[]>

  users(): Promise<UserRecord[]>
  /** Oldest first. */
  tokens(): Promise<TokenRecord[]>
  /** All or nothing. @throws AppError `store_full` */
  saveIdentity(changes: IdentityChanges): Promise<void>
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
