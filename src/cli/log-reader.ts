/** Reads a task's log by byte offset, and follows it over restarts of the host until the task has ended. */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFinal } from '../core/task.ts'
import { fillPath } from '../protocol/client.ts'
import { type LogStream, logHeaders, streamRoutes } from '../protocol/routes.ts'
import { isPassing, untilAnswered } from './event-stream.ts'
import type { Host } from './transport.ts'

export interface LogOptions {
  host: Host
  taskId: string
  stream: LogStream
  /** Takes the bytes in order; the reading waits for it. */
  write: (chunk: Uint8Array) => Promise<void>
  signal: AbortSignal
}

const chunkBytes = 1024 * 1024
const tailBlockBytes = 256 * 1024

/** Writes what the log holds now from `offset` on. Returns the offset after the last byte. */
export async function readLog(options: LogOptions, offset: number): Promise<number> {
  let at = offset
  let end: number | null = null
  do {
    const limit = end === null ? chunkBytes : Math.min(chunkBytes, end - at)
    const answer = await openLog(options, { offset: at, limit })
    // As long as it was at the first look: a task that writes faster than we read would never let us go.
    end ??= headerNumber(answer, logHeaders.size) ?? at
    const from = at
    for await (const chunk of answer) {
      at += chunk.length
      await options.write(chunk)
    }
    if (at === from) break
  } while (at < end)
  return at
}

export interface FollowLogOptions extends LogOptions {
  /** The host has gone away, or is back. */
  onLink?: (state: 'cut' | 'back') => Promise<void>
  backoffMs?: number
}

/**
 * Writes the log from `offset` on as it grows, starting before the task does if need be, until the task has
 * ended and all of it is written, or the signal comes.
 */
export async function followLog(options: FollowLogOptions, offset: number): Promise<void> {
  let at = offset
  let wasCut = false
  const first = options.backoffMs ?? 100
  let pauseMs = first
  while (!options.signal.aborted) {
    try {
      const answer = await openLog(options, { offset: at, follow: true })
      if (wasCut) await options.onLink?.('back')
      wasCut = false
      for await (const chunk of answer) {
        at += chunk.length
        pauseMs = first
        await options.write(chunk)
      }
      // A clean end means that all was sent; a host that is shutting down may end cleanly as well.
      const task = await untilAnswered(
        () => options.host.client.getTask({ params: { id: options.taskId } }),
        options.signal,
      )
      if (isFinal(task.status)) {
        await readLog(options, at)
        return
      }
    } catch (error) {
      if (options.signal.aborted) return
      if (!(options.host.wasReached && (isPassing(error) || isCut(error)))) throw error
      if (!wasCut) await options.onLink?.('cut')
      wasCut = true
    }
    await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => {})
    pauseMs = Math.min(pauseMs * 2, 1_000)
  }
}

/** The offset at which the last `lines` lines of the log begin, as tail(1) counts them. */
export async function tailOffset(options: LogOptions, lines: number): Promise<number> {
  const size = await sizeOf(options)
  if (lines === 0) return size
  let start = size
  let missing = lines
  let isLastByte = true
  while (start > 0) {
    const from = Math.max(0, start - tailBlockBytes)
    const block = await readBlock(options, from, start - from)
    for (let index = block.length - 1; index >= 0; index -= 1) {
      // The line end that closes the last line begins no other.
      if (block[index] === 0x0a && !isLastByte) missing -= 1
      isLastByte = false
      if (missing === 0) return from + index + 1
    }
    start = from
  }
  return 0
}

async function sizeOf(options: LogOptions): Promise<number> {
  const answer = await openLog(options, { offset: 0, limit: 1 })
  answer.resume()
  return headerNumber(answer, logHeaders.size) ?? 0
}

async function readBlock(options: LogOptions, offset: number, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of await openLog(options, { offset, limit })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function openLog(
  { host, taskId, stream, signal }: LogOptions,
  query: { offset: number; limit?: number; follow?: boolean },
): Promise<IncomingMessage> {
  const path = fillPath(streamRoutes.taskLog.path, { params: { id: taskId, stream }, query })
  return host.open({ path, signal })
}

function headerNumber(answer: IncomingMessage, name: string): number | null {
  const value = answer.headers[name]
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : null
  return number
}

/** A body that broke off: Node says `aborted` (ECONNRESET). */
function isCut(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
}
