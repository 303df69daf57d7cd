/** Facts of a task in words. */
import type { TaskView } from '../../../../src/protocol/schemas.ts'
import { formatDuration } from '../../ui/format.ts'

const zoned = new Intl.DateTimeFormat('sv', {
  dateStyle: 'short',
  timeStyle: 'medium',
})
const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' })

/** `2026-11-23 10:31:59 GMT+1`: in the reader's zone, and which that is. */
export function zonedInstant(instant: string): string {
  const date = new Date(instant)
  const name = zone.formatToParts(date).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  return `${zoned.format(date)} ${name}`.trim()
}

/** "3 m 2 s, 1.8 of 4 cores on average"; null: not known. */
export function cpuWords(
  task: Pick<TaskView, 'cpuTimeMs' | 'startedAt' | 'endedAt' | 'cores'>,
): string | null {
  const { cpuTimeMs, startedAt, endedAt, cores } = task
  if (cpuTimeMs === null) return null
  const told = formatDuration(cpuTimeMs)
  if (startedAt === null || endedAt === null) return told
  const ms = Date.parse(endedAt) - Date.parse(startedAt)
  // of shorter ones the clocks' grain says more than the work
  if (ms < 1_000) return told
  const average = cpuTimeMs / ms
  return `${told}, ${average < 0.05 ? 'hardly any' : `${Number(average.toFixed(1))}`} of ${cores} ${cores === 1 ? 'core' : 'cores'} on average`
}
