/**
 * Judges a run of chaos: what was promised to the client, what processes themselves wrote down, and what the API says
 * of each task in the end have to tell one story. Pure.
 */
import { isFinal, type Status } from '../../src/core/task.ts'

/** What a client was promised, and what the task does. */
export interface Promised {
  id: string
  exitCode: number
  output: string
  isKillAsked: boolean
  acceptedAtMs: number
}

/** A line that a task's own process wrote to its machine's disk. */
export interface Witnessed {
  id: string
  node: string
  what: 'start' | 'end'
  /** Of an end. */
  exitCode: number | null
}

/** What the API says in the end. */
export interface Told {
  id: string
  status: Status
  exitCode: number | null
  node: string | null
  reason: string | null
  /** Statuses of its events, oldest first. */
  history: Status[]
  /** null: it was not read. */
  output: string | null
}

export interface History {
  promised: readonly Promised[]
  witnessed: readonly Witnessed[]
  told: readonly Told[]
  /** When each node lost power. */
  powerLosses: readonly { node: string; atMs: number }[]
  /** When the disk of each node was filled. */
  fullDisks: readonly { node: string; atMs: number }[]
  /** Processes and units of tasks that are there when all is over, by node. */
  left: readonly string[]
}

/** What is wrong with it, each in one sentence with the task's id in it; empty: nothing. */
export function judge(history: History): string[] {
  const { promised, witnessed, told, left } = history
  const findings = left.map((what) => `something is left: ${what}`)
  const tellings = new Map(told.map((each) => [each.id, each]))
  const promises = new Map(promised.map((each) => [each.id, each]))
  for (const { id } of told)
    if (!promises.has(id)) findings.push(`task ${id} was made, and promised to nobody`)
  const seen = new Map<string, Witnessed[]>()
  for (const line of witnessed) seen.set(line.id, [...(seen.get(line.id) ?? []), line])
  for (const [id, lines] of seen) {
    const starts = lines.filter(({ what }) => what === 'start')
    if (starts.length > 1)
      findings.push(
        `task ${id} was started ${starts.length} times: ${starts.map(({ node }) => node).join(', ')}`,
      )
  }
  for (const promise of promised) {
    const telling = tellings.get(promise.id)
    if (telling === undefined) findings.push(`task ${promise.id} was promised and is gone`)
    else findings.push(...judgeOne(promise, telling, seen.get(promise.id) ?? [], history))
  }
  return findings
}

function judgeOne(
  promise: Promised,
  telling: Told,
  lines: Witnessed[],
  { powerLosses, fullDisks }: History,
): string[] {
  const { id, exitCode, output, isKillAsked, acceptedAtMs } = promise
  const { status } = telling
  const findings: string[] = []
  const find = (what: string) => findings.push(`task ${id} is ${status}, ${what}`)
  if (!isFinal(status)) {
    find('long after all faults')
    return findings
  }
  if (telling.history.at(-1) !== status) find(`and its last event says ${telling.history.at(-1)}`)
  if (telling.history.slice(0, -1).some(isFinal)) find('and an event before the last is an end')
  const end = lines.find(({ what }) => what === 'end')
  const wasStarted = lines.length > 0
  const wasThere = (faults: History['powerLosses']) =>
    faults.some(({ node, atMs }) => node === telling.node && atMs >= acceptedAtMs)
  // a full disk may refuse a start, or bytes of a log, where that is told
  const isExcused = (words: RegExp) => wasThere(fullDisks) && words.test(telling.reason ?? '')
  switch (status) {
    case 'completed':
    case 'failed':
      if (telling.exitCode === null) {
        if (wasStarted || !isExcused(/disk .* is full|cannot write its state|ENOSPC|No space/))
          find(`without a code: ${telling.reason}`)
      } else if (end === undefined) find('and its process never came to its end')
      if (telling.exitCode !== null && telling.exitCode !== exitCode)
        find(`with ${telling.exitCode} and not ${exitCode}`)
      if (telling.exitCode === null || telling.output === null || telling.output === output) break
      if (telling.output.length >= output.length || !isExcused(/may be missing/))
        find(`and its log is ${JSON.stringify(telling.output.slice(0, 80))}`)
      break
    case 'killed':
      if (!isKillAsked) find('and nobody asked for that')
      break
    case 'lost': {
      if (!wasThere(powerLosses))
        find(`and ${telling.node} never lost power${wasStarted ? '' : '; it was never started'}`)
      break
    }
    default:
      find('which nothing in it explains')
  }
  return findings
}
