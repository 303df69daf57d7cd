/** Numbers, times and names as the page shows them. What others wrote is made printable first. */

import { isFinal } from '../../../src/core/task.ts'
import { printable, shellQuote } from '../../../src/core/text.ts'
import { formatAge, formatBytes, formatDuration } from '../../../src/core/units.ts'
import type { TaskView } from '../../../src/protocol/schemas.ts'

export { formatAge, formatBytes, formatDuration }

const whole = new Intl.NumberFormat('en')

/** 1,234,567 */
export function formatCount(number: number): string {
  return whole.format(number)
}

/** "3 tasks", "1 task", "12,000 tasks". */
export function countOf(number: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(number)} ${number === 1 ? noun : plural}`
}

/** "42 %"; "–" where nothing is known. */
export function formatPercent(value: number | null): string {
  return value === null ? '–' : `${Math.round(value)} %`
}

/** A share as CSS wants it, 0–100 %. */
export function share(part: number, of: number): string {
  return `${of <= 0 ? 0 : Math.min(100, Math.max(0, (100 * part) / of))}%`
}

/** A command line to be read, quoted only where a shell would need it. */
export function commandLine(task: Pick<TaskView, 'command' | 'arguments'>): string {
  return printable([task.command, ...task.arguments].map(shellQuote).join(' '))
}

/** Its name, else its command line. */
export function taskTitle(task: Pick<TaskView, 'name' | 'command' | 'arguments'>): string {
  return task.name === null ? commandLine(task) : printable(task.name)
}

const clock = new Intl.DateTimeFormat('sv', { dateStyle: 'short', timeStyle: 'medium' })

/** `2026-11-23 10:31:59` in the reader's zone. */
export function formatInstant(instant: string): string {
  return clock.format(new Date(instant))
}

/** How long ago by the host's clock: "12 s ago", "now". */
export function formatAgo(instant: string, nowMs: number): string {
  const ms = nowMs - Date.parse(instant)
  return ms < 1_000 ? 'now' : `${formatAge(ms)} ago`
}

/** How long it has waited, runs, or ran; null: it never ran. */
export function taskMs(
  task: Pick<TaskView, 'status' | 'submittedAt' | 'startedAt' | 'endedAt'>,
  nowMs: number,
): number | null {
  if (task.startedAt === null && isFinal(task.status)) return null
  const from = Date.parse(task.startedAt ?? task.submittedAt)
  const to = task.endedAt === null ? nowMs : Date.parse(task.endedAt)
  return Math.max(0, to - from)
}

/** Where it is, else what it is meant for: `n2`, `n2:0`, `any`. */
export function placeOf(task: Pick<TaskView, 'target' | 'node' | 'numaId'>): string {
  if (task.node === null) return printable(task.target)
  return printable(task.numaId === null ? task.node : `${task.node}:${task.numaId}`)
}

export { printable }
