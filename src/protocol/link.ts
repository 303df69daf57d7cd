/**
 * The link's messages (runner ↔ host): JSON texts on one WebSocket that the runner opens.
 * Order on one link is kept; across links, reports are repeated until the host has acknowledged them.
 */
import { type Static, Type } from 'typebox'
import { limits } from './limits.ts'
import { ExecutorView, LogLines, LogSearch } from './schemas.ts'

/**
 * Raised by one on a breaking change; a host serves this and the previous one (`asVersion`).
 * 1: the first. 2: leases (`leaseMs`, `heard`, `beat`, `requeue`), `stuck`, `takes`, `problem`, `missing`; and `usage`,
 * which comes only where the host asks for it (`usageMs`).
 */
export const linkVersion = 2
/** The largest message that either side takes. */
export const linkMessageBytes = 8 * 1024 * 1024

const closed = { additionalProperties: false } as const
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const TaskId = Type.String({ pattern: '^[0-9]{1,16}$' })
const Attempt = Type.Integer({ minimum: 1 })
/** Milliseconds since the epoch by the runner's clock, whole. */
const Ms = Type.Integer()

export const LinkExit = Type.Object(
  {
    cause: Type.Enum([
      'exited',
      'signaled',
      'oom',
      'timeout',
      'killed',
      'launch_failed',
      'lost',
      'node_lost',
    ]),
    exitCode: Nullable(Type.Integer()),
    signal: Nullable(Type.String({ maxLength: 20 })),
    startedAtMs: Nullable(Ms),
    endedAtMs: Ms,
    cpuTimeMs: Nullable(Type.Integer({ minimum: 0 })),
    peakMemoryBytes: Nullable(Type.Integer({ minimum: 0 })),
    reason: Nullable(Type.String({ maxLength: 2000 })),
  },
  closed,
)

/** One attempt that the runner holds. `ended` ones have a report that is not acknowledged yet. */
export const HeldAttempt = Type.Object(
  {
    taskId: TaskId,
    attempt: Attempt,
    phase: Type.Enum(['starting', 'running', 'ended']),
    startedAtMs: Nullable(Ms),
    /** It is to end, and something of it cannot be ended: what that is, in words. Left out: nothing is. */
    stuck: Type.Optional(Type.String({ maxLength: 500 })),
    /** What it takes of the node, for a host that does not know the task. */
    takes: Type.Optional(
      Type.Object(
        {
          cores: Type.Integer({ minimum: 0 }),
          memoryBytes: Nullable(Type.Integer({ minimum: 0 })),
          numaId: Nullable(Type.Integer({ minimum: 0 })),
        },
        closed,
      ),
    ),
  },
  closed,
)
export type HeldAttempt = Static<typeof HeldAttempt>

export const LinkNumaNode = Type.Object(
  {
    id: Type.Integer({ minimum: 0 }),
    cpus: Type.Array(Type.Integer({ minimum: 0 })),
    memoryBytes: Nullable(Type.Integer({ minimum: 0 })),
    distances: Type.Record(Type.String(), Type.Integer()),
  },
  closed,
)

export const LinkLoad = Type.Object(
  {
    cpuPercent: Nullable(Type.Number()),
    memoryUsedBytes: Nullable(Type.Integer({ minimum: 0 })),
    numaNodes: Type.Array(
      Type.Object(
        {
          id: Type.Integer({ minimum: 0 }),
          cpuPercent: Nullable(Type.Number()),
          memoryUsedBytes: Nullable(Type.Integer({ minimum: 0 })),
        },
        closed,
      ),
    ),
  },
  closed,
)

/** The first message of a link. The token travels in the upgrade request's Authorization header. */
export const Hello = Type.Object(
  {
    type: Type.Literal('hello'),
    version: Type.Integer({ minimum: 1 }),
    runnerVersion: Type.String({ maxLength: 50 }),
    node: Type.String({ maxLength: 255 }),
    /** Made once per state directory: another one under the same node name means a wiped disk. */
    runnerId: Type.String({ maxLength: 64 }),
    bootId: Type.String({ maxLength: 64 }),
    capacity: Type.Object(
      {
        cores: Type.Integer({ minimum: 1 }),
        memoryBytes: Type.Integer({ minimum: 1 }),
        numaNodes: Type.Array(LinkNumaNode),
      },
      closed,
    ),
    executor: ExecutorView,
    attempts: Type.Array(HeldAttempt),
  },
  closed,
)

export const Heartbeat = Type.Object(
  {
    type: Type.Literal('heartbeat'),
    load: LinkLoad,
    attempts: Type.Array(HeldAttempt),
    /** Its number on this link, for `heard`; only to a host that told a lease. */
    beat: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Why it can start nothing at the moment, in words. Left out: it can. */
    problem: Type.Optional(Type.String({ maxLength: 500 })),
    /** It answers `log_lines` and `log_search`; only to a host that asks such. Left out: it does not. */
    logViews: Type.Optional(Type.Boolean()),
    /** It takes `secrets` with a start; only to a host that has such. Left out: it does not. */
    secrets: Type.Optional(Type.Boolean()),
  },
  closed,
)

/**
 * What running attempts have used so far, and use now; only to a host that told `usageMs`. Of what has used nothing that
 * the system tells, nothing is said. It may be lost: the next one comes soon.
 */
export const Usage = Type.Object(
  {
    type: Type.Literal('usage'),
    /** When it was read. */
    atMs: Ms,
    items: Type.Array(
      Type.Object(
        {
          taskId: TaskId,
          attempt: Attempt,
          /** Of all its processes since its start. null: the system does not tell. */
          cpuTimeMs: Nullable(Type.Integer({ minimum: 0 })),
          memoryBytes: Nullable(Type.Integer({ minimum: 0 })),
        },
        closed,
      ),
      { maxItems: limits.usageItems },
    ),
  },
  closed,
)

/** A durable report: sent again after every reconnect until a `ack` with its `seq` (or a higher one) came. */
export const Report = Type.Object(
  {
    type: Type.Literal('report'),
    seq: Type.Integer({ minimum: 1 }),
    taskId: TaskId,
    attempt: Attempt,
    event: Type.Union([
      Type.Object({ type: Type.Literal('started'), startedAtMs: Ms }, closed),
      Type.Object({ type: Type.Literal('exited'), exit: LinkExit }, closed),
    ]),
  },
  closed,
)

/** Answer to `log_read`. `data` is base64; `ended`: the task has ended and nothing lies beyond. */
export const LogChunk = Type.Object(
  {
    type: Type.Literal('log_chunk'),
    requestId: Type.Integer(),
    offset: Type.Integer({ minimum: 0 }),
    size: Type.Integer({ minimum: 0 }),
    data: Type.String(),
    ended: Type.Boolean(),
    error: Nullable(Type.String({ maxLength: 500 })),
    /** The log was cut at its limit: at least so many bytes are missing. Left out: none. */
    missing: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)

/** Answer to `log_lines` and `log_search`: what was asked for, or why not. */
export const LogView = Type.Object(
  {
    type: Type.Literal('log_view'),
    requestId: Type.Integer(),
    lines: Type.Optional(LogLines),
    search: Type.Optional(LogSearch),
    error: Type.Optional(
      Type.Object({ code: Type.String({ maxLength: 50 }), message: Type.String({ maxLength: 500 }) }, closed),
    ),
  },
  closed,
)

export const FromRunner = Type.Union([Hello, Heartbeat, Usage, Report, LogChunk, LogView])
export type FromRunner = Static<typeof FromRunner>

export const LinkSpec = Type.Object(
  {
    command: Type.String(),
    arguments: Type.Array(Type.String()),
    env: Type.Record(Type.String(), Type.String()),
    cwd: Nullable(Type.String()),
    name: Nullable(Type.String()),
    cores: Type.Integer({ minimum: 1 }),
    memoryBytes: Nullable(Type.Integer({ minimum: 1 })),
    timeoutMs: Nullable(Type.Integer({ minimum: 1 })),
    privateNetwork: Type.Boolean(),
    privatePids: Type.Boolean(),
    queue: Type.Boolean(),
    requeue: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)

/**
 * The host takes the runner in. `leaseMs`: how long what is leased goes on without a word of the host's. `usageMs`: how
 * often it wants to be told what running attempts use; left out: never.
 */
export const Welcome = Type.Object(
  {
    type: Type.Literal('welcome'),
    version: Type.Integer(),
    heartbeatMs: Type.Integer({ minimum: 1 }),
    leaseMs: Type.Optional(Type.Integer({ minimum: 1 })),
    usageMs: Type.Optional(Type.Integer({ minimum: 1 })),
    /** It asks `log_lines` and `log_search` of a runner that answers them. */
    logViews: Type.Optional(Type.Boolean()),
    /** It has secrets for tasks, for a runner that takes them. */
    secrets: Type.Optional(Type.Boolean()),
  },
  closed,
)
/** The heartbeat of this number came: the lease counts from when it was sent. The welcome says so of the hello. */
export const Heard = Type.Object({ type: Type.Literal('heard'), beat: Type.Integer({ minimum: 1 }) }, closed)
/** The host does not; it closes the link after this. `retry`: trying again later may help. */
export const Refused = Type.Object(
  { type: Type.Literal('refused'), code: Type.String(), message: Type.String(), retry: Type.Boolean() },
  closed,
)
/** Make your certificate anew, and link with that; only to a runner that has linked by one. */
export const Renew = Type.Object({ type: Type.Literal('renew') }, closed)
/** Run this attempt. Idempotent: a runner that has it already does nothing. */
export const Start = Type.Object(
  {
    type: Type.Literal('start'),
    taskId: TaskId,
    attempt: Attempt,
    batchId: TaskId,
    spec: LinkSpec,
    numaId: Nullable(Type.Integer({ minimum: 0 })),
    /** The user who submitted it. Left out: the first one, by a host from before there were users. */
    owner: Type.Optional(Type.String({ maxLength: 32 })),
    /**
     * Further variables of the task, which are kept from everybody else: beside the spec, because that is written down.
     * Only to a runner that said that it takes them.
     */
    secrets: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  closed,
)
/** End this attempt. One that the runner never saw is reported as killed, and never starts later. */
export const Kill = Type.Object({ type: Type.Literal('kill'), taskId: TaskId, attempt: Attempt }, closed)
/** Everything up to `seq` is committed on the host: the runner may forget it. */
export const Ack = Type.Object({ type: Type.Literal('ack'), seq: Type.Integer() }, closed)
/**
 * Wants bytes of a log. Answered at once if there are bytes at `offset` or the task has ended,
 * else as soon as there are some, or empty after `waitMs`.
 */
export const LogRead = Type.Object(
  {
    type: Type.Literal('log_read'),
    requestId: Type.Integer(),
    taskId: TaskId,
    attempt: Attempt,
    stream: Type.Enum(['stdout', 'stderr']),
    offset: Type.Integer({ minimum: 0 }),
    limit: Type.Integer({ minimum: 1 }),
    waitMs: Type.Integer({ minimum: 0 }),
  },
  closed,
)

const LogOfAttempt = {
  requestId: Type.Integer(),
  taskId: TaskId,
  attempt: Attempt,
  stream: Type.Enum(['stdout', 'stderr']),
}
const Count = Type.Optional(Type.Integer({ minimum: 0 }))

/** Wants lines of a log, as `readLogLines` of `host-api.ts` says. */
export const LogLinesWanted = Type.Object(
  {
    type: Type.Literal('log_lines'),
    ...LogOfAttempt,
    query: Type.Object(
      {
        from: Count,
        offset: Count,
        tail: Type.Optional(Type.Boolean()),
        count: Count,
        waitMs: Count,
        seen: Count,
      },
      closed,
    ),
  },
  closed,
)

/** Wants a search in a log, as `searchLog` of `host-api.ts` says. */
export const LogSearchWanted = Type.Object(
  {
    type: Type.Literal('log_search'),
    ...LogOfAttempt,
    query: Type.Object(
      { q: Type.String(), matchCase: Type.Optional(Type.Boolean()), offset: Count, limit: Count },
      closed,
    ),
  },
  closed,
)

/** Nobody waits for that answer any more. */
export const LogCancel = Type.Object({ type: Type.Literal('log_cancel'), requestId: Type.Integer() }, closed)

export const FromHost = Type.Union([
  Welcome,
  Refused,
  Heard,
  Renew,
  Start,
  Kill,
  Ack,
  LogRead,
  LogLinesWanted,
  LogSearchWanted,
  LogCancel,
])
export type FromHost = Static<typeof FromHost>

/** A message in words that a runner of this or the previous version knows; null: it would not understand it at all. */
export function asVersion(message: FromHost, version: number): FromHost | null {
  if (version >= 2) return message
  switch (message.type) {
    case 'welcome': {
      const { leaseMs: _, logViews: __, usageMs: ___, secrets: ____, ...rest } = message
      return { ...rest, version }
    }
    case 'heard':
    case 'renew':
    case 'log_lines':
    case 'log_search':
      return null
    case 'start': {
      const { owner: _, secrets: ___, ...rest } = message
      const { requeue: __, ...spec } = message.spec
      return { ...rest, spec }
    }
    default:
      return message
  }
}
