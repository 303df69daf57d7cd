/** `up.json`: which processes this machine's `hakuriver up` has started, so that `down` and a next `up` find them. */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readTextIfThere, writeFileAtomic } from '../../platform/files.ts'

/** A process that can be told from a later one of the same number. */
export interface ProcessId {
  pid: number
  /** Clock ticks since boot at its start: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  startTicks: string
}

export interface UpState {
  up: ProcessId
  /** null: not known yet. */
  url: string | null
  isReady: boolean
  children: ProcessId[]
}

function statePath(home: string): string {
  return join(home, 'up.json')
}

export async function writeUpState(home: string, state: UpState): Promise<void> {
  await writeFileAtomic(statePath(home), `${JSON.stringify(state)}\n`)
}

export async function removeUpState(home: string): Promise<void> {
  await rm(statePath(home), { force: true })
}

/** null where there is none, or where it cannot be read (it is only a help). */
export async function readUpState(home: string): Promise<UpState | null> {
  const text = await readTextIfThere(statePath(home))
  try {
    const parsed: unknown = JSON.parse(text ?? 'null')
    return isUpState(parsed) ? parsed : null
  } catch {
    return null
  }
}

function isUpState(value: unknown): value is UpState {
  if (typeof value !== 'object' || value === null) return false
  return 'up' in value && isProcessId(value.up) && 'children' in value && Array.isArray(value.children) && value.children.every(isProcessId)
}

function isProcessId(value: unknown): value is ProcessId {
  return typeof value === 'object' && value !== null && 'pid' in value && typeof value.pid === 'number' && 'startTicks' in value
}

/** The identity of a living process; null where there is none of that number. */
export function identify(pid: number): ProcessId | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in brackets that may hold anything: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const startTicks = fields[19]
    return startTicks === undefined || fields[0] === 'Z' ? null : { pid, startTicks }
  } catch {
    return null
  }
}

/** Is that very process alive? */
export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTicks === process.startTicks
}
