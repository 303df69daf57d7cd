/** A task as a line of a list: without its arguments, of which one page could have megabytes. */
import { cut, shellQuote } from '../../../../src/core/text.ts'
import type { TaskView } from '../../../../src/protocol/schemas.ts'
import { formatInstant, printable } from '../../ui/format.ts'

const kept = [
  'id', 'batchId', 'owner', 'status', 'target', 'node', 'numaId', 'attempt', 'cores', 'memoryBytes', 'submittedAt', 'startedAt',
  'endedAt', 'stuck', 'exitCode', 'signal', 'reason', 'cpuTimeMs', 'peakMemoryBytes',
] as const satisfies (keyof TaskView)[] // biome-ignore format: a list

export interface TaskRow extends Pick<TaskView, (typeof kept)[number]> {
  /** Its name, else the beginning of its command line. */
  title: string
  isNamed: boolean
  /** The beginning of its command line, printable. */
  line: string
}

/** More than any screen shows in one line. */
const lineChars = 400

export function rowOf(task: TaskView): TaskRow {
  const { name } = task
  const line = shortLine([task.command, ...task.arguments])
  const facts = Object.fromEntries(kept.map((key) => [key, task[key]])) as Pick<
    TaskView,
    (typeof kept)[number]
  >
  return { ...facts, title: name === null ? line : printable(name), isNamed: name !== null, line }
}

/** The beginning of a command line, however long it is. */
export function shortLine(words: readonly string[], chars = lineChars): string {
  let line = ''
  for (const word of words) {
    if (line.length > chars) break
    // a cut word is quoted as the beginning of what it is
    line += `${line === '' ? '' : ' '}${shellQuote(word.slice(0, chars + 1))}`
  }
  return cut(printable(line), chars)
}

/** What stands in small beneath the title: why it waits or ended so, else what runs. */
export function noteOf(row: TaskRow): { text: string; isReason: boolean } {
  const { status, reason, stuck } = row
  const told = stuck ?? (status === 'completed' || status === 'running' ? null : reason)
  if (told !== null) return { text: sentence(told), isReason: true }
  return { text: row.isNamed ? row.line : '', isReason: false }
}

/** "exit 3", "SIGKILL"; empty where there is nothing to say beyond the status. */
export function exitNote({
  status,
  exitCode,
  signal,
}: Pick<TaskRow, 'status' | 'exitCode' | 'signal'>): string {
  if (status !== 'failed') return ''
  if (signal !== null) return printable(signal)
  return exitCode === null || exitCode === 0 ? '' : `exit ${exitCode}`
}

/** From when on its time is told, and in which word. */
export function since(row: TaskRow): { word: string; at: string } {
  if (row.endedAt !== null) return { word: 'ended', at: row.endedAt }
  if (row.startedAt !== null) return { word: 'started', at: row.startedAt }
  return { word: row.status === 'pending' ? 'waits since' : 'submitted', at: row.submittedAt }
}

const instants = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g

/** Printable, with a capital letter, as it stands alone; times are the reader's. */
export function sentence(text: string): string {
  const shown = printable(text).replace(instants, formatInstant)
  return shown.charAt(0).toUpperCase() + shown.slice(1)
}
