/**
 * The output of many tasks in one stream, by short requests in turn: never more than two at a time, so that the page's
 * other requests find room. Lines of one task are in their order; between tasks they stand as they were read.
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
}

export interface BatchLogDeps {
  read: (name: LogName, query: LinesQuery, signal: AbortSignal) => Promise<LogLines>
  onChange: () => void
  pause: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Lines that are kept; older ones are let go. */
export const mostBatchLines = 5_000
/** What had been written before one began to look: so many last lines of each output. */
const lastLines = 20
const linesAtOnce = 500
/** Between two rounds over all tasks. */
const roundMs = 700
const readers = 2

interface Source {
  task: BatchTask
  stream: LogName['stream']
  /** Byte to go on from; null: not looked at yet. */
  offset: number | null
  state: StyleState
  isDone: boolean
}

const hasBegun = (status: Status) => status !== 'pending' && status !== 'assigning'

/** Reads until it is closed. */
export class BatchLog {
  lines: BatchLine[] = []
  /** Lines that were let go, because there were too many. */
  dropped = 0
  /** Outputs that could not be read in the last round. */
  failed = 0
  private readonly deps: BatchLogDeps
  private readonly sources = new Map<string, Source>()
  private readonly stop = new AbortController()
  private lastKey = 0

  constructor(deps: BatchLogDeps) {
    this.deps = deps
  }

  /** Takes tasks as they are now; those that have begun are read. */
  setTasks(tasks: readonly BatchTask[]): void {
    for (const task of tasks) {
      for (const stream of ['stdout', 'stderr'] as const) {
        const key = `${task.id} ${stream}`
        const source = this.sources.get(key)
        if (source !== undefined) source.task = task
        else if (hasBegun(task.status))
          this.sources.set(key, { task, stream, offset: null, state: '', isDone: false })
      }
    }
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
    const open = [...this.sources.values()].filter(({ isDone }) => !isDone)
    let failed = 0
    const read = async () => {
      for (let source = open.shift(); source !== undefined; source = open.shift()) {
        if (this.stop.signal.aborted) return
        if (!(await this.readOne(source))) failed += 1
      }
    }
    await Promise.all(Array.from({ length: readers }, read))
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
      this.take(source, answer)
      source.isDone = wasOver && answer.isEnded && source.offset === answer.size
      return true
    } catch {
      // its node may be away, or the host: the next round asks again
      return this.stop.signal.aborted
    }
  }

  private take(source: Source, answer: LogLines): void {
    for (const { offset, text } of answer.items) {
      // the last line of a log that still grows comes again when it is whole
      if (offset === answer.nextOffset && !answer.isEnded) break
      this.lastKey += 1
      const { task, stream, state } = source
      this.lines.push({ key: this.lastKey, task, stream, text, state, offset })
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
    if (answer.items.length > 0) this.deps.onChange()
  }
}
