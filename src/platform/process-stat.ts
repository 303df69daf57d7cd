/** What the kernel tells of a process in one line (proc_pid_stat(5)). */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessStat {
  /** `Z`: it has ended, and nobody has asked for its exit code yet. */
  state: string
  group: number
  session: number
  /** Clock ticks after boot (field 22): with the number of the process it names this very one. */
  startTime: string
}

/** null: there is no such process. */
export function processStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the name in parentheses may hold anything: count from its end
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', , group, session] = fields
    return { state, group: Number(group), session: Number(session), startTime: fields[19] ?? '' }
  } catch {
    return null
  }
}

/** The number of every process that there is. */
export function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** Processes for a sentence: "process 12 (dd), which waits for a disk or a file system, and 3 more"; null: none. */
export function describeProcesses(pids: readonly number[]): string | null {
  const [first, ...others] = pids
  if (first === undefined) return null
  const state = processStat(first)?.state
  const waits = state === 'D' ? ', which waits for a disk or a file system,' : ''
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `process ${first} (${nameOf(first)})${waits}${more}`
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return 'gone' // in this moment
  }
}
