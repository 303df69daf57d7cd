/** How a task ended, in words: the status alone does not say why. */
import type { TaskView } from '../../../src/protocol/schemas.ts'
import { formatBytes, formatDuration, printable } from './format.ts'
import { looks } from './states.ts'

type Ended = Pick<
  TaskView,
  'status' | 'exitCode' | 'signal' | 'reason' | 'memoryBytes' | 'timeoutMs' | 'peakMemoryBytes'
>

/** "exit code 3", "ended by SIGSEGV", "out of memory: had 8 GiB", "timed out after 5 m", or its reason. */
export function outcomeWords(task: Ended): string {
  const plain = plainWords(task)
  if (task.reason === null) return plain
  const reason = printable(task.reason)
  // "ended by SIGSEGV" is the whole reason already
  return reason.includes(plain) ? reason : `${plain}: ${reason}`
}

function plainWords(task: Ended): string {
  switch (task.status) {
    case 'failed':
      if (task.exitCode !== null) return `exit code ${task.exitCode}`
      return task.signal === null ? 'failed' : `ended by ${printable(task.signal)}`
    case 'killed_oom':
      return task.memoryBytes === null
        ? 'out of memory'
        : `out of memory, with ${formatBytes(task.memoryBytes)}`
    case 'timed_out':
      return task.timeoutMs === null ? 'timed out' : `timed out after ${formatDuration(task.timeoutMs)}`
    default:
      return looks[task.status].word
  }
}
