/**
 * The live stream of screens (`/api/v1/live`, server-sent events): instead of each event, a bounded digest of what
 * has changed, at most twice a second, whatever the cluster does. What it names is to be asked for again; it never
 * has to be believed for itself.
 */
import { type Static, Type } from 'typebox'
import { nodeStatuses } from '../core/node.ts'
import { Counts, Id, Instant, StatusSchema } from './schemas.ts'

const closed = { additionalProperties: false } as const

/** Most tasks, and most nodes, that a digest names. */
export const digestTasks = 500
export const digestNodes = 1_000

/** The first message of a stream. */
export const LiveHello = Type.Object(
  {
    /** The host's clock, by which ages are told. */
    time: Instant,
    version: Type.String(),
    /**
     * Not all that has happened since the resume point is told, for it is too much or that point is not known any more:
     * everything on the screen is to be asked for again.
     */
    isResync: Type.Boolean(),
  },
  closed,
)
export type LiveHello = Static<typeof LiveHello>

/**
 * What has changed since the last digest; its id on the stream is the last event's, and the resume point. The first one
 * comes right behind the hello: with what was missed, and with the counts in any case.
 */
export const LiveDigest = Type.Object(
  {
    time: Instant,
    /** Each task once, as it is now; the newest changes last. */
    tasks: Type.Array(
      Type.Object(
        { id: Id, batchId: Id, status: StatusSchema, node: Type.Union([Type.String(), Type.Null()]) },
        closed,
      ),
    ),
    /** More has changed than is named. */
    hasMore: Type.Boolean(),
    nodes: Type.Array(Type.String()),
    /** Of all tasks of the cluster. */
    counts: Counts,
  },
  closed,
)
export type LiveDigest = Static<typeof LiveDigest>

/** What each node does, of those where that has changed since the last one: first all. Only with `?load=true`. */
export const LiveLoad = Type.Object(
  {
    time: Instant,
    nodes: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          status: Type.Enum([...nodeStatuses]),
          lastSeenAt: Instant,
          cpuPercent: Type.Union([Type.Number(), Type.Null()]),
          memoryUsedBytes: Type.Union([Type.Integer(), Type.Null()]),
          coresAllocated: Type.Integer(),
          memoryAllocatedBytes: Type.Integer(),
        },
        closed,
      ),
    ),
  },
  closed,
)
export type LiveLoad = Static<typeof LiveLoad>

/** Names of the stream's events. */
export const liveEvents = { hello: 'hello', digest: 'digest', load: 'load' } as const
