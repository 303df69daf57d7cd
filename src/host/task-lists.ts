/** Endpoints that list and count tasks. */
import { totalOf } from '../core/batch.ts'
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { isFinalTask, type Status, type Task } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Handlers } from '../protocol/host-api.ts'
import { limits } from '../protocol/limits.ts'
import type { BatchTarget } from '../protocol/schemas.ts'
import type { Cluster } from './cluster.ts'
import { type ListedAs, readCursor, writeCursor } from './cursor.ts'
import type { Store, TargetCount, TaskFilter, TaskPlace } from './store/store.ts'
import { TaskSearches } from './task-searches.ts'
import { countsView, taskView } from './views.ts'

export type TaskListHandlers = Pick<
  Handlers<{ signal?: AbortSignal }>,
  'listTasks' | 'countTasks' | 'listTaskIds' | 'listBatchTargets'
>

/** How long one answer searches; what is left is searched by the next page. */
const searchMs = 200
/** A list of ids has no next page. */
const idSearchMs = 15_000
/** Of a list of ids so many are read at a time. */
const idsPerTurn = 2_000
/** Larger pages end early. */
const pageBytes = 4 * 1024 * 1024

export function createTaskLists(cluster: Cluster, store: Store, clock: Clock): TaskListHandlers {
  const searches = new TaskSearches(store, clock)

  return {
    listTasks: async ({ query }, { signal }) => {
      const { sort = 'submitted', order = 'desc', limit = 100, q } = query
      const listed = { sort, order, isSearch: q !== undefined }
      const from = readCursor(query.cursor, listed)
      const list = { ...filterOf(query), sort, order }
      if (q === undefined) {
        const { items, total, next } = await store.tasks({ ...list, after: from?.place ?? null, limit })
        return {
          items: items.map((task) => taskView(task, cluster)),
          total,
          next: next === null ? null : writeCursor(listed, { part: 'all', place: next }),
          begin: beginOf(items[0], listed),
          looked: null,
        }
      }
      const { found, next, looked } = await searches.search(list, { q, from, limit, forMs: searchMs, signal })
      const tasks = await store.tasksById(
        found.flatMap(({ place }) => place?.id ?? []),
        pageBytes,
      )
      const goOn = tasks.length < found.length ? (found[tasks.length - 1] ?? null) : next
      return {
        items: tasks.flatMap((task) => (task === null ? [] : taskView(task, cluster))),
        total: null,
        next: goOn === null ? null : writeCursor(listed, goOn),
        begin: null,
        looked,
      }
    },
    countTasks: async ({ query }) => {
      const byStatus = await store.counts(filterOf(query))
      if (byStatus === null)
        throw new AppError(
          'invalid_request',
          'the tasks of an owner on a node are not counted: leave owner or node out, or name a batchId',
        )
      const counts = countsView(byStatus)
      return { counts, total: totalOf(counts) }
    },
    listTaskIds: async ({ query }, { signal }) => {
      const list = { ...filterOf(query), sort: 'submitted', order: 'desc' } as const
      const most = limits.bulkTasks
      if (query.q !== undefined) {
        const options = { q: query.q, from: null, limit: most + 1, forMs: idSearchMs, signal }
        const { found, next } = await searches.search(list, options)
        const ids = found.flatMap(({ place }) => (place === null ? [] : String(place.id)))
        return { ids: ids.slice(0, most), hasMore: next !== null || ids.length > most }
      }
      const ids: string[] = []
      let after: TaskPlace | null = null
      do {
        const limit = Math.min(idsPerTurn, most + 1 - ids.length)
        const places: TaskPlace[] = await store.taskPlaces({ ...list, after, limit })
        ids.push(...places.map(({ id }) => String(id)))
        after = places.length < limit ? null : (places.at(-1) ?? null)
        await new Promise<void>((resolve) => clock.soon(resolve))
      } while (after !== null && ids.length <= most)
      return { ids: ids.slice(0, most), hasMore: ids.length > most }
    },
    listBatchTargets: async ({ params }) => {
      const id = parseId(params.id)
      if (id === null || (await store.batch(id)) === null)
        throw new AppError('not_found', `there is no batch ${params.id}`)
      return { items: targetsOf(await store.batchTargets(id)) }
    },
  }
}

/** A cursor right before a task: what is listed behind it begins with that task. */
function beginOf(task: Task | undefined, listed: ListedAs): string | null {
  if (task === undefined) return null
  const { sort, order } = listed
  const id = task.id + (order === 'desc' ? 1 : -1)
  if (sort === 'submitted') return writeCursor(listed, { part: 'all', place: { key: id, id } })
  if (sort !== 'ended' || !isFinalTask(task)) return null
  return writeCursor(listed, { part: 'all', place: { key: task.endedAtMs, id } })
}

interface FilterQuery {
  status?: Status[]
  node?: string
  batchId?: string
  owner?: string
}

/** @throws AppError `not_found` for a batch that cannot be */
function filterOf(query: FilterQuery): TaskFilter {
  const { status: statuses, node, batchId, owner } = query
  if (batchId === undefined) return { statuses, node, owner }
  const id = parseId(batchId)
  if (id === null) throw new AppError('not_found', `there is no batch ${batchId}`)
  return { statuses, node, owner, batchId: id }
}

/** One for each target and node, with its statuses. */
function targetsOf(rows: readonly TargetCount[]): BatchTarget[] {
  const byPlace = new Map<
    string,
    { target: string; node: string | null; counts: Map<TargetCount['status'], number> }
  >()
  for (const { target, node, status, count } of rows) {
    const key = JSON.stringify([target, node])
    const place = byPlace.get(key) ?? { target, node, counts: new Map() }
    byPlace.set(key, place)
    place.counts.set(status, count)
  }
  return [...byPlace.values()].map(({ target, node, counts }) => {
    const view = countsView(counts)
    return { target, node, counts: view, total: totalOf(view) }
  })
}
