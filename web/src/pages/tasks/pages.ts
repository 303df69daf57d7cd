/** The loaded part of a list of any length: some pages in a row, and where they stand in the whole. */
import type { TaskPage } from '../../../../src/protocol/schemas.ts'
import { rowOf, type TaskRow } from './row.ts'

/** A cursor; null: the top of the list, whatever comes there. */
export type Place = string | null

export interface ListPage extends Omit<TaskPage, 'items'> {
  items: TaskRow[]
}

/** As vue-query keeps it. */
export interface Pages {
  pages: ListPage[]
  pageParams: Place[]
}

export function pageOf({ items, ...page }: TaskPage): ListPage {
  return { ...page, items: items.map(rowOf) }
}

/** All rows that are loaded, each once: pages that were read at different moments can overlap. */
export function rowsOf(pages: readonly ListPage[]): TaskRow[] {
  const rows = new Map<string, TaskRow>()
  for (const { items } of pages) for (const row of items) rows.set(row.id, rows.get(row.id) ?? row)
  return [...rows.values()]
}

/**
 * The same pages, beginning with the task that is now the first, so that new ones change nothing for who reads; null
 * where that is so already, or cannot be.
 */
export function held({ pages, pageParams }: Pages): Pages | null {
  const begin = pages[0]?.begin ?? null
  if (pageParams[0] !== null || begin === null) return null
  return { pages, pageParams: [begin, ...pageParams.slice(1)] }
}

/** Where a page begins: so many rows, and so many that a search has looked at, are before it. */
interface Known {
  rows: number
  looked: number
  before: Place | undefined
}

const top: Known = { rows: 0, looked: 0, before: undefined }
/** Two million rows: nobody scrolls so far. */
const mostKnown = 20_000

/** Where pages begin, of all that were seen: what is scrolled away is let go, and found again by this. */
export class PagePlaces {
  private readonly known = new Map<Place, Known>([[null, top]])
  /** Number of rows that are known to be there, loaded or not. */
  extent = 0

  /** Takes down what is loaded now. */
  note({ pages, pageParams }: Pages): void {
    for (const [at, page] of pages.entries()) {
      const place = pageParams[at] ?? null
      const start = this.of(place)
      const rows = start.rows + page.items.length
      this.known.set(place, start)
      this.extent = page.next === null ? rows : Math.max(this.extent, rows)
      if (page.next === null) continue
      this.known.set(page.next, { rows, looked: start.looked + (page.looked ?? 0), before: place })
    }
    for (const place of this.known.keys()) {
      if (this.known.size <= mostKnown) break
      if (place !== null) this.known.delete(place)
    }
  }

  /** What stands before a place; of one that was never seen, it is the top. */
  of(place: Place): Known {
    return this.known.get(place) ?? top
  }

  /** The place of the last page that begins at a row or before it. */
  nearest(row: number): Place {
    let best: Place = null
    let bestRows = -1
    for (const [place, { rows }] of this.known) {
      // of two at the same row, the one that was seen last
      if (rows <= row && rows >= bestRows) {
        best = place
        bestRows = rows
      }
    }
    return best
  }
}
