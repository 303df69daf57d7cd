/** How far a batch is, in numbers and words. */
import { isBatchFinal, type StatusCounts, totalOf } from '../../../../src/core/batch.ts'
import { finalStatuses, type Status, statuses } from '../../../../src/core/task.ts'
import type { BatchTarget, BatchView, TaskView } from '../../../../src/protocol/schemas.ts'
import { countOf, formatCount, formatDuration, printable } from '../../ui/format.ts'

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

/** "All 40 tasks completed", "12 of 40 tasks have ended, 3 of them without success". */
export function progressSentence(counts: StatusCounts): string {
  const total = totalOf(counts)
  const ended = endedOf(counts)
  const failed = failedOf(counts)
  if (total === 0) return 'It has no tasks'
  if (ended === total && failed === 0)
    return total === 1 ? 'Its task completed' : `All ${countOf(total, 'task')} completed`
  if (total === 1) return ended === 0 ? 'Its task has not ended yet' : 'Its task ended without success'
  const bad = failed === 0 ? '' : `, ${formatCount(failed)} of them without success`
  if (isBatchFinal(counts)) return `All ${countOf(total, 'task')} have ended${bad}`
  if (ended === 0) return `None of ${countOf(total, 'task')} has ended yet`
  return `${formatCount(ended)} of ${countOf(total, 'task')} ${ended === 1 ? 'has' : 'have'} ended${bad}`
}

/** How many of the newest ends a pace is told of. */
export const paceTasks = 10

/**
 * How long the last ones took, without a guess at how long the others will: "the last 10 took 3 m each", "the last 10
 * took 2 s to 5 m". null: too few have ended to say so.
 */
export function paceSentence(ended: readonly Pick<TaskView, 'startedAt' | 'endedAt'>[]): string | null {
  const took = ended
    .flatMap(({ startedAt, endedAt }) =>
      startedAt === null || endedAt === null ? [] : Date.parse(endedAt) - Date.parse(startedAt),
    )
    .sort((a, b) => a - b)
  const [least] = took
  const most = took.at(-1)
  if (took.length < 3 || least === undefined || most === undefined) return null
  const told = formatDuration(most) === formatDuration(least) || most <= least * 1.25
  const mean = took.reduce((sum, ms) => sum + ms, 0) / took.length
  const times = told ? `${formatDuration(mean)} each` : `${formatDuration(least)} to ${formatDuration(most)}`
  return `The last ${took.length} that ended took ${times}`
}

/** One row of a table of places and statuses. */
export interface MatrixRow {
  place: string
  counts: StatusCounts
  total: number
  /** Of each status, the filter that lists exactly its tasks; none: no filter does. */
  links: Partial<Record<Status, { node: string | null }>>
}

/** What was asked for, and where it went where that says more: one row for each that reads alike. */
export function matrixOf(targets: readonly BatchTarget[]): MatrixRow[] {
  const all = (status: Status, node: string | null) =>
    targets.reduce(
      (sum, target) => sum + (node === null || target.node === node ? (countsOf(target)[status] ?? 0) : 0),
      0,
    )
  const rows = new Map<string, BatchTarget[]>()
  for (const target of targets) {
    const place = placeOf(target)
    rows.set(place, [...(rows.get(place) ?? []), target])
  }
  return [...rows].map(([place, parts]) => {
    const counts: StatusCounts = {}
    const links: MatrixRow['links'] = {}
    for (const status of statuses) {
      const count = parts.reduce((sum, part) => sum + (countsOf(part)[status] ?? 0), 0)
      if (count === 0) continue
      counts[status] = count
      const nodes = [
        ...new Set(parts.flatMap((part) => (countsOf(part)[status] === undefined ? [] : part.node))),
      ]
      const exact = [...nodes.filter((node) => node !== null), null].find(
        (node) => all(status, node) === count,
      )
      if (exact !== undefined) links[status] = { node: exact }
    }
    return { place, counts, links, total: parts.reduce((sum, part) => sum + part.total, 0) }
  })
}

function placeOf({ target, node }: BatchTarget): string {
  if (node === null || target === node || target.startsWith(`${node}:`)) return printable(target)
  return `${printable(target)} → ${printable(node)}`
}

/** The statuses that occur in any row, in the order of a life. */
export function columnsOfMatrix(rows: readonly Pick<MatrixRow, 'counts'>[]): Status[] {
  return statuses.filter((status) => rows.some(({ counts }) => (counts[status] ?? 0) > 0))
}
