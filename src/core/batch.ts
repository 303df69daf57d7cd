/** A batch has no status of its own: what it is follows from its tasks. */
import { isFinal, type Status, statuses } from './task.ts'

/** Number of tasks in each status that occurs. */
export type StatusCounts = Partial<Record<Status, number>>

/** Counts tasks by status, in the order of a life. */
export function countStatuses(tasks: Iterable<{ status: Status }>): StatusCounts {
  const found = new Map<Status, number>()
  for (const { status } of tasks) found.set(status, (found.get(status) ?? 0) + 1)
  const counts: StatusCounts = {}
  for (const status of statuses) {
    const count = found.get(status)
    if (count !== undefined) counts[status] = count
  }
  return counts
}

/** Number of tasks that are counted. */
export function totalOf(counts: StatusCounts): number {
  return statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0)
}

/** Have all tasks of these counts ended for good? */
export function isBatchFinal(counts: StatusCounts): boolean {
  return statuses.every((status) => isFinal(status) || (counts[status] ?? 0) === 0)
}
