/** Cursors of lists of tasks: where a page has ended, and of which list. Opaque to who gets them. */
import { AppError } from '../core/errors.ts'
import { type TaskSort, taskSorts } from '../protocol/choices.ts'
import type { TaskOrder, TaskPlace } from './store/store.ts'

/** A list that a cursor belongs to: going on with another one would leave tasks out. */
export interface ListedAs {
  sort: TaskSort
  order: TaskOrder
  isSearch: boolean
}

/**
 * Where to go on. `part`: a search for digits first tells the tasks whose id begins so (`ids`), then all others;
 * `place` null: from the beginning of the part.
 */
export interface Position {
  part: 'ids' | 'all'
  place: TaskPlace | null
}

const form = /^([a-zA-Z]+)\.(asc|desc)\.(list|search)\.(ids|all)\.(?:(null|-?\d{1,16})\.(\d{1,16}))?$/

export function writeCursor({ sort, order, isSearch }: ListedAs, { part, place }: Position): string {
  const end = place === null ? '' : `${place.key}.${place.id}`
  const text = [sort, order, isSearch ? 'search' : 'list', part, end].join('.')
  return Buffer.from(text).toString('base64url')
}

/** @throws AppError `invalid_request` for one that was not given out for this list */
export function readCursor(cursor: string | undefined, list: ListedAs): Position | null {
  if (cursor === undefined) return null
  const text = Buffer.from(cursor, 'base64url').toString()
  const match = form.exec(text)
  const [, sort, order, kind, part, key, id] = match ?? []
  const isOurs =
    Buffer.from(text).toString('base64url') === cursor && taskSorts.some((candidate) => candidate === sort)
  if (!isOurs) throw foreign(cursor)
  if (sort !== list.sort || order !== list.order || (kind === 'search') !== list.isSearch)
    throw new AppError(
      'invalid_request',
      `the cursor "${cursor}" is of a list that is sorted or searched otherwise: begin again without it`,
    )
  // these lists hold no task without a key
  if (key === 'null' && (sort === 'submitted' || sort === 'ended')) throw foreign(cursor)
  const place = id === undefined ? null : { key: key === 'null' ? null : Number(key), id: Number(id) }
  return { part: part === 'ids' ? 'ids' : 'all', place }
}

function foreign(cursor: string): AppError {
  return new AppError('invalid_request', `the cursor "${cursor}" is not one that this host gave out`)
}
