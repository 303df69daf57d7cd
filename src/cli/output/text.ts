/** How a task, a node and a time look in words. Everything that others wrote is made printable first. */

import { isFinal, type Status } from '../../core/task.ts'
import { printable, shellQuote } from '../../core/text.ts'
import { formatBytes, formatDuration } from '../../core/units.ts'
import type { TaskView } from '../../protocol/schemas.ts'
import type { Colors } from '../context.ts'

/** A command line to be read, printable, quoted only where a shell would need it. */
export function commandLine(task: Pick<TaskView, 'command' | 'arguments'>): string {
  return printable([task.command, ...task.arguments].map(shellQuote).join(' '))
}

/** The status in its colour. The words stay: colour is never the only sign. */
export function paintStatus(status: Status, colors: Colors): (text: string) => string {
  switch (status) {
    case 'running':
      return colors.cyan
    case 'completed':
      return colors.green
    case 'failed':
    case 'killed_oom':
    case 'timed_out':
    case 'lost':
      return colors.red
    case 'unreachable':
    case 'killing':
      return colors.yellow
    case 'assigning':
    case 'pending':
      return colors.blue
    case 'killed':
      return colors.magenta
  }
}

/** How long ago: `12 s ago`, or `now`. */
export function ago(instant: string, nowMs: number): string {
  const ms = nowMs - Date.parse(instant)
  return ms < 1000 ? 'now' : `${formatDuration(ms)} ago`
}

/** `2026-11-23 10:31:59` in the local zone, for a person; JSON has ISO 8601 in UTC. */
export function localTime(instant: string): string {
  const at = new Date(instant)
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** How long it ran, has run, or has waited. */
export function taskTime(task: TaskView, nowMs: number): string {
  const from = Date.parse(task.startedAt ?? task.submittedAt)
  const to = task.endedAt === null ? nowMs : Date.parse(task.endedAt)
  if (task.startedAt === null && isFinal(task.status)) return '-'
  return formatDuration(Math.max(0, to - from))
}

/** What was asked for and, where it differs, what was chosen. */
export function whereabouts(task: Pick<TaskView, 'target' | 'node' | 'numaId'>): string {
  if (task.node === null) return printable(task.target)
  const placed = task.numaId === null ? task.node : `${task.node}:${task.numaId}`
  return printable(placed === task.target ? placed : `${task.target} → ${placed}`)
}

/** How it ended, or why it is where it is: "exit 2", "SIGTERM", a reason. What somebody else ended has no more to say. */
export function outcome(
  task: Pick<TaskView, 'status' | 'exitCode' | 'signal' | 'reason'> & Partial<Pick<TaskView, 'stuck'>>,
): string {
  if (task.stuck) return `stuck: ${printable(task.stuck)}`
  const parts = []
  if (task.status === 'failed' && task.exitCode !== null) parts.push(`exit ${task.exitCode}`)
  if (task.status === 'failed' && task.signal !== null) parts.push(task.signal)
  // "ended by SIGSEGV" says no more than the signal
  const isSaid = task.signal !== null && task.reason === `ended by ${task.signal}`
  if (task.reason !== null && !(isSaid && parts.length > 0)) parts.push(printable(task.reason))
  return parts.join(': ')
}

/** Bytes, or a dash. */
export function bytesOrDash(bytes: number | null): string {
  return bytes === null ? '-' : formatBytes(bytes)
}
