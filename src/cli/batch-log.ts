/** Prints the logs of many tasks as they are now, one task after the other, within a bound of connections. */
import { AppError } from '../core/errors.ts'
import type { Status } from '../core/task.ts'
import type { LineWriter } from '../platform/lines.ts'
import type { LogStream } from '../protocol/routes.ts'
import { awayNode, type LogOptions, readLogSurely, tailOffset } from './log-reader.ts'
import type { Host } from './transport.ts'

/** A task and how far its output is printed. */
export interface LogEntry {
  id: string
  status: Status
  streams: LogPart[]
}

export interface LogPart {
  stream: LogStream
  lines: LineWriter
  /** The next byte; null: to be found from the end, see `tail`. */
  at: number | null
}

export interface BatchLogOptions {
  host: Host
  signal: AbortSignal
  /** Lines from the end with which a part begins that has no offset yet. */
  tail: number
  /** The log of a task could not be read; the others go on. */
  onFailure: (id: string, error: AppError) => Promise<void>
}

/** So many tasks are asked for ahead of the one that is being printed. */
const readAhead = 8

/** Prints what the logs hold now, one task after the other. `isPatient`: over restarts of the host. */
export async function printLogs(
  entries: readonly LogEntry[],
  options: BatchLogOptions & { isPatient: boolean },
): Promise<void> {
  const turns = entries.map(() => Promise.withResolvers<void>())
  turns[0]?.resolve()
  const letAllGo = () => {
    for (const turn of turns) turn.resolve()
  }
  options.signal.addEventListener('abort', letAllGo, { once: true })
  const queue = entries.entries()
  const worker = async () => {
    for (const [at, entry] of queue) {
      if (options.signal.aborted) return
      // The first bytes wait here for the turn, and the connection with them.
      await readEntry(entry, options, turns[at]?.promise)
      await turns[at]?.promise
      await finishLines(entry)
      turns[at + 1]?.resolve()
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAhead, entries.length) }, worker))
}

/** Reads what is there of one task. Where its node is away, that is told by `onFailure`. */
export async function readEntry(
  entry: LogEntry,
  options: BatchLogOptions & { isPatient: boolean },
  turn?: Promise<void>,
): Promise<void> {
  const read = (log: LogOptions, offset: number) =>
    readLogSurely({ ...log, isPatient: options.isPatient }, offset)
  try {
    await eachPart(entry, options, read, turn)
  } catch (error) {
    if (options.signal.aborted) return
    if (!(error instanceof AppError) || awayNode(error) === null) throw error
    await turn
    await options.onFailure(entry.id, error)
  }
}

/** Reads both streams by `read`. Nothing is written any more once it is settled. */
export async function eachPart(
  entry: LogEntry,
  { host, signal, tail }: BatchLogOptions,
  read: (log: LogOptions, offset: number) => Promise<unknown>,
  turn?: Promise<void>,
): Promise<void> {
  const readings = entry.streams.map(async (part) => {
    const write = async (chunk: Uint8Array) => {
      await turn
      if (turn !== undefined && signal.aborted) return
      await part.lines.write(chunk)
      part.at = (part.at ?? 0) + chunk.length
    }
    const log: LogOptions = { host, signal, taskId: entry.id, stream: part.stream, write }
    part.at ??= await tailOffset(log, tail)
    await read(log, part.at)
  })
  const failed = (await Promise.allSettled(readings)).find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Prints last lines that have no end. */
export async function finishLines(entry: LogEntry): Promise<void> {
  for (const { lines } of entry.streams) await lines.finish()
}
