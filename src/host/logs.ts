/** A task's output: a range of bytes, or followed until the task has ended. */
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { isFinal, type Task } from '../core/task.ts'
import { logPath } from '../platform/log-paths.ts'
import { awaitLogPart, boundedReader } from '../platform/log-reader.ts'
import { limits } from '../protocol/limits.ts'
import { type LogStream, logHeaders, logStreams, streamRoutes } from '../protocol/routes.ts'
import { Id } from '../protocol/schemas.ts'
import type { Cluster } from './cluster.ts'
import type { EventHub } from './event-hub.ts'
import { drained } from './event-stream.ts'
import type { StreamRequest, StreamRoute } from './http.ts'
import type { LogAnswer } from './link-session.ts'
import type { Links } from './links.ts'
import type { Store } from './store/store.ts'

const Params = Type.Object({ id: Id, stream: Type.Enum([...logStreams]) }, { additionalProperties: false })
const Query = Type.Object(
  {
    offset: Type.Optional(Type.Integer({ description: 'first byte; negative: counted from the end' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.logReadBytes })),
    follow: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

/** How long one wait for bytes may take; then it is asked again. */
const waitMs = 15_000
const followBytes = 256 * 1024
/** Of the four threads that wait for all files of the host (libuv), so many may wait for the shared directory. */
const readShared = boundedReader(2, 5_000)

export interface LogDeps {
  cluster: Cluster
  store: Store
  hub: EventHub
  links: Links
  sharedDir: string | null
}

export function logRoute(deps: LogDeps): StreamRoute {
  return {
    path: streamRoutes.taskLog.path,
    access: 'view',
    params: Params,
    query: Query,
    handle: async (request, reply) => {
      const { id, stream } = request.params as { id: string; stream: LogStream } // checked against Params
      const query = request.query as { offset?: number; limit?: number; follow?: boolean } // and Query
      const log = new TaskLog(deps, parseId(id) ?? 0, stream, request.signal)
      const first = await log.read(query.offset ?? 0, query.limit ?? limits.logReadBytes, 0)
      reply.headers({
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        [logHeaders.offset]: first.offset,
        [logHeaders.size]: first.size,
        [logHeaders.ended]: String(first.ended),
        ...(first.missing > 0 ? { [logHeaders.truncated]: first.missing } : {}),
      })
      return query.follow === true ? follow(log, first, request, reply) : first.data
    },
  }
}

async function follow(
  log: TaskLog,
  first: LogAnswer,
  { signal }: StreamRequest,
  reply: FastifyReply,
): Promise<void> {
  const { raw } = reply
  reply.hijack()
  raw.writeHead(200, reply.getHeaders() as Record<string, string>)
  raw.flushHeaders()
  try {
    let part = first
    for (;;) {
      if (part.data.length > 0 && !raw.write(part.data)) await drained(raw, signal)
      if (part.ended || signal.aborted) break
      part = await log.read(part.offset + part.data.length, followBytes, waitMs)
    }
    raw.end()
  } catch {
    // a clean end would say that all was sent: the caller comes back and goes on from where it is
    raw.destroy()
  }
}

/** One output of one task, wherever it lies. */
export class TaskLog {
  private readonly deps: LogDeps
  private readonly id: number
  private readonly stream: LogStream
  private readonly signal: AbortSignal

  constructor(deps: LogDeps, id: number, stream: LogStream, signal: AbortSignal) {
    this.deps = deps
    this.id = id
    this.stream = stream
    this.signal = signal
  }

  /** Bytes from an offset: as soon as there are some, or the task has ended, or after `waitMs`. */
  async read(offset: number, limit: number, waitMs: number): Promise<LogAnswer> {
    const endMs = performance.now() + waitMs
    for (;;) {
      const task = await this.deps.store.task(this.id)
      if (task === null) throw new AppError('not_found', `there is no task ${this.id}`)
      const leftMs = Math.max(0, Math.round(endMs - performance.now()))
      const answer = await this.readOf(task, offset, limit, leftMs)
      if (answer !== null) return answer
      if (leftMs === 0 || this.signal.aborted) {
        return { offset: Math.max(0, offset), size: 0, data: Buffer.alloc(0), ended: false, missing: 0 }
      }
      // it waits for a place, or its node is away
      await this.deps.hub.nextChange(this.id, Math.min(leftMs, 1_000), this.signal)
    }
  }

  /** null: nothing can be read yet. */
  private async readOf(task: Task, offset: number, limit: number, leftMs: number): Promise<LogAnswer | null> {
    const { cluster, links, sharedDir } = this.deps
    // what an earlier attempt has written is there also while the task waits for the next
    if (sharedDir !== null && task.attempt > 0) {
      const path = logPath(sharedDir, this.stream, this.id)
      // not there: the node has another shared directory, or none, and tells by the link what it has
      const { isThere } = await readShared(path, 0, 0)
      if (isThere) {
        const isDone = () => cluster.task(this.id) === null
        const options = { waitMs: leftMs, isDone, signal: this.signal, read: readShared }
        return await awaitLogPart(path, offset, limit, options)
      }
    }
    if (!('placement' in task) || task.placement === null) {
      return isFinal(task.status)
        ? { offset: Math.max(0, offset), size: 0, data: Buffer.alloc(0), ended: true, missing: 0 }
        : null
    }
    const { node } = task.placement
    if (!links.isLinked(node) && leftMs > 0) return null
    const { attempt } = task
    const wanted = { taskId: this.id, attempt, stream: this.stream, limit, waitMs: leftMs }
    const from = offset < 0 ? Math.max(0, offset + (await this.sizeOn(node, attempt))) : offset
    const answer = await links.readLog(node, { ...wanted, offset: from }, this.signal)
    if (!answer.ended || cluster.task(this.id) === null) return answer
    // the runner has not got the start yet, or its report has not come: there may be more
    return answer.data.length > 0 || leftMs === 0 ? { ...answer, ended: false } : null
  }

  /** The link knows no negative offsets. */
  private async sizeOn(node: string, attempt: number): Promise<number> {
    const { id: taskId, stream } = this
    const wanted = { taskId, attempt, stream, offset: 0, limit: 1, waitMs: 0 }
    const { size } = await this.deps.links.readLog(node, wanted, this.signal)
    return size
  }
}
