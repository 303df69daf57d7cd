/** The shapes that cross the wire, as JSON Schema: types, validation and OpenAPI come from here. */
import { type Static, type TProperties, type TSchema, Type } from 'typebox'
import { nodeStatuses } from '../core/node.ts'
import { roles, userNamePattern } from '../core/roles.ts'
import { statuses } from '../core/task.ts'
import { historyRanges } from './choices.ts'
import { limits } from './limits.ts'

const closed = { additionalProperties: false } as const
function Closed<T extends TProperties>(properties: T, options: { description?: string } = {}) {
  return Type.Object(properties, { ...closed, ...options })
}
function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

export const Id = Type.String({
  pattern: '^[0-9]{1,16}$',
  description: 'Id of a task or batch; grows with time',
})
export const Instant = Type.String({ description: 'ISO 8601 in UTC' })
export const StatusSchema = Type.Enum([...statuses])
export const RoleSchema = Type.Enum([...roles])
export const UserName = Type.String({ pattern: userNamePattern })
/** What a token is called, for the one who made it. */
export const Label = Type.String({
  minLength: 1,
  maxLength: limits.labelChars,
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
  description: 'without control characters',
})

/** No answer of the host ever holds one of the values. */
const Secrets = Type.Record(Type.String(), Type.String(), {
  description: 'variables that only the task itself sees: they are kept encrypted, and never shown again',
})

/** What is to be run. Keys that are left out take the default. */
export const SpecInput = Closed({
  command: Type.String({ minLength: 1, description: 'Program: a path, or a name looked up in PATH' }),
  arguments: Type.Optional(Type.Array(Type.String(), { maxItems: 100_000 })),
  env: Type.Optional(Type.Record(Type.String(), Type.String())),
  secrets: Type.Optional(Secrets),
  cwd: Type.Optional(Nullable(Type.String({ minLength: 1 }))),
  name: Type.Optional(Nullable(Type.String({ minLength: 1, maxLength: 200 }))),
  cores: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, default: 1 })),
  memoryBytes: Type.Optional(Nullable(Type.Integer({ minimum: 1 }))),
  timeoutMs: Type.Optional(Nullable(Type.Integer({ minimum: 1, maximum: 10 * 365 * 86_400_000 }))),
  privateNetwork: Type.Optional(Type.Boolean()),
  privatePids: Type.Optional(Type.Boolean()),
  queue: Type.Optional(Type.Boolean({ description: 'false: refuse a named target that is busy now' })),
  requeue: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 0,
      description: 'How often at most it is started again because its node was lost',
    }),
  ),
})
export type SpecInput = Static<typeof SpecInput>

/** One submit: every spec on every target. */
export const SubmitBody = Closed({
  submissionId: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{8,64}$',
      description: 'Made by the client; the same id again is the same submit and gets the same answer',
    }),
  ),
  name: Type.Optional(Nullable(Type.String({ minLength: 1, maxLength: 200 }))),
  specs: Type.Array(SpecInput, { minItems: 1, maxItems: limits.tasksPerBatch }),
  targets: Type.Optional(
    Type.Array(Type.String({ maxLength: 300 }), {
      minItems: 1,
      maxItems: limits.tasksPerBatch,
      description: 'any, node or node:numaId; left out: any',
    }),
  ),
  allOrNothing: Type.Optional(
    Type.Boolean({ description: 'true: where one spec and target is refused, no task is made' }),
  ),
  /** So that a large sweep sends them once. */
  secrets: Type.Optional(Secrets),
})
export type SubmitBody = Static<typeof SubmitBody>

/** One answer per spec and target, in the order specs × targets: created, or refused with the reason. */
export const SubmitOutcome = Closed({
  target: Type.String(),
  specIndex: Type.Integer(),
  taskId: Nullable(Id),
  error: Nullable(Closed({ code: Type.String(), message: Type.String() })),
})
export const SubmitResult = Closed({ batchId: Nullable(Id), tasks: Type.Array(SubmitOutcome) })
export type SubmitResult = Static<typeof SubmitResult>

export const TaskView = Closed({
  id: Id,
  batchId: Id,
  owner: Type.String({ description: 'the user who submitted it' }),
  status: StatusSchema,
  name: Nullable(Type.String()),
  command: Type.String(),
  arguments: Type.Array(Type.String()),
  cwd: Nullable(Type.String()),
  cores: Type.Integer(),
  memoryBytes: Nullable(Type.Integer()),
  timeoutMs: Nullable(Type.Integer()),
  privateNetwork: Type.Boolean(),
  privatePids: Type.Boolean(),
  /** How often at most it is started again because its node was lost. */
  requeue: Type.Integer(),
  /** The task that this one runs again; null: it was submitted as a new one. */
  rerunOf: Nullable(Id),
  target: Type.String({ description: 'what was asked for' }),
  node: Nullable(Type.String({ description: 'what was chosen' })),
  numaId: Nullable(Type.Integer()),
  attempt: Type.Integer(),
  submittedAt: Instant,
  startedAt: Nullable(Instant),
  endedAt: Nullable(Instant),
  unreachableSince: Nullable(Instant),
  stuck: Nullable(Type.String({ description: 'it is to end, and this of it cannot be ended' })),
  exitCode: Nullable(Type.Integer()),
  signal: Nullable(Type.String()),
  /** Why it waits, why it failed, who killed it. */
  reason: Nullable(Type.String()),
  cpuTimeMs: Nullable(Type.Integer()),
  peakMemoryBytes: Nullable(Type.Integer()),
})
export type TaskView = Static<typeof TaskView>

/** A task with what only its own page shows. */
export const TaskDetail = Closed({
  ...TaskView.properties,
  /** null: not shown to who asks. */
  env: Nullable(Type.Record(Type.String(), Type.String())),
  secretNames: Type.Array(Type.String(), {
    description:
      'what its secrets are called, for those who may see its environment; nothing shows their values',
  }),
  mayTouch: Type.Boolean({ description: 'who asks may end it, read its output and run it again' }),
})
export type TaskDetail = Static<typeof TaskDetail>

export const BatchView = Closed({
  id: Id,
  owner: Type.String({ description: 'the user who submitted it' }),
  name: Nullable(Type.String()),
  submittedAt: Instant,
  total: Type.Integer(),
  /** Number of tasks in each status that occurs. */
  counts: Type.Record(Type.String(), Type.Integer()),
  isFinal: Type.Boolean(),
})
export type BatchView = Static<typeof BatchView>

export const NumaNodeView = Closed({
  id: Type.Integer(),
  /** Logical CPUs that tasks may use; empty for one that is only memory. */
  cpus: Type.Array(Type.Integer()),
  /** 0: none that tasks may use; null: the machine does not tell. */
  memoryBytes: Nullable(Type.Integer()),
  /** To each NUMA node of the node, as the firmware tells; 10 is the distance to itself. */
  distances: Type.Record(Type.String(), Type.Integer()),
  /** By tasks that are bound to it. */
  coresAllocated: Type.Integer(),
  memoryAllocatedBytes: Type.Integer(),
  /** For one more task that is bound to it: what is free on it, and on the node. */
  coresFree: Type.Integer(),
  memoryFreeBytes: Nullable(Type.Integer()),
  cpuPercent: Nullable(Type.Number()),
  memoryUsedBytes: Nullable(Type.Integer()),
})

export const ExecutorView = Closed({
  name: Type.Enum(['systemd', 'systemd-user', 'process', 'fake']),
  why: Type.String(),
  enforcesLimits: Type.Boolean(),
  features: Closed({
    privateNetwork: Type.Boolean(),
    privatePids: Type.Boolean(),
    numa: Type.Boolean(),
    lease: Type.Optional(Type.Boolean()),
    secrets: Type.Optional(Type.Boolean()),
  }),
})

export const NodeView = Closed({
  name: Type.String(),
  status: Type.Enum([...nodeStatuses]),
  problem: Nullable(Type.String({ description: 'why nothing new is placed on it although it is online' })),
  /** An operator closed it; that can be taken back. */
  isDrained: Type.Boolean(),
  /** When it was last heard; for an unreachable node, how long ago tells the age of what is shown. */
  lastSeenAt: Instant,
  cores: Type.Integer(),
  coresAllocated: Type.Integer(),
  coresFree: Type.Integer(),
  memoryBytes: Type.Integer(),
  memoryAllocatedBytes: Type.Integer(),
  memoryFreeBytes: Type.Integer(),
  cpuPercent: Nullable(Type.Number()),
  memoryUsedBytes: Nullable(Type.Integer()),
  numaNodes: Type.Array(NumaNodeView),
  executor: ExecutorView,
  runnerVersion: Type.String(),
  tasksRunning: Type.Integer(),
  tasksHeld: Type.Integer({ description: 'tasks that hold a part of it: between placement and end' }),
  /** What its runner holds and this host does not know, as after the restore of an old backup. It is left alone, and its part of the node is kept. */
  unknownTasks: Type.Array(Closed({ taskId: Id, attempt: Type.Integer() })),
})
export type NodeView = Static<typeof NodeView>

/** Number of tasks in each status that occurs. */
export const Counts = Type.Record(Type.String(), Type.Integer())

/** A page of tasks. `total` is null where only a search through all of them would tell it. */
export const TaskPage = Closed({
  items: Type.Array(TaskView),
  total: Nullable(Type.Integer()),
  /** Null at the end. A search looks at a bounded number of tasks at a time: a page may be short, or empty, before that. */
  next: Nullable(Type.String()),
  /**
   * Where this page begins: a cursor with which it begins there again, whatever has come before it since. Null where
   * nothing is on it, and for a search or a sort that only a batch has.
   */
  begin: Nullable(Type.String()),
  /** Number of tasks that a search has looked at for this page; null: it is no search. */
  looked: Nullable(Type.Integer()),
})
export type TaskPage = Static<typeof TaskPage>

/** Tasks of a batch by what was asked for and where they went. */
export const BatchTarget = Closed({
  target: Type.String(),
  node: Nullable(Type.String({ description: 'null: not placed yet' })),
  counts: Counts,
  total: Type.Integer(),
})
export type BatchTarget = Static<typeof BatchTarget>

/** What became of one task of a bulk kill. */
export const KillOutcome = Closed({
  id: Id,
  isAsked: Type.Boolean({ description: 'false: there was nothing to kill, for the reason in `message`' }),
  status: Nullable(StatusSchema),
  message: Nullable(Type.String()),
})
export type KillOutcome = Static<typeof KillOutcome>

/** What became of one task that was to run again, as a new one. */
export const RerunOutcome = Closed({
  id: Id,
  taskId: Nullable(Id),
  error: Nullable(Closed({ code: Type.String(), message: Type.String() })),
})
export type RerunOutcome = Static<typeof RerunOutcome>

/** What a submit would do at this moment, for one spec and target. */
export const PreviewOutcome = Closed({
  target: Type.String(),
  specIndex: Type.Integer(),
  outcome: Type.Enum(['starts', 'waits', 'refused']),
  node: Nullable(Type.String()),
  numaId: Nullable(Type.Integer()),
  reason: Nullable(Type.String({ description: 'why it would wait, or is refused' })),
})
export type PreviewOutcome = Static<typeof PreviewOutcome>

export const PreviewResult = Closed({
  /** Tasks that it would make: specs × targets. */
  total: Type.Integer(),
  /** The first so many of them were looked at: not all only where that would take too long. The counts are of these. */
  looked: Type.Integer(),
  starts: Type.Integer(),
  waits: Type.Integer(),
  refused: Type.Integer(),
  /** The first of them, in the order specs × targets. */
  items: Type.Array(PreviewOutcome),
  /** The first that is refused for a reason of its own, wherever it stands. */
  firstRefused: Nullable(PreviewOutcome),
})
export type PreviewResult = Static<typeof PreviewResult>

/** The cluster in a few numbers. */
export const Overview = Closed({
  version: Type.String(),
  time: Instant,
  counts: Counts,
  nodes: Closed({
    total: Type.Integer(),
    online: Type.Integer(),
    unreachable: Type.Integer(),
    /** Online, but takes nothing new: drained, or for a problem. */
    closed: Type.Integer(),
  }),
  /** Of nodes that are online, but for what is allocated: that is held on silent ones too. */
  cores: Type.Integer(),
  coresAllocated: Type.Integer(),
  memoryBytes: Type.Integer(),
  memoryAllocatedBytes: Type.Integer(),
  memoryUsedBytes: Nullable(Type.Integer()),
  cpuPercent: Nullable(Type.Number({ description: 'of all cores of the nodes that are online' })),
})
export type Overview = Static<typeof Overview>

const Series = Type.Array(Nullable(Type.Number()))

/** Load over time: value i is the mean from `startAt` + i × `stepMs` on; null: nothing was heard then. */
export const History = Closed({
  range: Type.Enum([...historyRanges]),
  startAt: Instant,
  stepMs: Type.Integer(),
  cpuPercent: Series,
  memoryUsedBytes: Series,
  coresAllocated: Series,
  memoryAllocatedBytes: Series,
  cores: Series,
  memoryBytes: Series,
  tasksRunning: Series,
})
export type History = Static<typeof History>

/** How busy each node was, for a picture of node × time. */
export const NodeHistories = Closed({
  range: Type.Enum([...historyRanges]),
  startAt: Instant,
  stepMs: Type.Integer(),
  items: Type.Array(
    Closed({ node: Type.String(), cpuPercent: Series, coresAllocated: Series, cores: Type.Integer() }),
  ),
})
export type NodeHistories = Static<typeof NodeHistories>

/** What a task used over time. The steps grow with its life, so that there are never more than some hundred. */
export const TaskUsage = Closed({
  id: Id,
  startAt: Nullable(Instant),
  stepMs: Type.Integer(),
  /** CPUs' worth of time (1 = one CPU busy all the time). */
  cpuCores: Series,
  memoryBytes: Series,
  cores: Type.Integer({ description: 'what it may use' }),
  memoryLimitBytes: Nullable(Type.Integer()),
  /** Why nothing was measured. */
  missing: Nullable(Type.String()),
})
export type TaskUsage = Static<typeof TaskUsage>

/** One line of a log. */
export const LogLine = Closed({
  offset: Type.Integer({
    description:
      'of its first byte; of a line so long that its beginning was not looked for, of where it was read',
  }),
  bytes: Type.Integer({
    description:
      'of the whole line as far as it was looked at, without the line feed that ends it; a carriage return counts',
  }),
  text: Type.String({
    description: `its first ${limits.logLineBytes} bytes as UTF-8; what is none is U+FFFD`,
  }),
})
export type LogLine = Static<typeof LogLine>

/**
 * Some lines of a log, in their order; fewer than asked for where they are long.
 * An item whose offset is `nextOffset` has no end so far: it is given again, as far as it has come by then, and takes
 * the place of what was shown.
 */
export const LogLines = Closed({
  items: Type.Array(LogLine),
  /** Number of the first of them, from 1; null: there is none, or so far not all of the log before it was counted. */
  firstLine: Nullable(Type.Integer()),
  /** Where to go on: behind the last of them, or the beginning of a last one that has no end so far. */
  nextOffset: Type.Integer(),
  /**
   * Lines of the whole log as far as it was counted, with a last one that has no end so far; of all of it where
   * `countedBytes` is `size`. It is counted while somebody asks for it.
   */
  lineCount: Type.Integer(),
  countedBytes: Type.Integer(),
  size: Type.Integer(),
  /** The task has ended: `size` will not change. */
  isEnded: Type.Boolean(),
  /** The log was cut at its limit: at least so many bytes are missing behind the last. */
  missingBytes: Type.Integer(),
})
export type LogLines = Static<typeof LogLines>

export const LogMatch = Closed({
  line: Nullable(Type.Integer({ description: 'its number, from 1; null: not counted so far' })),
  offset: Type.Integer({
    description: 'of the first byte of its line, or of where a very long line was read from',
  }),
  matchOffset: Type.Integer({ description: 'of the first byte of what was found' }),
  textOffset: Type.Integer({ description: 'of the first byte of `text`' }),
  text: Type.String({
    description: `the line, or ${limits.logMatchBytes} bytes of it around what was found; it ends before the line feed`,
  }),
})
export type LogMatch = Static<typeof LogMatch>

/**
 * What a search has found in a bounded time; it goes on from `next`. Each line is given once, for the first that was
 * found in it; only a line that is too long for one call may be given again by the next.
 */
export const LogSearch = Closed({
  items: Type.Array(LogMatch),
  next: Nullable(Type.Integer({ description: 'byte to go on from; null: all was searched' })),
  size: Type.Integer(),
})
export type LogSearch = Static<typeof LogSearch>

/** Who is logged in, as a browser asks first. */
export const SessionView = Closed({
  /** null: nobody. */
  name: Nullable(Type.String()),
  role: Nullable(RoleSchema),
  /** The host asks for no tokens. */
  isOpen: Type.Boolean(),
  expiresAt: Nullable(Instant),
  version: Type.String(),
})
export type SessionView = Static<typeof SessionView>

export const LoginLink = Closed({
  url: Type.String({ description: 'opens the web page and logs in, once' }),
  expiresAt: Instant,
})
export type LoginLink = Static<typeof LoginLink>

/** Who calls, as the host sees it. */
export const Me = Closed({
  name: Type.String(),
  role: RoleSchema,
  via: Type.Enum(['token', 'session', 'open'], { description: 'open: the host asks for no tokens' }),
  tokenId: Nullable(Id),
  expiresAt: Nullable(Instant),
})
export type Me = Static<typeof Me>

export const UserView = Closed({
  name: Type.String(),
  role: RoleSchema,
  isDisabled: Type.Boolean(),
  createdAt: Instant,
  tokens: Type.Integer({ description: 'tokens and browsers that can be used now' }),
  lastUsedAt: Nullable(Instant),
})
export type UserView = Static<typeof UserView>

export const Invitation = Closed({
  invitation: Type.String({ description: 'for `hakuriver login`' }),
  link: Type.String({ description: 'for a browser; one of both can be used, once' }),
  expiresAt: Instant,
})
export type Invitation = Static<typeof Invitation>

/** A token, without what makes it one. */
export const TokenView = Closed({
  id: Id,
  kind: Type.Enum(['api', 'browser'], { description: 'browser: one that is logged in' }),
  user: Type.String(),
  role: Type.Enum([...roles], { description: 'in which it acts now: never more than its user may' }),
  label: Type.String(),
  createdAt: Instant,
  /** null: never. */
  expiresAt: Nullable(Instant),
  lastUsedAt: Nullable(Instant),
  lastUsedFrom: Nullable(Type.String({ description: 'an address' })),
  revokedAt: Nullable(Instant),
})
export type TokenView = Static<typeof TokenView>
/** One string to paste, by which one machine may join, once. */
export const JoinInvitation = Closed({
  invitation: Type.String({ description: 'for `hakuriver join`' }),
  node: Nullable(Type.String({ description: 'the only name that it is good for' })),
  expiresAt: Instant,
})
export type JoinInvitation = Static<typeof JoinInvitation>

/** What makes a machine a node, or a node's certificate anew. */
export const NodeCertificate = Closed({
  certificate: Type.String({ description: 'PEM' }),
  ca: Type.String({ description: 'PEM: all authorities that the host may be known by' }),
  nodeId: Type.String(),
  node: Type.String(),
})
export type NodeCertificate = Static<typeof NodeCertificate>

const AuthorityView = Closed({
  fingerprint: Type.String({ description: 'SHA-256 of its certificate, base64url' }),
  createdAt: Instant,
  expiresAt: Instant,
})

/** The authority for certificates of this cluster. */
export const AuthorityState = Closed({
  current: AuthorityView,
  /** The one that takes its place. */
  next: Nullable(AuthorityView),
  hostCertificate: Closed({ expiresAt: Instant, names: Type.Array(Type.String()) }),
  /** Nodes that have joined; `behind`: those that have not shown a certificate of the newest authority yet. */
  nodes: Closed({ joined: Type.Integer(), behind: Type.Array(Type.String()) }),
  /** PEM of all that are trusted. */
  ca: Type.String(),
})
export type AuthorityState = Static<typeof AuthorityState>

/** One row of the log of who did what. */
export const AuditView = Closed({
  seq: Type.Integer({ description: 'its number, from 1' }),
  at: Instant,
  user: Nullable(Type.String({ description: 'null: nobody that was known' })),
  role: Nullable(Type.String()),
  token: Nullable(Type.String({ description: 'id of the token or login by which it came' })),
  via: Type.String(),
  address: Nullable(Type.String()),
  action: Type.String({ description: 'name of the endpoint' }),
  target: Type.Array(Type.String(), { description: 'ids and names of what it was about' }),
  details: Type.Record(Type.String(), Type.Unknown()),
  result: Type.String({ description: 'ok, or the code of the error' }),
  hash: Type.String({ description: 'over the row and the hash of the row before' }),
})
export type AuditView = Static<typeof AuditView>

/** Newest first. A page may be short, or empty, before the end: a bounded number of rows is looked at for each. */
export const AuditPage = Closed({
  items: Type.Array(AuditView),
  next: Nullable(Type.String()),
  /** The last row that there is: kept elsewhere, its hash shows later that nothing before it was taken away. */
  head: Closed({ seq: Type.Integer(), hash: Type.String() }),
})
export type AuditPage = Static<typeof AuditPage>

/** What the host answers to a machine that checks itself. */
export const HostCheck = Closed({
  version: Type.String(),
  time: Type.String({ description: "the host's clock: ISO 8601 in UTC, to the millisecond" }),
  token: Type.Enum(['user', 'join', 'node', 'none'], {
    description:
      'whose the token is that was shown: of a person, or of runners; node: the certificate of one',
  }),
  /** null: none was asked for, or it is not known. */
  node: Nullable(
    Closed({
      name: Type.String(),
      status: Type.Enum([...nodeStatuses]),
      lastSeenAt: Instant,
      runnerVersion: Type.String(),
      executor: ExecutorView,
    }),
  ),
})
export type HostCheck = Static<typeof HostCheck>

/** Whether the host sees a file that was just written to the shared directory elsewhere. */
export const SharedFileCheck = Closed({
  state: Type.Enum(['found', 'absent', 'unreadable', 'hung', 'no_directory'], {
    description: 'no_directory: the host has none set; hung: its file system does not answer',
  }),
  directory: Nullable(Type.String({ description: "the host's shared directory" })),
  size: Nullable(Type.Integer()),
  sha256: Nullable(Type.String()),
})
export type SharedFileCheck = Static<typeof SharedFileCheck>

/** One row of a task's or node's history, as the event stream sends it (`id` is the resume point). */
export const ClusterEvent = Closed({
  id: Type.Integer(),
  at: Instant,
  kind: Type.Enum(['task', 'node']),
  /** What happened, past tense: a task event's type, or a node's new status. */
  type: Type.String(),
  taskId: Nullable(Id),
  batchId: Nullable(Id),
  node: Nullable(Type.String()),
  /** The task's status after the event. */
  status: Nullable(StatusSchema),
  attempt: Nullable(Type.Integer()),
  exitCode: Nullable(Type.Integer()),
  reason: Nullable(Type.String()),
})
export type ClusterEvent = Static<typeof ClusterEvent>

export const ErrorBody = Closed({
  code: Type.String(),
  message: Type.String(),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  requestId: Type.String(),
})
export type ErrorBody = Static<typeof ErrorBody>

/** A page of a list: `next` is the cursor of the following page, null at the end. */
export function Page<T extends TSchema>(item: T) {
  return Closed({ items: Type.Array(item), total: Type.Integer(), next: Nullable(Type.String()) })
}
