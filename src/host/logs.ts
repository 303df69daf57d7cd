/** A task's output as bytes: a range of them, followed until the task has ended, or all of it as a file. */
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { logFileName } from '../platform/log-paths.ts'
import { limits } from '../protocol/limits.ts'
import { type LogStream, logHeaders, logStreams, streamRoutes } from '../protocol/routes.ts'
import { Id } from '../protocol/schemas.ts'
import type { StreamRequest, StreamRoute } from './http.ts'
import { drained, ListenerLimit } from './sse.ts'
import { type LogDeps, refuseOthersLog, TaskLog, type TaskLogPart } from './task-log.ts'

const Params = Type.Object({ id: Id, stream: Type.Enum([...logStreams]) }, { additionalProperties: false })
const Query = Type.Object(
  {
    offset: Type.Optional(Type.Integer({ description: 'first byte; negative: counted from the end' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.logReadBytes })),
    follow: Type.Optional(Type.Boolean()),
    download: Type.Optional(Type.Boolean({ description: 'all that there is now, as a file' })),
  },
  { additionalProperties: false },
)

/** How long one wait for bytes may take; then it is asked again. */
const waitMs = 15_000
/** A reader that does not read keeps no more than that. */
const pieceBytes = 256 * 1024

interface LogQuery {
  offset?: number
  limit?: number
  follow?: boolean
  download?: boolean
}

/** Each has a piece of a log in memory. */
const mostPours = 512

export function logRoute(deps: LogDeps): StreamRoute {
  const pours = new ListenerLimit(mostPours, 'logs')
  return {
    path: streamRoutes.taskLog.path,
    access: 'submit',
    params: Params,
    query: Query,
    handle: async (request, reply) => {
      const { id, stream } = request.params as { id: string; stream: LogStream } // checked against Params
      const query = request.query as LogQuery // and Query
      refuseMixed(query)
      await refuseOthersLog(deps.store, id, request.caller)
      const log = new TaskLog(deps, parseId(id) ?? 0, stream, request.signal)
      const isPoured = query.follow === true || query.download === true
      if (isPoured) pours.take(request.signal)
      const most = isPoured ? pieceBytes : limits.logReadBytes
      const first = await log.read(query.offset ?? 0, Math.min(query.limit ?? most, most), 0)
      reply.headers({
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        [logHeaders.offset]: first.offset,
        [logHeaders.size]: first.size,
        [logHeaders.ended]: String(first.ended),
        ...(first.missing > 0 ? { [logHeaders.truncated]: first.missing } : {}),
      })
      if (query.download === true) {
        reply.header('content-length', first.size)
        const name = logFileName(stream, parseId(id) ?? 0)
        reply.header('content-disposition', `attachment; filename="${name}"`)
        return pour(log, first, first.size, request, reply)
      }
      return query.follow === true ? pour(log, first, null, request, reply) : first.data
    },
  }
}

/** @throws AppError `invalid_request` */
function refuseMixed({ follow, download, offset, limit }: LogQuery): void {
  if (download !== true) return
  if (follow === true)
    throw new AppError('invalid_request', 'follow and download exclude each other: a download ends by itself')
  if (offset !== undefined || limit !== undefined)
    throw new AppError('invalid_request', 'a download is the whole log: leave offset and limit out')
}

/** Sends the log from its first part on: up to byte `end`; null: until the task has ended. */
async function pour(
  log: TaskLog,
  first: TaskLogPart,
  end: number | null,
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
      const data = end === null ? part.data : part.data.subarray(0, end - part.offset)
      if (data.length > 0 && !raw.write(data)) await drained(raw, signal)
      const at = part.offset + data.length
      if (signal.aborted || (end === null ? part.ended : at >= end)) break
      if (end === null) part = await log.read(at, pieceBytes, waitMs)
      else {
        part = await log.read(at, pieceBytes, 0)
        if (part.data.length === 0) throw new Error('it is shorter than it was')
      }
    }
    raw.end()
  } catch {
    // a clean end would say that all was sent: the caller comes back and goes on from where it is
    raw.destroy()
  }
}
