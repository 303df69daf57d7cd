/** Reads a task's log by byte offset, and follows it over restarts of the host until the task has ended. */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'
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
  /** The log was cut at its limit: at least so many bytes are missing behind the last that is written. */
  onTruncated?: (missing: number) => Promise<void>
}

const chunkBytes = 1024 * 1024
const tailBlockBytes = 256 * 1024

/** Writes what the log holds now from `offset` on. Returns the offset after the last byte. */
export async function readLog(options: LogOptions, offset: number): Promise<number> {
  let at = offset
  let end: number | null = null
  let missing: number | null = null
  do {
    const limit = end === null ? chunkBytes : Math.min(chunkBytes, end - at)
    const answer = await openLog(options, { offset: at, limit })
    // As long as it was at the first look: a task that writes faster than we read would never let us go.
    end ??= headerNumber(answer, logHeaders.size) ?? at
    missing = headerNumber(answer, logHeaders.truncated)
    const from = at
    for await (const chunk of answer) {
      at += chunk.length
      await options.write(chunk)
    }
    if (at === from) break
  } while (at < end)
  if (missing !== null) await options.onTruncated?.(missing)
  return at
}

/**
 * As `readLog`, again where others read too many logs of the node, where the host has cut us off because our own reader
 * was slow (a pager), and where `isPatient` over restarts of the host.
 * @throws AppError `unavailable` where the log lies on a node that is away
 */
export async function readLogSurely(
  options: LogOptions & { isPatient: boolean },
  offset: number,
): Promise<number> {
  const { host, signal, isPatient } = options
  let at = offset
  let triedAt = -1
  const write = async (chunk: Uint8Array) => {
    await options.write(chunk)
    at += chunk.length
  }
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    try {
      return await readLog({ ...options, write }, at)
    } catch (error) {
      // something has come since the last time
      const wasSlow = isCut(error) && at > triedAt
      const mayHelp = isPatient ? host.wasReached && isMomentary(error) : isTooMany(error) || wasSlow
      triedAt = at
      if (signal.aborted || awayNode(error) !== null || !mayHelp) throw error
    }
    await sleep(pauseMs, undefined, { signal })
  }
}

export interface FollowLogOptions extends LogOptions {
  /** The host, or the node that has the log, has gone away, or is back. */
  onLink?: (state: 'cut' | 'back', node: string | null) => Promise<void>
  backoffMs?: number
}

/**
 * Writes the log from `offset` on as it grows, starting before the task does if need be, until the task has
 * ended and all of it is written, or the signal comes.
 */
export async function followLog(options: FollowLogOptions, offset: number): Promise<void> {
  let at = offset
  let wasCut = false
  let node: string | null = null
  const first = options.backoffMs ?? 100
  let pauseMs = first
  while (!options.signal.aborted) {
    try {
      const answer = await openLog(options, { offset: at, follow: true })
      if (wasCut) await options.onLink?.('back', node)
      wasCut = false
      for await (const chunk of answer) {
        at += chunk.length
        pauseMs = first
        await options.write(chunk)
      }
      // A clean end means that all was sent; a host that is shutting down may end cleanly as well.
      if (await hasEnded(options)) {
        await readLog(options, at)
        return
      }
    } catch (error) {
      if (options.signal.aborted) return
      if (!(options.host.wasReached && isMomentary(error))) throw error
      const away = awayNode(error)
      // what has ended grows no more: its node may be away for good
      if (away !== null && (await hasEnded(options))) throw error
      if (!wasCut && !isTooMany(error)) {
        node = away
        await options.onLink?.('cut', node)
        wasCut = true
      }
    }
    await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => {})
    pauseMs = Math.min(pauseMs * 2, 1_000)
  }
}

async function hasEnded({ host, taskId, signal }: LogOptions): Promise<boolean> {
  const task = await untilAnswered(() => host.client.getTask({ params: { id: taskId } }), signal)
  return isFinal(task.status)
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

/** May trying again help? */
function isMomentary(error: unknown): boolean {
  return isPassing(error) || isCut(error) || isTooMany(error)
}

/** So many logs are read from the node already that this one has to wait for its turn. */
function isTooMany(error: unknown): boolean {
  return error instanceof AppError && error.code === 'too_many'
}

/** The node that has the log, where it is that one which is away; null for any other failure. */
export function awayNode(error: unknown): string | null {
  const node = error instanceof AppError && error.code === 'unavailable' ? error.details?.node : null
  return typeof node === 'string' ? node : null
}

/** A body that broke off: Node says `aborted` (ECONNRESET). */
function isCut(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
}
