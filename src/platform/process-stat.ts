/** What the kernel tells of a process in one line (proc_pid_stat(5)). */
import { readdirSync, readFileSync } from 'node:fs'
import { endianness } from 'node:os'

export interface ProcessStat {
  /** `Z`: it has ended, and nobody has asked for its exit code yet. */
  state: string
  group: number
  session: number
  /** Clock ticks after boot (field 22): with the number of the process it names this very one. */
  startTime: string
  /** Fields 14 to 17: its own CPU time, and that of the children that it has waited for. */
  cpuTicks: number
  /** Field 24. */
  residentPages: number
}

/** null: there is no such process. */
export function processStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the name in parentheses may hold anything: count from its end
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', , group, session] = fields
    return {
      state,
      group: Number(group),
      session: Number(session),
      startTime: fields[19] ?? '',
      cpuTicks: Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]),
      residentPages: Number(fields[21]),
    }
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

/** What ticks and pages are here: the kernel hands that to every program at its start (getauxval(3)). */
export function kernelUnits(): { tickMs: number; pageBytes: number } {
  const found = new Map<number, number>()
  try {
    const words = readFileSync('/proc/self/auxv')
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength)
    const isLittle = endianness() === 'LE'
    for (let at = 0; at + 16 <= words.length; at += 16)
      found.set(Number(view.getBigUint64(at, isLittle)), Number(view.getBigUint64(at + 8, isLittle)))
  } catch {
    // a kernel that hides it: what nearly all have
  }
  return { tickMs: 1000 / (found.get(auxClockTicks) || 100), pageBytes: found.get(auxPageSize) || 4096 }
}

/** AT_PAGESZ and AT_CLKTCK of the kernel's `auxvec.h`. */
const auxPageSize = 6
const auxClockTicks = 17

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
