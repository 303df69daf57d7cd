/**
 * Finds the processes of an attempt without a cgroup: by the session of its supervisor, and by the marks that
 * every process of it carries in its environment. What clears its environment and leaves the session cannot be
 * found; that is why this is the weakest executor.
 */
import { readFileSync } from 'node:fs'
import { allProcesses, processStat } from '../../platform/process-stat.ts'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessId {
  pid: number
  /** Clock ticks after boot (proc_pid_stat(5), field 22). */
  startTime: string
}

/** The identity of a living process; null: there is none, or it is a zombie. */
export function identify(pid: number): ProcessId | null {
  const stat = processStat(pid)
  return stat === null || stat.state === 'Z' ? null : { pid, startTime: stat.startTime }
}

/** Is this very process alive? */
export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTime === process.startTime
}

/** The variables that mark every process of an attempt. */
export function marksOf(
  taskId: number,
  attempt: number,
  mark: string,
): [[string, string], [string, string], [string, string]] {
  return [
    ['HAKURIVER_TASK_ID', String(taskId)],
    ['HAKURIVER_ATTEMPT', String(attempt)],
    // another cluster's task may have the same number
    ['HAKURIVER_RUNNER', mark],
  ]
}

/** All living processes of the attempt but the supervisor itself. */
export function treeOf(
  taskId: number,
  attempt: number,
  mark: string,
  supervisor: ProcessId | null,
): number[] {
  const marks = marksOf(taskId, attempt, mark).map(([name, value]) => `${name}=${value}`)
  return allProcesses().filter((pid) => pid !== supervisor?.pid && belongs(pid, supervisor, marks))
}

function belongs(pid: number, supervisor: ProcessId | null, marks: string[]): boolean {
  const stat = processStat(pid)
  if (stat === null || stat.state === 'Z') return false
  if (supervisor !== null && stat.session === supervisor.pid && isAlive(supervisor)) return true
  const variables = environmentOf(pid)
  return marks.every((mark) => variables.includes(mark))
}

/** The attempt (`taskId-attempt`) of this runner whose marks a process carries; null: of none. */
export function attemptMarkedOn(pid: number, mark: string): string | null {
  const variables = environmentOf(pid)
  const variable = (name: string) =>
    variables.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)
  const [[taskName], [attemptName], [runnerName]] = marksOf(0, 0, mark)
  if (variable(runnerName) !== mark) return null
  return `${variable(taskName)}-${variable(attemptName)}`
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  } catch {
    // gone meanwhile, or another user's: not ours
    return []
  }
}

/** Sends a signal to each; those that are gone meanwhile do not matter. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // gone
    }
  }
}
