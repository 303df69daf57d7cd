/** A log file that a test writes and reads as a program would. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineIndex } from '../core/line-index.ts'
import type { MakeReader } from './log-indexes.ts'
import type { LinesQuery } from './log-lines.ts'
import { awaitLogPart } from './log-reader.ts'
import type { SearchQuery } from './log-search.ts'
import { LogViews, type LogViewsOptions } from './log-views.ts'

export class TestLog {
  readonly dir = mkdtempSync(join(tmpdir(), 'hakuriver-log-'))
  readonly path = join(this.dir, '1.out')
  readonly views: LogViews
  /** The task has ended. */
  isDone = false
  /** Reads so far, as offset and limit. */
  readonly reads: [number, number][] = []
  /** Reads wait for it. */
  gate: Promise<void> | null = null
  signal = new AbortController()

  /** In small pieces, so that small logs have many; or as programs have it. */
  constructor(pieces: 'small' | 'usual' = 'small', options: Partial<LogViewsOptions> = {}) {
    const small = { scanBytes: 100, makeIndex: () => new LineIndex(64, 100) }
    const few = { mostLogs: 4, mostScans: 1, mostSearches: 1 }
    this.views = new LogViews({ ...few, ...(pieces === 'small' && small), ...options })
  }

  readonly makeReader: MakeReader = (signal) => async (offset, limit, waitMs) => {
    this.reads.push([offset, limit])
    await this.gate
    const wasDone = this.isDone
    const part = await awaitLogPart(this.path, offset, limit, { waitMs, isDone: () => this.isDone, signal })
    return { ...part, isFinal: wasDone }
  }

  write(text: string | Uint8Array): void {
    writeFileSync(this.path, text)
  }

  append(text: string): void {
    appendFileSync(this.path, text)
  }

  lines(query: LinesQuery, name = '1') {
    return this.views.lines(name, this.makeReader, query, this.signal.signal)
  }

  search(query: SearchQuery) {
    return this.views.search('1', this.makeReader, query, this.signal.signal)
  }

  /** Everything that a search finds, call by call. */
  async searchAll(query: SearchQuery) {
    const items: Awaited<ReturnType<TestLog['search']>>['items'] = []
    let offset: number | null = query.offset ?? 0
    while (offset !== null) {
      const found = await this.search({ ...query, offset })
      items.push(...found.items)
      offset = found.next
    }
    return items
  }

  async close(): Promise<void> {
    await this.views.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}
