/** What a list of tasks shows, and the address that says so. */
import { isUserName } from '../../../../src/core/roles.ts'
import { type Status, statuses } from '../../../../src/core/task.ts'
import { type TaskSort, taskSorts } from '../../../../src/protocol/choices.ts'
import { limits } from '../../../../src/protocol/limits.ts'

export interface TaskFilter {
  /** None: all. */
  statuses: readonly Status[]
  node: string | null
  batchId: string | null
  /** Of this user alone; null: of everybody. */
  owner: string | null
  /** A part of the name, the command line or the id; empty: no search. */
  q: string
  sort: TaskSort
  order: 'asc' | 'desc'
}

/** The values of an address, as the router has them. */
export type Query = Record<string, string | null | readonly (string | null)[] | undefined>

/** Sorts that only the tasks of one batch have. */
export const batchSorts: readonly TaskSort[] = taskSorts.filter(
  (sort) => sort !== 'submitted' && sort !== 'ended',
)

/** The keys of an address that are the list's. */
const ours = ['status', 'node', 'batch', 'owner', 'q', 'sort', 'order'] as const

function texts(value: Query[string]): string[] {
  return [value ?? []].flat().filter((text) => text !== null)
}

/** Reads an address; what makes no sense is left out. `batchId`: the list is of this batch, whatever the address says. */
export function readFilter(query: Query, batchId: string | null = null): TaskFilter {
  const text = (name: string) => texts(query[name])[0] ?? ''
  const wanted = new Set(texts(query.status))
  const batch = batchId ?? (/^\d{1,16}$/.test(text('batch')) ? text('batch') : null)
  const sort = taskSorts.find((known) => known === text('sort')) ?? 'submitted'
  return {
    statuses: statuses.filter((status) => wanted.has(status)),
    node: text('node') === '' ? null : text('node').slice(0, 255),
    batchId: batch,
    owner: isUserName(text('owner')) ? text('owner') : null,
    q: text('q').slice(0, limits.searchChars),
    sort: batch === null && batchSorts.includes(sort) ? 'submitted' : sort,
    order: text('order') === 'asc' ? 'asc' : 'desc',
  }
}

/** The address of a filter; all that is not the list's stays. Defaults are left out. */
export function writeFilter(filter: TaskFilter, query: Query, isOfBatch = false): Query {
  const rest = Object.fromEntries(
    Object.entries(query).filter(([name]) => !(ours as readonly string[]).includes(name)),
  )
  return {
    ...rest,
    ...(filter.statuses.length > 0 && { status: [...filter.statuses] }),
    ...(filter.node !== null && { node: filter.node }),
    ...(filter.batchId !== null && !isOfBatch && { batch: filter.batchId }),
    ...(filter.owner !== null && { owner: filter.owner }),
    ...(filter.q.trim() !== '' && { q: filter.q }),
    ...(filter.sort !== 'submitted' && { sort: filter.sort }),
    ...(filter.order !== 'desc' && { order: filter.order }),
  }
}

/** What the host is asked. */
export function wantedOf({ statuses: wanted, node, batchId, owner, q }: TaskFilter) {
  return {
    ...(wanted.length > 0 && { status: [...wanted] }),
    ...(node !== null && { node }),
    ...(batchId !== null && { batchId }),
    ...(owner !== null && { owner }),
    ...(q.trim() !== '' && { q: q.trim() }),
  }
}

/** Is something left out? */
export function isNarrowed({ statuses: wanted, node, owner, q }: TaskFilter): boolean {
  return wanted.length > 0 || node !== null || owner !== null || q.trim() !== ''
}
