/** How far a batch is, in numbers and words. */
import { isBatchFinal, type StatusCounts, totalOf } from '../../../../src/core/batch.ts'
import { finalStatuses, type Status, statuses } from '../../../../src/core/task.ts'
import type { BatchTarget, BatchView } from '../../../../src/protocol/schemas.ts'
import { countOf, formatCount } from '../../ui/format.ts'

/** The host's own statuses. */
export function countsOf(batch: Pick<BatchView, 'counts'> | Pick<BatchTarget, 'counts'>): StatusCounts {
  return batch.counts as StatusCounts
}

export function endedOf(counts: StatusCounts): number {
  return finalStatuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0)
}

/** Ended, and not completed. */
export function failedOf(counts: StatusCounts): number {
  return endedOf(counts) - (counts.completed ?? 0)
}

/** Where some of a batch's tasks are. */
export interface MatrixRow {
  place: string
  /** null: nowhere yet. */
  node: string | null
  counts: StatusCounts
  total: number
}

/** A row for each place. What waits for a node stands with what is there. */
export function matrixOf(targets: readonly BatchTarget[]): MatrixRow[] {
  const rows = new Map<string, MatrixRow>()
  for (const target of targets) {
    const { node, total } = target
    const place =
      node === null || target.target.split(':')[0] === node ? target.target : `${target.target} → ${node}`
    const row = rows.get(place) ?? { place, node, counts: {}, total: 0 }
    row.node ??= node
    row.total += total
    for (const [status, count] of Object.entries(countsOf(target)) as [Status, number][])
      row.counts[status] = (row.counts[status] ?? 0) + count
    rows.set(place, row)
  }
  return [...rows.values()]
}

/** "All 40 tasks completed", "12 of 40 tasks have ended, 3 of them without success". */
export function progressSentence(counts: StatusCounts): string {
  const total = totalOf(counts)
  const ended = endedOf(counts)
  const failed = failedOf(counts)
  if (total === 0) return 'It has no tasks'
  if (ended === total && failed === 0)
    return total === 1 ? 'Its task completed' : `All ${countOf(total, 'task')} completed`
  const bad = failed === 0 ? '' : `, ${formatCount(failed)} of them without success`
  if (isBatchFinal(counts))
    return `${total === 1 ? 'Its task has' : `All ${countOf(total, 'task')} have`} ended${bad}`
  return `${formatCount(ended)} of ${countOf(total, 'task')} ${ended === 1 ? 'has' : 'have'} ended${bad}`
}

/** The statuses that occur in any row, in the order of a life. */
export function columnsOfMatrix(rows: readonly { counts: StatusCounts }[]): Status[] {
  return statuses.filter((status) => rows.some((row) => (row.counts[status] ?? 0) > 0))
}
