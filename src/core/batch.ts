/** A batch has no status of its own: it is counted from its tasks. */
import { isFinal, type Status, statuses } from './task.ts'

/** Number of tasks in each status that occurs. */
export type StatusCounts = Partial<Record<Status, number>>

/** Counts tasks by status. */
export function countStatuses(tasks: Iterable<{ status: Status }>): StatusCounts {
  const counts: StatusCounts = {}
  for (const { status } of tasks) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

/** Have all tasks of these counts ended for good? */
export function isBatchFinal(counts: StatusCounts): boolean {
  return statuses.every((status) => isFinal(status) || (counts[status] ?? 0) === 0)
}
