/** `hakuriver node drain|resume|remove` and `task forget`: what operators do about nodes and tasks that are in trouble. */
import { count, printable } from '../../core/text.ts'
import type { NodeView, TaskDetail } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { each } from '../one-by-one.ts'
import { selectTasks } from '../selectors.ts'

/** Why: for those who look at it later. */
export interface DrainOptions {
  reason: string | null
}

/** Closes nodes to new tasks; what runs there goes on. */
export function drain(names: string[], { reason }: DrainOptions, context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.drainNode({ params: { name }, body: reason === null ? {} : { reason } }),
    tell: (node: NodeView) => {
      const rest =
        node.tasksRunning === 0 ? 'nothing runs there' : `${count(node.tasksRunning, 'task')} there go on`
      return `${printable(node.name)} takes no new tasks; ${rest}. Back again: hakuriver node resume ${printable(node.name)}`
    },
  })
}

/** Opens drained nodes again. */
export function resume(names: string[], context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.resumeNode({ params: { name }, body: {} }),
    tell: (node: NodeView) =>
      node.problem === null
        ? `${printable(node.name)} takes tasks again.`
        : `${printable(node.name)} is not drained any more, but takes no new tasks: ${printable(node.problem)}`,
  })
}

export interface RemoveOptions {
  force: boolean
}

/** Forgets nodes that do not come back. */
export function remove(names: string[], { force }: RemoveOptions, context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.removeNode({ params: { name }, body: { force } }),
    tell: ({ removed, lost }: { removed: string; lost: string[] }) =>
      lost.length === 0
        ? `${printable(removed)} is removed.`
        : `${printable(removed)} is removed; ${count(lost.length, 'task')} of it are lost: ${someOf(lost)}`,
  })
}

/** Takes back the credentials of nodes. */
export function revoke(names: string[], context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.revokeNode({ params: { name }, body: {} }),
    tell: ({ revoked, wasLinked }: { revoked: string; wasLinked: boolean }) => {
      const link = wasLinked ? 'its link is closed' : 'it was not linked'
      const name = printable(revoked)
      return `${name} may not link any more: ${link}, and what runs there goes on. Back again: hakuriver join-token --node ${name}`
    },
  })
}

/** Ends what runs on nodes and the host does not know. */
export function endUnknown(names: string[], context: Context): Promise<number> {
  return each(names, context, {
    run: async (name, host) => ({
      name,
      ...(await host.client.endUnknownTasks({ params: { name }, body: {} })),
    }),
    tell: ({ name, ended }: { name: string; ended: string[] }) =>
      ended.length === 0
        ? `${printable(name)} holds nothing that the host does not know.`
        : `${printable(name)} ends ${count(ended.length, 'task')}: ${someOf(ended)}`,
  })
}

/** Gives up tasks of silent nodes. */
export async function forget(words: string[], { reason }: DrainOptions, context: Context): Promise<number> {
  const ids = await selectTasks(words, await context.host())
  return each(ids, context, {
    run: (id, host) => host.client.forgetTask({ params: { id }, body: reason === null ? {} : { reason } }),
    tell: (task: TaskDetail) =>
      `${task.id} is lost by your word. Should its node come back with it, it is ended there.`,
  })
}

function someOf(ids: readonly string[]): string {
  return `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ' …' : ''}`
}
