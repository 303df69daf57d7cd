/**
 * Keeps each log of a task at its limit. Nothing stands between a task and its files, so that its output is true also
 * while the runner is away: the runner looks at their sizes, and cuts what is over. The task goes on and is told
 * nothing. What is cut is noted beside the log first (`platform/log-cut.ts`).
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { formatBytes } from '../core/units.ts'
import type { Log } from '../platform/log.ts'
import { cutPath } from '../platform/log-cut.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { after } from '../platform/wait.ts'
import type { LogStream } from '../protocol/routes.ts'

export type LogPaths = Record<LogStream, string>

export interface LogLimitOptions {
  /** Bytes that are kept of each file. */
  limitBytes: number
  /** On a directory that others serve too: it is touched by programs of their own alone, as it may never answer. */
  isShared: boolean
  log: Log
  everyMs?: number
}

interface Looked {
  paths: LogPaths
  /** Has the task ended? Then this is the last look. */
  isLast: boolean
  /** At least so many bytes were cut off each. */
  missing: Partial<Record<LogStream, number>>
}

/** What a task writes at full speed between two looks is more than the limit for so long. */
const localEveryMs = 200
/** A look costs a process. */
const sharedEveryMs = 1_000
const deadlineMs = 5_000
const longestPauseMs = 600_000

/**
 * `sh -c <this> sh LOG NOTE KEPT SIZE LAST`: notes what is missing, then cuts. Where the disk takes no note, what is
 * cut makes the room for it. With LAST, the log's own last line says it too. Prints how many bytes are missing.
 */
const cutScript = `
old=0
[ -f "$2" ] && read -r kept old < "$2"
missing=$((old + $4 - $3))
note() { printf '%s %s\\n' "$3" "$missing" > "$2.new" && mv -f "$2.new" "$2"; }
note "$@" 2>/dev/null || { truncate -s "$3" "$1"; note "$@"; } || exit
truncate -s "$3" "$1" || exit
[ -z "$5" ] || printf '\\n[hakuriver] cut at the limit: at least %s bytes are missing here\\n' "$missing" >> "$1"
echo "$missing"
`

export class LogLimit {
  private readonly options: LogLimitOptions
  private readonly looked = new Map<string, Looked>()
  private stopTimer: (() => void) | null = null
  private failures = 0
  private isClosed = false
  /** One at a time: two would count the same bytes. */
  private cutting: Promise<void> = Promise.resolve()

  constructor(options: LogLimitOptions) {
    this.options = options
  }

  /** From now on its logs are looked at. They are the runner's own, also where another user writes them. */
  watch(id: string, paths: LogPaths): void {
    this.looked.set(id, { paths, isLast: false, missing: {} })
    this.lookLater()
  }

  /** Makes the files so that this user may cut them, where systemd is root and the runner is not. */
  prepare(paths: LogPaths): void {
    if (this.options.isShared || process.getuid?.() === 0) return
    for (const path of Object.values(paths)) closeSync(openSync(path, 'a', 0o640))
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
    if (this.options.isShared && !wasCut) return null
    if (!wasCut && sizesOf(found.paths).every(({ size }) => size <= this.options.limitBytes)) {
      this.looked.delete(id)
      return null
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
      if (size > this.options.limitBytes || isMarked) await this.cut(found, stream, path, size)
    }
  }

  private async cut(found: Looked, stream: LogStream, path: string, size: number): Promise<void> {
    const kept = String(this.options.limitBytes)
    const over = String(Math.max(size, this.options.limitBytes))
    const words = ['sh', '-c', cutScript, 'sh', path, cutPath(path), kept, over, found.isLast ? 'last' : '']
    const { code, stdout, stderr, isLate } = await runBriefly(words, deadlineMs)
    if (code !== 0) throw new Error(`cannot cut ${path}: ${isLate ? 'no answer' : stderr.trim()}`)
    if (found.missing[stream] === undefined)
      this.options.log.warn(
        { path, limitBytes: this.options.limitBytes },
        'A log is over its limit and is cut',
      )
    found.missing[stream] = Number(stdout)
  }

  private sentence({ missing }: Looked): string | null {
    const parts = [
      ...(missing.stdout === undefined
        ? []
        : [`standard output (at least ${missing.stdout} bytes are missing)`]),
      ...(missing.stderr === undefined
        ? []
        : [`standard error (at least ${missing.stderr} bytes are missing)`]),
    ]
    if (parts.length === 0) return null
    return `its ${parts.join(' and ')} was cut at the limit of ${formatBytes(this.options.limitBytes)}`
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

function sizesOf(paths: LogPaths): { size: number }[] {
  return Object.values(paths).map((path) => ({ size: sizeOf(path) }))
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
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
