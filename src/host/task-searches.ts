/**
 * Searches through the tasks. None holds the host up: all searches together look at tasks for some milliseconds, and
 * then let everything else go first.
 */
import { AppError } from '../core/errors.ts'
import { idRanges, type TaskSearch, taskSearch } from '../core/search.ts'
import { isFinal, statuses } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Position } from './cursor.ts'
import type { Store, TaskQuery } from './store/store.ts'

/** What is searched through, in which order. */
export type Searched = Omit<TaskQuery, 'after' | 'limit' | 'ids'>

export interface SearchOptions {
  q: string
  /** Where to go on; null: from the beginning. */
  from: Position | null
  limit: number
  /** It is given up for now after so long. */
  forMs: number
  /** Aborts when nobody waits for the answer any more. */
  signal?: AbortSignal | undefined
}

/** What was found, and where to go on; `next` null: all was searched. */
export interface SearchResult {
  found: Position[]
  next: Position | null
  /** Number of tasks that were looked at. */
  looked: number
}

const sliceMs = 8
/** Each takes its turn; with more of them the last would wait for seconds. */
const searchesAtOnce = 50

export class TaskSearches {
  private readonly store: Store
  private readonly clock: Clock
  /** The turn that was given out last. */
  private last: Promise<unknown> = Promise.resolve()
  private underWay = 0

  constructor(store: Store, clock: Clock) {
    this.store = store
    this.clock = clock
  }

  /** @throws AppError `too_many`; `invalid_request` for a sort that only a batch has */
  async search(searched: Searched, { q, from, limit, forMs, signal }: SearchOptions): Promise<SearchResult> {
    if (this.underWay >= searchesAtOnce)
      throw new AppError('too_many', 'many searches are under way: try again in a moment')
    this.underWay += 1
    try {
      const search = taskSearch(q)
      const until = this.clock.monotonic() + forMs
      const isTime = () => signal?.aborted !== true && this.clock.monotonic() < until
      const found: Position[] = []
      let looked = 0
      let next: Position | null = from ?? {
        part: beginsWithIds(searched, search) ? 'ids' : 'all',
        place: null,
      }
      do {
        const { part, place }: Position = next
        const query: TaskQuery = { ...searched, after: place, limit: limit - found.length }
        const slice = () => (part === 'ids' ? this.byId(query, search) : this.slice(query, search))
        const result: SearchResult = await this.inTurn(slice)
        found.push(...result.found)
        looked += result.looked
        next = result.next
      } while (next !== null && found.length < limit && isTime())
      return { found, next, looked }
    } finally {
      this.underWay -= 1
    }
  }

  /** Those whose id begins so, newest first or oldest first: an index has them all together. */
  private async byId(query: TaskQuery, { idPrefix }: TaskSearch): Promise<SearchResult> {
    const { sort, order, after, limit } = query
    const found: Position[] = []
    const wanted = query.statuses === undefined || query.statuses.length === 0 ? statuses : query.statuses
    const possible = wanted.filter((status) => sort !== 'ended' || isFinal(status))
    // those that are found are looked at again by what follows
    const rest: SearchResult = { found, next: { part: 'all', place: null }, looked: 0 }
    if (idPrefix === null || possible.length === 0) return rest
    const ranges = idRanges(idPrefix)
    if (order === 'desc') ranges.reverse()
    const { node, owner } = query
    const filter = { statuses: possible.length === statuses.length ? undefined : possible, node, owner }
    for (const ids of ranges) {
      const left = limit - found.length
      const part = { ...filter, sort: 'submitted', order, after, ids, limit: left } as const
      const places = await this.store.taskPlaces(part)
      found.push(...places.map((place): Position => ({ part: 'ids', place })))
      const last = found.at(-1)
      if (found.length === limit && last !== undefined) return { found, next: last, looked: 0 }
    }
    return rest
  }

  /** Looks through the tasks themselves; those of `byId` were told. */
  private async slice(query: TaskQuery, search: TaskSearch): Promise<SearchResult> {
    const { found, at, looked } = await this.store.searchSlice(query, search, sliceMs)
    const isNew = ({ id }: { id: number }) =>
      !beginsWithIds(query, search) || !String(id).startsWith(search.idPrefix ?? '')
    return {
      found: found.filter(isNew).map((place) => ({ part: 'all', place })),
      next: at === null ? null : { part: 'all', place: at },
      looked,
    }
  }

  /** One slice after the other, and between them all that has come in. */
  private inTurn<T>(slice: () => Promise<T>): Promise<T> {
    const turn = this.last
      .then(() => new Promise<void>((resolve) => this.clock.soon(resolve)))
      .then(() => slice())
    this.last = turn.catch(() => {})
    return turn
  }
}

/** A batch is small enough to be looked through in its order. */
function beginsWithIds({ batchId }: Searched, { idPrefix }: TaskSearch): boolean {
  return idPrefix !== null && batchId === undefined
}
