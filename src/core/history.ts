/** The history of tasks and nodes in words: one sentence for each event. */
import { printable } from './text.ts'

/** What a sentence is made of; the wire's events have it. */
export interface HistoryEvent {
  kind: 'task' | 'node'
  type: string
  node: string | null
  attempt: number | null
  exitCode: number | null
  reason: string | null
}

/** What happened to a task; `{node}` is where. */
const taskSentences: Record<string, string> = {
  submitted: 'submitted',
  placed: 'placed on {node}',
  started: 'runs on {node}',
  exited: 'ended',
  kill_requested: 'its end was asked for',
  node_silent: '{node} is silent: nobody knows whether it still runs',
  node_returned: '{node} is back, and has it',
  declared_lost: 'lost',
  node_lost: '{node} is gone, and it with it',
  requeued: 'given up on {node}, to be started again',
  restored: 'doubtful since the host was restored from a backup',
}

const nodeSentences: Record<string, string> = {
  joined: 'joined the cluster',
  replaced: 'came back with an empty state directory, as another runner',
  rebooted: 'rebooted',
  online: 'is heard again',
  unreachable: 'is silent: its tasks are unreachable',
  closed: 'takes no new tasks',
  opened: 'takes tasks again',
  removed: 'was removed',
  unknown_task: 'has something that this host does not know',
  unknown_ended: 'ends something that this host does not know',
}

/** Types that have a sentence, for tests. */
export const toldTypes = { task: Object.keys(taskSentences), node: Object.keys(nodeSentences) }

/** "runs on n2", "ended with exit code 3 (attempt 2): …", "n2 rebooted". */
export function sentenceOf(event: HistoryEvent): string {
  const { kind, type, exitCode, attempt, reason } = event
  const node = printable(event.node ?? 'its node')
  const table = kind === 'task' ? taskSentences : nodeSentences
  // one of a newer host
  const plain = table[type] ?? type.replaceAll('_', ' ')
  const words = [kind === 'task' ? plain.replace('{node}', node) : `${node} ${plain}`]
  if (exitCode !== null) words.push(`with exit code ${exitCode}`)
  if (attempt !== null && attempt > 1) words.push(`(attempt ${attempt})`)
  const sentence = words.join(' ')
  return reason === null ? sentence : `${sentence}: ${printable(reason)}`
}
