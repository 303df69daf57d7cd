/** What has come into a list since it is held still, as the digests of changes tell. */
import { isFinal } from '../../../../src/core/task.ts'
import type { LiveDigest } from '../../../../src/protocol/live.ts'
import type { TaskFilter } from './filter.ts'

export interface Newer {
  /** Bounded; see `isMore`. */
  ids: ReadonlySet<string>
  /** There are more than those. */
  isMore: boolean
}

export const nothingNewer: Newer = { ids: new Set(), isMore: false }
const mostIds = 5_000

/** Can be told of this list at all? What a search would find is not known, and other orders have new ones anywhere. */
export function canBeCounted({ sort, order, q }: TaskFilter): boolean {
  return order === 'desc' && q.trim() === '' && (sort === 'submitted' || sort === 'ended')
}

/** With what a digest says. `firstId`: the first task that is shown; `isShown`: those that are loaded. */
export function withDigest(
  newer: Newer,
  digest: Pick<LiveDigest, 'tasks' | 'hasMore'>,
  list: { filter: TaskFilter; firstId: string | null; isShown: (id: string) => boolean },
): Newer {
  const { filter, firstId, isShown } = list
  const first = Number(firstId ?? 0)
  const comesFirst = ({ id, status }: LiveDigest['tasks'][number]) =>
    filter.sort === 'ended' ? isFinal(status) && !isShown(id) : Number(id) > first
  const found = digest.tasks.filter(
    (task) =>
      comesFirst(task) &&
      (filter.node === null || task.node === filter.node) &&
      (filter.batchId === null || task.batchId === filter.batchId),
  )
  const fits = ({ status }: LiveDigest['tasks'][number]) =>
    filter.statuses.length === 0 || filter.statuses.includes(status)
  const ids = new Set(newer.ids)
  for (const task of found) {
    if (!fits(task)) ids.delete(task.id)
    else if (ids.size < mostIds) ids.add(task.id)
  }
  const isMore = newer.isMore || digest.hasMore || ids.size >= mostIds
  if (ids.size === newer.ids.size && isMore === newer.isMore && [...ids].every((id) => newer.ids.has(id)))
    return newer
  return { ids, isMore }
}
