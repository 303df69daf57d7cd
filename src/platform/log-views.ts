/** What a program that has logs, or reads them from elsewhere, offers of them: lines and searches, with one set of indexes. */
import type { LogLines, LogSearch } from '../protocol/schemas.ts'
import { LogIndexes, type LogIndexesOptions, type MakeReader } from './log-indexes.ts'
import { type LinesQuery, readLines } from './log-lines.ts'
import { type SearchQuery, searchLog } from './log-search.ts'
import { Turns } from './turns.ts'

export interface LogViewsOptions extends LogIndexesOptions {
  /** Searches that go on at a time. */
  mostSearches: number
}

/** So many searches wait for their turn; each takes some hundred milliseconds. */
const mostWaiting = 20

export class LogViews {
  private readonly indexes: LogIndexes
  private readonly searches: Turns

  constructor(options: LogViewsOptions) {
    this.indexes = new LogIndexes(options)
    this.searches = new Turns(options.mostSearches, mostWaiting)
  }

  /** `name`: of the log, the same for all who read it. @throws AppError `invalid_request`; what reading throws */
  lines(name: string, makeReader: MakeReader, query: LinesQuery, signal: AbortSignal): Promise<LogLines> {
    return readLines(this.indexes.log(name, makeReader), makeReader(signal), query, signal)
  }

  /** @throws AppError `invalid_request`, `too_many`; what reading throws */
  async search(
    name: string,
    makeReader: MakeReader,
    query: SearchQuery,
    signal: AbortSignal,
  ): Promise<LogSearch> {
    const endTurn = await this.searches.take('logs are searched', signal)
    try {
      return await searchLog(this.indexes.log(name, makeReader), makeReader(signal), query, signal)
    } finally {
      endTurn()
    }
  }

  /** Stops what goes on in the background. */
  close(): Promise<void> {
    return this.indexes.close()
  }
}
