/**
 * One search through a whole log, from what is looked at to the end, and then from the beginning: so the next match is found
 * first. Keeps where matches are, in the order of the log, and goes on as the log grows.
 */
import type { LogMatch, LogSearch } from '../../../src/protocol/schemas.ts'
import type { SearchQuery } from './calls.ts'
import { backOffMs, pause } from './pause.ts'

export interface Sought {
  q: string
  matchCase: boolean
}

export interface SearchDeps {
  search: (query: SearchQuery, signal: AbortSignal) => Promise<LogSearch>
  onChange: () => void
}

/** More are not looked for: such a search finds nothing for anybody. */
const mostHits = 10_000
const firstHits = 100
const laterHits = 500

export class SearchRun {
  /** One for each line, by their place in the log. */
  readonly hits: LogMatch[] = []
  isLooking = true
  /** There may be more of them. */
  isFull = false
  /** The last call failed; it is tried again. */
  error: unknown = null
  readonly sought: Sought
  private readonly from: number
  private readonly deps: SearchDeps
  private readonly closed = new AbortController()
  private searchedBytes = 0
  private size = 0
  private end = 0

  /** `from`: byte at which it begins. */
  constructor(sought: Sought, from: number, deps: SearchDeps) {
    this.sought = sought
    this.from = from
    this.deps = deps
    this.look(async () => {
      this.end = await this.lookThrough(from, null)
      if (from > 0) await this.lookThrough(0, from)
    })
  }

  close(): void {
    this.closed.abort()
  }

  /** How much of the log was searched, 0 to 1. */
  get progress(): number {
    return this.isLooking && this.size > 0 ? Math.min(1, this.searchedBytes / this.size) : 1
  }

  /** The log has so many bytes by now. */
  grow(size: number): void {
    if (this.isLooking || this.isFull || size <= this.end) return
    // what is found may have begun before; a character has at most four bytes
    const from = Math.max(0, this.end - 4 * this.sought.q.length)
    this.isLooking = true
    this.look(async () => {
      this.end = await this.lookThrough(from, null)
    })
  }

  /** The match before or behind a byte, around the ends; null: none, or it is not known so far. */
  step(offset: number, direction: 1 | -1): LogMatch | null {
    const { hits } = this
    const isKnown = !this.isLooking
    // forwards it is found in order, from where the search began
    if (direction === 1) {
      const next = hits.find((hit) => hit.offset > offset)
      if (next !== undefined && (isKnown || offset >= this.from)) return next
      return isKnown ? (hits[0] ?? null) : null
    }
    if (!isKnown) return null
    return hits.findLast((hit) => hit.offset < offset) ?? hits[hits.length - 1] ?? null
  }

  /** Place of the match in a line that begins at this byte, from 1; null: there is none. */
  rankOf(offset: number): number | null {
    const at = this.hits.findIndex((hit) => hit.offset === offset)
    return at < 0 ? null : at + 1
  }

  private look(work: () => Promise<void>): void {
    work()
      .catch(() => {}) // it ends when it is closed
      .finally(() => {
        this.isLooking = false
        if (!this.closed.signal.aborted) this.deps.onChange()
      })
  }

  /** Searches from one byte on, to another or the end. Returns the log's size at the end. */
  private async lookThrough(from: number, to: number | null): Promise<number> {
    for (let offset = from; ; ) {
      const limit = this.hits.length === 0 ? firstHits : laterHits
      const answer = await this.ask({ ...this.sought, offset, limit })
      this.take(answer, to)
      const { next } = answer
      this.searchedBytes += (next ?? answer.size) - offset
      const isOver = next === null || this.isFull || (to !== null && next >= to)
      if (!isOver) this.deps.onChange()
      if (isOver) return answer.size
      offset = next
    }
  }

  private take({ items, size }: LogSearch, to: number | null): void {
    this.size = size
    for (const hit of items) {
      if (to !== null && hit.offset >= to) continue
      const at = placeFor(this.hits, hit.offset)
      if (this.hits[at]?.offset === hit.offset) continue // told twice
      this.hits.splice(at, 0, hit)
    }
    this.isFull = this.hits.length >= mostHits
  }

  private async ask(query: SearchQuery): Promise<LogSearch> {
    const { signal } = this.closed
    for (let failures = 0; ; failures += 1) {
      try {
        const answer = await this.deps.search(query, signal)
        this.error = null
        return answer
      } catch (error) {
        signal.throwIfAborted()
        this.error = error
        this.deps.onChange()
        await pause(backOffMs(failures), signal)
      }
    }
  }
}

/** Where a match belongs among those that are known; they come in order as a rule. */
function placeFor(hits: readonly LogMatch[], offset: number): number {
  let low = 0
  for (let high = hits.length; low < high; ) {
    const middle = (low + high) >> 1
    if (hits[middle]!.offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
