/** What the help says of each status, and how keys are written for people. */
import type { Status } from '../../../src/core/task.ts'

export const statusMeanings: Record<Status, string> = {
  pending: 'It waits for a place. Its page says what it needs, what is free, and who holds the rest.',
  assigning: 'It was sent to its node, which has not confirmed the start yet.',
  running: 'It runs.',
  unreachable: 'Its node is silent, so nobody knows. It may well go on: the truth comes back with the node.',
  killing: 'Its end was asked for, and something of it still lives.',
  completed: 'It ended by itself with exit code 0.',
  failed: 'It ended with another exit code or by a signal, or could not be started. Its page says which.',
  killed: 'Somebody asked for its end, and nothing of it is left.',
  killed_oom: 'It wanted more memory than its limit (or than its node had), and the kernel ended it.',
  timed_out: 'It ran for longer than its time limit.',
  lost: 'Nobody can know how it ended: its node rebooted or lost its record, or an operator gave it up.',
}

export const keyNames: Record<string, string> = {
  'mod+k': 'Ctrl K',
  'mod+Enter': 'Ctrl Enter',
  Escape: 'Esc',
  ArrowDown: '↓',
  ArrowUp: '↑',
  'shift+G': 'Shift G',
}
