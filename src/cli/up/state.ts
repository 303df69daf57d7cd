/** `up.json`: which processes this machine's `hakuriver up` has started, so that `down` and a next `up` find them. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTextIfThere } from '../../platform/files.ts'
import { processStat } from '../../platform/process-stat.ts'

/** A process that can be told from a later one of the same number. */
export interface ProcessId {
  pid: number
  /** Clock ticks since boot at its start: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  startTicks: string
}

/** One of the two programs that `up` looks after. */
export interface ChildId extends ProcessId {
  name: string
}

export interface UpState {
  up: ProcessId
  /** Name of this machine's node. */
  node: string
  /** null until the node is online for the first time. */
  url: string | null
  children: ChildId[]
}

function statePath(home: string): string {
  return join(home, 'up.json')
}

/** Synchronous, whole or not at all: should we die at once, no child may be unknown. */
export function writeUpState(home: string, state: UpState): void {
  const temporary = `${statePath(home)}.tmp`
  writeFileSync(temporary, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  renameSync(temporary, statePath(home))
}

/** Forgets what `up` had started. */
export function removeUpState(home: string): void {
  rmSync(statePath(home), { force: true })
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
  const hasUp = 'up' in value && isProcessId(value.up) && 'node' in value && 'url' in value
  return hasUp && 'children' in value && Array.isArray(value.children) && value.children.every(isProcessId)
}

function isProcessId(value: unknown): value is ProcessId {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startTicks' in value
  )
}

/** The identity of a living process; null where there is none of that number. */
export function identify(pid: number): ProcessId | null {
  const stat = processStat(pid)
  return stat === null || stat.state === 'Z' ? null : { pid, startTicks: stat.startTime }
}

/** Is that very process alive? */
export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTicks === process.startTicks
}
