/** What needs a person, worst first: pure, of what the host has answered. */
import type { NodeView, TaskView } from '../../../../src/protocol/schemas.ts'
import { countOf, printable, taskTitle } from '../../ui/format.ts'
import { nodeState } from '../nodes/nodes.ts'

export interface Problem {
  kind: 'unreachable' | 'unknown' | 'stuck' | 'closed'
  /** Name of the node, or id of the task. */
  of: string
  title: string
  /** Since when; null: that is not known, or says nothing. */
  since: string | null
  words: string
}

/** Nodes that are silent, closed by something, or hold what the host does not know; tasks that do not end. */
export function problemsOf(nodes: readonly NodeView[], tasks: readonly TaskView[]): Problem[] {
  const silent = nodes.filter((node) => node.status === 'unreachable')
  const strange = nodes.filter(({ unknownTasks }) => unknownTasks.length > 0)
  const closed = nodes.filter((node) => nodeState(node) === 'closed' && node.unknownTasks.length === 0)
  return [
    ...silent.map(
      (node): Problem => ({
        ...about('unreachable', node),
        since: node.lastSeenAt,
        words: silenceWords(node),
      }),
    ),
    ...tasks.flatMap((task): Problem[] =>
      task.stuck === null
        ? []
        : [
            {
              kind: 'stuck',
              of: task.id,
              title: taskTitle(task),
              since: null,
              words: `does not end: ${printable(task.stuck)}`,
            },
          ],
    ),
    ...strange.map((node): Problem => ({ ...about('unknown', node), words: strangeWords(node) })),
    ...closed.map(
      (node): Problem => ({
        ...about('closed', node),
        words: `takes no new tasks: ${printable(node.problem ?? '')}`,
      }),
    ),
  ]
}

/** Nodes that an operator has closed: it is his wish, and no problem. */
export function drainedOf(nodes: readonly NodeView[]): NodeView[] {
  return nodes.filter((node) => nodeState(node) === 'drained')
}

function about(kind: Problem['kind'], node: NodeView): Omit<Problem, 'words'> {
  return { kind, of: node.name, title: printable(node.name), since: null }
}

function silenceWords({ tasksHeld }: NodeView): string {
  if (tasksHeld === 0) return 'it holds no tasks'
  return `${countOf(tasksHeld, 'task')} may still be running there`
}

function strangeWords({ unknownTasks }: NodeView): string {
  return `holds ${countOf(unknownTasks.length, 'task')} that this host does not know`
}

/** The reason that most of these tasks wait for, and how many do; null where none is told. */
export function commonestReason(
  tasks: readonly Pick<TaskView, 'reason'>[],
): { reason: string; count: number } | null {
  const counts = new Map<string, number>()
  for (const { reason } of tasks) if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const [first] = [...counts].sort(([, a], [, b]) => b - a)
  return first === undefined ? null : { reason: printable(first[0]), count: first[1] }
}
