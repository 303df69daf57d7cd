/**
 * The output of many tasks in one stream, by short requests in turn: never more than two at a time, so that the page's
 * other requests find room, and of what is quiet less and less often. Lines of one task are in their order; between tasks
 * they stand as they were read.
 */
import { isFinal, type Status } from '../../../src/core/task.ts'
import type { LogLines } from '../../../src/protocol/schemas.ts'
import { type StyleState, stateAfter } from './ansi.ts'
import type { LinesQuery, LogName } from './calls.ts'

export interface BatchTask {
  id: string
  title: string
  status: Status
}

export interface BatchLine {
  key: number
  task: BatchTask
  stream: LogName['stream']
  text: string
  /** Colours that are on before it. */
  state: StyleState
  offset: number
  /** Of the whole line: more than its text where that is cut. */
  bytes: number
  /** From 1, in its own log; null: it was not counted so far. */
  number: number | null
}

export interface BatchLogDeps {
  read: (name: LogName, query: LinesQuery, signal: AbortSignal) => Promise<LogLines>
  onChange: () => void
  pause: (ms: number, signal: AbortSignal) => Promise<void>
  /** Milliseconds, of any clock that only goes on. */
  now: () => number
}

/** Lines that are kept; older ones are let go. */
export const mostBatchLines = 5_000
/** What had been written before one began to look: so many last lines of each output. */
export const lastLines = 20
const linesAtOnce = 500
/** Between two rounds over all tasks. */
const roundMs = 500
/** An output with nothing new is left alone for so long, each time longer. */
const shortestQuietMs = 500
const longestQuietMs = 8_000
const failedMs = 3_000
const readers = 2

interface Source {
  task: BatchTask
  stream: LogName['stream']
  /** Byte to go on from; null: not looked at yet. */
  offset: number | null
  state: StyleState
  isDone: boolean
  hasFailed: boolean
  quietMs: number
  dueMs: number
}

const hasBegun = (status: Status) => status !== 'pending' && status !== 'assigning'

/** Reads until it is closed. */
export class BatchLog {
  lines: BatchLine[] = []
  /** Lines that were let go, because there were too many. */
  dropped = 0
  /** Outputs that could not be read when they were asked for last. */
  failed = 0
  private readonly deps: BatchLogDeps
  private readonly sources = new Map<string, Source>()
  private readonly stop = new AbortController()
  private lastKey = 0
  private tasks: readonly BatchTask[] = []
  private isEndedWanted = false

  constructor(deps: BatchLogDeps) {
    this.deps = deps
  }

  /** Takes tasks as they are now. Those that run are read, and those that end meanwhile to their end. */
  setTasks(tasks: readonly BatchTask[]): void {
    this.tasks = tasks
    for (const task of tasks) {
      for (const stream of ['stdout', 'stderr'] as const) {
        const key = `${task.id} ${stream}`
        const source = this.sources.get(key)
        if (source !== undefined) {
          if (source.task.status !== task.status) source.dueMs = 0
          source.task = task
        } else if (hasBegun(task.status) && (this.isEndedWanted || !isFinal(task.status)))
          this.sources.set(key, {
            task,
            stream,
            offset: null,
            state: '',
            isDone: false,
            hasFailed: false,
            quietMs: shortestQuietMs,
            dueMs: 0,
          })
      }
    }
  }

  /** Reads the last lines of tasks that had ended, too. */
  readEnded(): void {
    this.isEndedWanted = true
    this.setTasks(this.tasks)
  }

  async run(): Promise<void> {
    const { signal } = this.stop
    while (!signal.aborted) {
      await this.round()
      await this.deps.pause(roundMs, signal).catch(() => {})
    }
  }

  /** Once over all outputs that may have something new. */
  async round(): Promise<void> {
    const now = this.deps.now()
    const open = [...this.sources.values()].filter(({ isDone, dueMs }) => !isDone && dueMs <= now)
    const read = async () => {
      for (let source = open.shift(); source !== undefined; source = open.shift()) {
        if (this.stop.signal.aborted) return
        source.hasFailed = !(await this.readOne(source))
        if (source.hasFailed) source.dueMs = this.deps.now() + failedMs
      }
    }
    await Promise.all(Array.from({ length: readers }, read))
    const failed = [...this.sources.values()].filter(({ hasFailed }) => hasFailed).length
    if (failed !== this.failed) {
      this.failed = failed
      this.deps.onChange()
    }
  }

  close(): void {
    this.stop.abort()
  }

  private async readOne(source: Source): Promise<boolean> {
    const { task, stream, offset } = source
    // asked before the read: what was written until the end is then in what is read
    const wasOver = isFinal(task.status)
    const query = offset === null ? { tail: true, count: lastLines } : { offset, count: linesAtOnce }
    try {
      const answer = await this.deps.read({ id: task.id, stream }, query, this.stop.signal)
      if (this.stop.signal.aborted) return true
      const hasNew = this.take(source, answer)
      source.quietMs = hasNew ? shortestQuietMs : Math.min(longestQuietMs, 1.5 * source.quietMs)
      source.dueMs = this.deps.now() + (hasNew ? 0 : source.quietMs)
      source.isDone = wasOver && answer.isEnded && source.offset === answer.size
      return true
    } catch {
      // its node may be away, or the host: the next round asks again
      return this.stop.signal.aborted
    }
  }

  /** true: there was something new. */
  private take(source: Source, answer: LogLines): boolean {
    const before = this.lastKey
    for (const [at, { offset, text, bytes }] of answer.items.entries()) {
      // the last line of a log that still grows comes again when it is whole
      if (offset === answer.nextOffset && !answer.isEnded) break
      this.lastKey += 1
      const { task, stream, state } = source
      const number = answer.firstLine === null ? null : answer.firstLine + at
      this.lines.push({ key: this.lastKey, task, stream, text, state, offset, bytes, number })
      source.state = stateAfter(text, state)
    }
    const last = answer.items.at(-1)
    // of a log that has ended, a last line without an end is all there will be of it
    const isLastWhole = last === undefined || last.offset !== answer.nextOffset || !answer.isEnded
    source.offset = isLastWhole ? answer.nextOffset : answer.size
    const over = this.lines.length - mostBatchLines
    if (over > 0) {
      this.lines.splice(0, over)
      this.dropped += over
    }
    const hasNew = this.lastKey > before
    if (hasNew) this.deps.onChange()
    return hasNew
  }
}
