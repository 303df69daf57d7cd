/** The columns of the database as the query layer sees them. Only the store knows these names. */

export interface NodesTable {
  name: string
  runner_id: string
  boot_id: string
  capacity: string
  executor: string
  runner_version: string
  status: string
  last_seen_ms: number
  /** Why it gets no new tasks by an operator's word; null: it does. */
  drained: string | null
}

export interface BatchesTable {
  id: number
  submission_id: string | null
  name: string | null
  submitted_at_ms: number
  /** The user who submitted it. */
  owner: string
  /** The submit's answer as JSON, so that a repeated submit gets the same one. */
  answer: string
}

export interface TasksTable {
  id: number
  batch_id: number
  /** The user who submitted it. */
  owner: string
  status: string
  /** TaskSpec as JSON. */
  spec: string
  target: string
  node: string | null
  numa_id: number | null
  attempt: number
  runner_id: string | null
  boot_id: string | null
  submitted_at_ms: number
  placed_at_ms: number | null
  started_at_ms: number | null
  since_ms: number | null
  kill_requested_at_ms: number | null
  ended_at_ms: number | null
  exit_code: number | null
  signal: string | null
  reason: string | null
  cpu_time_ms: number | null
  peak_memory_bytes: number | null
  /** Id of the task that this one runs again. */
  rerun_of: number | null
}

export interface TaskEventsTable {
  id: number
  at_ms: number
  task_id: number
  batch_id: number
  attempt: number
  type: string
  status: string
  node: string | null
  exit_code: number | null
  reason: string | null
}

export interface NodeEventsTable {
  id: number
  at_ms: number
  node: string
  type: string
  reason: string | null
}

export interface UsersTable {
  name: string
  role: string
  is_disabled: number
  created_at_ms: number
}

/** What people, browsers and runners prove by who they are. */
export interface TokensTable {
  id: number
  /** SHA-256. */
  hash: string
  kind: string
  /** null: no user's, but one of runners. */
  user: string | null
  role: string
  label: string
  created_at_ms: number
  expires_at_ms: number | null
  /** When all that it makes ends at the latest. */
  bound_ms: number | null
  /** Of an invitation: the user who made it. */
  made_by: string | null
  last_used_at_ms: number | null
  last_used_from: string | null
  revoked_at_ms: number | null
}

/** Secrets of a batch's tasks, encrypted. */
export interface SecretsTable {
  batch_id: number
  number: number
  data: Uint8Array
}

/** Secrets by which machines may join, once each. */
export interface JoinTokensTable {
  hash: string
  /** The only name that it is good for; null: any. */
  node: string | null
  created_at_ms: number
  expires_at_ms: number
  used_at_ms: number | null
}

/** Nodes that have joined. */
export interface NodeCredentialsTable {
  node_id: string
  node: string
  runner_id: string
  /** Fingerprint of the authority of the certificate that it has shown last. */
  authority: string
  created_at_ms: number
  expires_at_ms: number
  revoked_at_ms: number | null
}

/** Who did what: see `core/audit.ts`. */
export interface AuditTableRow {
  seq: number
  at_ms: number
  who: string | null
  role: string | null
  token: string | null
  via: string
  address: string | null
  action: string
  target: string
  details: string
  result: string
  prev_hash: Uint8Array
  hash: Uint8Array
}

export interface Database {
  nodes: NodesTable
  batches: BatchesTable
  tasks: TasksTable
  task_events: TaskEventsTable
  node_events: NodeEventsTable
  users: UsersTable
  tokens: TokensTable
  secrets: SecretsTable
  join_tokens: JoinTokensTable
  node_credentials: NodeCredentialsTable
}
