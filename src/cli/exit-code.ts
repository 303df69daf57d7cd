/** The exit code of `wait`, `submit --wait` and `submit --follow`: the task's own, as a shell would tell it. */
import { constants } from 'node:os'
import { exitCodes, unreachable } from '../core/errors.ts'
import { isFinal } from '../core/task.ts'
import type { TaskView } from '../protocol/schemas.ts'

/** What is known of an end. */
export type Outcome = Pick<TaskView, 'id' | 'status' | 'node' | 'numaId' | 'exitCode' | 'signal' | 'reason'>

/** As the shell has it: 128 + the signal's number. SIGKILL is 9. */
const killedCode = 137
/** As timeout(1) has it. */
const timedOutCode = 124

/**
 * The exit code that stands for one ended task: its own code; 128 + n for a signal; 137 killed or out of memory;
 * 124 timed out; 7 lost; 1 where it never ran.
 */
export function exitCodeOf(task: Outcome): number {
  const { status } = task
  if (!isFinal(status)) throw new Error(`task ${task.id} has not ended`)
  switch (status) {
    case 'completed':
      return exitCodes.ok
    case 'failed':
      return task.exitCode ?? signalCode(task.signal) ?? exitCodes.failed
    case 'killed':
    case 'killed_oom':
      return killedCode
    case 'timed_out':
      return timedOutCode
    case 'lost':
      return exitCodes.lost
    default:
      return unreachable(status)
  }
}

/** Of one task its own; of several 0 where all completed, else 1. */
export function exitCodeOfAll(tasks: Outcome[]): number {
  const [only] = tasks
  if (tasks.length === 1 && only !== undefined) return exitCodeOf(only)
  return tasks.every((task) => task.status === 'completed') ? exitCodes.ok : exitCodes.failed
}

function signalCode(signal: string | null): number | null {
  const numbers: Record<string, number> = constants.signals
  const number = signal === null ? undefined : numbers[signal]
  return number === undefined ? null : 128 + number
}
