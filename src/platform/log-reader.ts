/** Reads parts of a log file that somebody else appends to. */
import { constants } from 'node:fs'
import { AppError } from '../core/errors.ts'
import { readCut } from './log-cut.ts'
import { inFolderOf } from './log-file.ts'
import { withDeadline } from './wait.ts'

export interface LogPart {
  offset: number
  /** Bytes on offer when it was read. */
  size: number
  data: Buffer
  /** false: there is no such file (yet). */
  isThere: boolean
  /** At least so many bytes are missing behind the last, because the log was cut at its limit. */
  missing: number
  /** Tells it from another file in its place; empty: there is none. */
  file: string
}

/** How often a file is looked at for new bytes while somebody waits for them; NFS tells of none. */
const pollMs = 40

/**
 * Reads up to `limit` bytes from an offset; a negative offset counts from the end. A file that is not there
 * (yet) is empty. Links are not followed: a task may have put one there. Of a log that was cut, only what is kept is
 * offered, although the task may have gone on behind it.
 * @throws AppError `not_permitted` where something else than an ordinary file is in its place
 */
export function readLogPart(path: string, offset: number, limit: number): Promise<LogPart> {
  return inFolderOf(path, async (folder, name) => {
    const opened = (await folder?.file(name, constants.O_RDONLY)) ?? null
    if (folder === null || opened === null) return nothingAt(Math.max(0, offset))
    const { file, stats } = opened
    try {
      const { size, dev, ino } = stats
      const from = offset < 0 ? Math.max(0, size + offset) : offset
      const length = Math.max(0, Math.min(limit, size - from))
      const data = Buffer.allocUnsafe(length)
      const { bytesRead } = length === 0 ? { bytesRead: 0 } : await file.read(data, 0, length, from)
      await folder.refuseOther(name, stats)
      // looked for after the read: the note is there before anything is cut
      const { kept, missing } = (await readCut(folder, name)) ?? { kept: size, missing: 0 }
      return {
        offset: from,
        size: Math.min(size, kept),
        data: data.subarray(0, Math.max(0, Math.min(bytesRead, kept - from))),
        isThere: true,
        missing,
        file: `${dev}:${ino}`,
      }
    } finally {
      await file.close()
    }
  })
}

function nothingAt(offset: number): LogPart {
  return { offset, size: 0, data: Buffer.alloc(0), isThere: false, missing: 0, file: '' }
}

export type ReadLogPart = typeof readLogPart

/**
 * Reads of a directory that may never answer, such as a dead NFS: no more than `most` of them wait for it at a time, as
 * each keeps one of the few threads that all files of the process are waited for with.
 * @throws AppError `unavailable` where it does not answer within `deadlineMs`
 */
export function boundedReader(
  most: number,
  deadlineMs: number,
  read: ReadLogPart = readLogPart,
): ReadLogPart {
  let busy = 0
  const waiting: (() => void)[] = []
  const inTime = <T>(path: string, promise: Promise<T>): Promise<T> =>
    withDeadline(promise, deadlineMs, '').catch((error: unknown) => {
      if (!(error instanceof AppError && error.code === 'timeout')) throw error
      throw new AppError('unavailable', `cannot read ${path}: its file system does not answer`)
    })
  return async (path, offset, limit) => {
    while (busy >= most) {
      const turn = Promise.withResolvers<void>()
      waiting.push(turn.resolve)
      await inTime(path, turn.promise).finally(() => {
        const at = waiting.indexOf(turn.resolve)
        if (at >= 0) waiting.splice(at, 1)
      })
    }
    busy += 1
    const part = read(path, offset, limit)
    // also one that is late: its thread is free only then
    const done = () => {
      busy -= 1
      waiting.shift()?.()
    }
    part.then(done, done)
    return inTime(path, part)
  }
}

/**
 * The same, but waits for bytes: until there are some, `isDone` says that no more will come, the time is over
 * or the signal aborts.
 */
export async function awaitLogPart(
  path: string,
  offset: number,
  limit: number,
  options: { waitMs: number; isDone: () => boolean; signal?: AbortSignal; read?: ReadLogPart },
): Promise<LogPart & { ended: boolean }> {
  const endMs = performance.now() + options.waitMs
  for (;;) {
    // asked before the read: what was written until the end is then in what is read
    const isDone = options.isDone()
    const part = await (options.read ?? readLogPart)(path, offset, limit)
    const ended = isDone && part.offset + part.data.length >= part.size
    if (part.data.length > 0 || ended || performance.now() >= endMs || options.signal?.aborted) {
      return { ...part, ended }
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
