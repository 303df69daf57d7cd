/**
 * Keeps each log of a task at its limit, and sees where their disk is full. Nothing stands between a task and its files, so that its output is true also
 * while the runner is away: the runner looks at their sizes, and cuts what is over. The task goes on and is told
 * nothing. What is cut is noted beside the log first (`platform/log-cut.ts`).
 */
import { closeSync, constants, lstatSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../core/errors.ts'
import { formatBytes } from '../core/units.ts'
import type { Log } from '../platform/log.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { after } from '../platform/wait.ts'
import type { LogStream } from '../protocol/routes.ts'
import { cutWithin } from './cut-within.ts'
import type { LogOwner } from './executors/executor.ts'

export type LogPaths = Record<LogStream, string>

export interface LogLimitOptions {
  /** Bytes that are kept of each file; null: all. */
  limitBytes: number | null
  /** On a directory that others serve too: it is touched by programs of their own alone, as it may never answer. */
  isShared: boolean
  log: Log
  everyMs?: number
  /** The program `cut-log`; default: beside the runner's own. */
  cutter?: string
  /** Makes and cuts them where this runner may only read them; left out: it does so itself. */
  owner?: LogOwner
}

interface Looked {
  /** Of the attempt. */
  id: string
  paths: LogPaths
  /** Has the task ended? Then this is the last look. */
  isLast: boolean
  /** At least so many bytes were cut off each. */
  missing: Partial<Record<LogStream, number>>
  /** The disk was full while it ran: what it wrote then is nowhere. */
  wasFull: boolean
  /** Something else than an ordinary file was in the place of a log, and that was told. */
  isOdd: boolean
}

/** What a task writes at full speed between two looks is more than the limit for so long. */
const localEveryMs = 200
/** A look costs a process. */
const sharedEveryMs = 1_000
const deadlineMs = 5_000
const longestPauseMs = 600_000
/** With less room than this a disk counts as full. */
const leastRoomBytes = 64 * 1024

export class LogLimit {
  private readonly options: LogLimitOptions
  private readonly limitBytes: number
  private readonly looked = new Map<string, Looked>()
  private stopTimer: (() => void) | null = null
  private failures = 0
  private isClosed = false
  /** One at a time: two would count the same bytes. */
  private cutting: Promise<void> = Promise.resolve()

  constructor(options: LogLimitOptions) {
    this.options = options
    this.limitBytes = options.limitBytes ?? Number.POSITIVE_INFINITY
  }

  /** From now on its logs are looked at. They are the runner's own, also where another user writes them. */
  watch(id: string, paths: LogPaths): void {
    this.looked.set(id, { id, paths, isLast: false, missing: {}, wasFull: false, isOdd: false })
    this.lookLater()
  }

  /** Why a task cannot be started: its output would have no room. null: it has, or the directory is a shared one. */
  problem(paths: LogPaths): string | null {
    const dir = dirname(paths.stdout)
    return !this.options.isShared && roomIn(dir) < leastRoomBytes
      ? `the disk for its output (${dir}) is full`
      : null
  }

  /** Makes the files so that this user may cut them, where systemd is root and the runner is not. */
  prepare(paths: LogPaths): void {
    if (this.options.isShared || this.options.owner !== undefined || process.getuid?.() === 0) return
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT
    const careful = constants.O_NOFOLLOW | constants.O_NONBLOCK
    for (const path of Object.values(paths)) closeSync(openSync(path, flags | careful, 0o640))
  }

  /**
   * The task has ended: one last look. @returns what to tell of it; null: nothing was cut. In a shared directory that
   * last look comes later, and tells nobody but the reader of the log.
   */
  end(id: string): Promise<string | null> | null {
    const found = this.looked.get(id)
    if (found === undefined) return null
    found.isLast = true
    const wasCut = Object.keys(found.missing).length > 0
    if (this.options.isShared && !wasCut) return found.wasFull ? Promise.resolve(this.sentence(found)) : null
    if (!this.options.isShared) found.wasFull ||= roomIn(dirname(found.paths.stdout)) < leastRoomBytes
    if (!wasCut && Object.values(found.paths).every((path) => sizeOf(path) <= this.limitBytes)) {
      this.looked.delete(id)
      return found.wasFull ? Promise.resolve(this.sentence(found)) : null
    }
    return this.cutAll([[id, found]]).then(() => {
      this.looked.delete(id)
      return this.sentence(found)
    })
  }

  close(): void {
    this.isClosed = true
    this.stopTimer?.()
  }

  private lookLater(): void {
    if (this.stopTimer !== null || this.isClosed || this.looked.size === 0) return
    const everyMs = this.options.everyMs ?? (this.options.isShared ? sharedEveryMs : localEveryMs)
    const delayMs = Math.min(longestPauseMs, this.failures === 0 ? everyMs : deadlineMs * 2 ** this.failures)
    this.stopTimer = after(delayMs, () => {
      this.look()
        .then(
          () => this.worked(),
          (error: unknown) => this.failed(String(error)),
        )
        .finally(() => {
          this.stopTimer = null
          this.lookLater()
        })
    })
  }

  private async look(): Promise<void> {
    const all = [...this.looked]
    // those that have ended by now are looked at for the last time
    const ended = all.filter(([, { isLast }]) => isLast)
    const [first] = all
    if (first !== undefined && (await this.isFull(dirname(first[1].paths.stdout))))
      for (const [, found] of all) found.wasFull = true
    await this.cutAll(all)
    if (this.options.isShared) for (const [id] of ended) this.looked.delete(id)
  }

  private cutAll(entries: [string, Looked][]): Promise<void> {
    const done = this.cutting.then(() => this.cutThese(entries))
    this.cutting = done.catch(() => {}) // told to who asked
    return done
  }

  private async cutThese(entries: [string, Looked][]): Promise<void> {
    const files = entries.flatMap(([, found]) =>
      (['stdout', 'stderr'] as const).map((stream) => ({ found, stream, path: found.paths[stream] })),
    )
    const paths = files.map(({ path }) => path)
    const sizes = this.options.isShared
      ? await sharedSizes(paths)
      : new Map(paths.map((path) => [path, sizeOf(path)]))
    for (const { found, stream, path } of files) {
      const size = sizes.get(path) ?? 0
      const isMarked = found.isLast && found.missing[stream] !== undefined
      if (size > this.limitBytes || isMarked) await this.cut(found, stream, path)
    }
  }

  private async cut(found: Looked, stream: LogStream, path: string): Promise<void> {
    try {
      const missing = await this.cutOne(found, stream, path)
      if (found.missing[stream] === undefined)
        this.options.log.warn({ path, limitBytes: this.limitBytes }, 'A log is over its limit and is cut')
      found.missing[stream] = missing
    } catch (error) {
      // it was changed by the task while we looked: the logs of others are kept at their limit all the same
      if (!(error instanceof AppError) || !isOfTheTask(error)) throw error
      if (!found.isOdd) this.options.log.warn({ path, why: error.message }, 'A log is not cut')
      found.isOdd = true
    }
  }

  private cutOne({ id, isLast }: Looked, stream: LogStream, path: string): Promise<number> {
    const { owner, isShared, cutter } = this.options
    if (owner !== undefined) return owner.cutLog(id, stream, isLast)
    const job = { path, kept: this.limitBytes, isLast }
    return cutWithin(job, isShared, cutter === undefined ? undefined : () => cutter)
  }

  private sentence({ missing, wasFull }: Looked): string | null {
    const streams = [
      ['standard output', missing.stdout],
      ['standard error', missing.stderr],
    ] as const
    const cut = streams.flatMap(([what, bytes]) =>
      bytes === undefined ? [] : [`${what} (at least ${bytes} bytes are missing)`],
    )
    const told = [
      ...(cut.length > 0
        ? [`its ${cut.join(' and ')} was cut at the limit of ${formatBytes(this.limitBytes)}`]
        : []),
      ...(wasFull ? ['the disk for its output was full while it ran: some of it may be missing'] : []),
    ]
    return told.join('; ') || null
  }

  private async isFull(dir: string): Promise<boolean> {
    if (!this.options.isShared) return roomIn(dir) < leastRoomBytes
    const { code, stdout } = await runBriefly(['stat', '-f', '-c', '%a %S', '--', dir], deadlineMs)
    const [blocks = Number.NaN, blockBytes = Number.NaN] = stdout.trim().split(' ').map(Number)
    return code === 0 && blocks * blockBytes < leastRoomBytes
  }

  private worked(): void {
    if (this.failures > 0) this.options.log.warn({}, 'The logs of tasks can be looked at again')
    this.failures = 0
  }

  /** Told once, then tried less and less often: each try may leave a process behind that cannot be ended. */
  private failed(error: string): void {
    if (this.failures === 0)
      this.options.log.warn({ error }, 'The logs of tasks cannot be kept at their limit')
    this.failures += 1
  }
}

/** Bytes that an ordinary user can still write there. */
function roomIn(dir: string): number {
  try {
    const { bavail, bsize } = statfsSync(dir)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY // it tells nothing: the start itself will
  }
}

/** Of an ordinary file; what is none is nothing that we cut. */
function sizeOf(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isFile() ? found.size : 0
}

/** The task's own doing: its log is gone, or something else is or was in its place. */
function isOfTheTask({ code }: AppError): boolean {
  return code === 'not_found' || code === 'not_permitted' || code === 'unavailable'
}

/** By stat(1), as none of our own threads may wait for that directory. */
async function sharedSizes(paths: readonly string[]): Promise<Map<string, number>> {
  const { stdout, isLate, startError } = await runBriefly(['stat', '-c', '%s %n', '--', ...paths], deadlineMs)
  if (isLate) throw new Error('the shared directory does not answer')
  if (startError !== null) throw new Error(`cannot run stat: ${startError}`)
  // a file that is not there (yet) has no line
  const lines = stdout.split('\n').filter((line) => line !== '')
  return new Map(
    lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.slice(0, line.indexOf(' ')))]),
  )
}
