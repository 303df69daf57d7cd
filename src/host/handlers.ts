/** The native API's endpoints, one function each. They read what is committed, and answer after the commit. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { isFinal, type Task } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { BatchView } from '../protocol/schemas.ts'
import type { AuditHandlers } from './audit-handlers.ts'
import { createBulk, killReason } from './bulk.ts'
import { type Caller, refuseOthers } from './caller.ts'
import type { CheckHandlers } from './checks.ts'
import type { Cluster } from './cluster.ts'
import type { HistoryEndpoint } from './history/handlers.ts'
import type { IdentityHandlers } from './identity.ts'
import type { Links } from './links.ts'
import type { LogHandlers } from './log-handlers.ts'
import type { LoginHandlers } from './login.ts'
import { drainNode, endUnknownTasks, forgetTask, removeNode, resumeNode } from './operate.ts'
import { createOverview } from './overview.ts'
import type { JoinEndpoint } from './pki/handlers.ts'
import { previewBatch } from './preview.ts'
import type { Batch, Store } from './store/store.ts'
import type { Submits } from './submit.ts'
import { createTaskLists } from './task-lists.ts'
import { batchView, eventView, nodeView, taskDetail } from './views.ts'

/** All endpoints but those that have a file of their own: logins, users, the log of who did what, history, and joins. */
export type ClusterHandlers = Omit<
  Handlers<Caller>,
  keyof LoginHandlers | keyof IdentityHandlers | keyof AuditHandlers | HistoryEndpoint | JoinEndpoint
>

/** Tasks of large batches are counted so long at a time. */
const turnMs = 8

export function createHandlers(
  cluster: Cluster,
  store: Store,
  submits: Submits,
  checks: CheckHandlers,
  links: Pick<Links, 'endUnknown'>,
  logs: LogHandlers,
  clock: Clock,
): ClusterHandlers {
  const taskOf = async (idText: string): Promise<Task> => {
    const task = await store.task(wantedId(idText, 'task'))
    if (task === null) throw new AppError('not_found', `there is no task ${idText}`)
    return task
  }
  const batchOf = async (idText: string): Promise<Batch> => {
    const batch = await store.batch(wantedId(idText, 'batch'))
    if (batch === null) throw new AppError('not_found', `there is no batch ${idText}`)
    return batch
  }
  const countsOf = async ({ id }: Batch) => (await store.counts({ batchId: id })) ?? new Map()
  return {
    health: async () => ({ ok: true }),
    ready: async () => {
      await cluster.settled()
      await store.probe()
      return { ok: true }
    },
    submitBatch: ({ body }, caller) => submits.submit(body, caller.name, caller.audit),
    previewBatch: async ({ body }) => previewBatch(body, cluster),
    listBatches: async ({ query }) => {
      const { items, total, next } = await store.batches(
        query.limit ?? 100,
        cursorOf(query.cursor),
        query.owner,
      )
      const views: BatchView[] = []
      let until = clock.monotonic() + turnMs
      for (const batch of items) {
        views.push(batchView(batch, await countsOf(batch)))
        if (clock.monotonic() < until) continue
        await new Promise<void>((resolve) => clock.soon(resolve))
        until = clock.monotonic() + turnMs
      }
      return { items: views, total, next: next === null ? null : String(next) }
    },
    getBatch: async ({ params }) => {
      const batch = await batchOf(params.id)
      return batchView(batch, await countsOf(batch))
    },
    getTask: async ({ params }, caller) => taskDetail(await taskOf(params.id), cluster, caller),
    listTaskEvents: async ({ params }) => {
      const task = await taskOf(params.id)
      return { items: (await store.taskEvents(task.id)).map(eventView) }
    },
    killTask: async ({ params, body }, caller) => {
      const { id, status, owner } = await taskOf(params.id)
      refuseOthers(caller, owner, `kill task ${id}`)
      const outcome = cluster.apply(id, { type: 'kill_requested', reason: killReason(body, caller) })
      if (isFinal(status)) throw new AppError('conflict', `cannot kill task ${id}: it has ended (${status})`)
      await cluster.settled() // also an end is told only when it is on disk
      if (outcome.kind === 'illegal')
        throw new AppError('conflict', `cannot kill task ${id}: ${outcome.reason}`)
      return taskDetail(await taskOf(params.id), cluster, caller)
    },
    listNodes: async () => {
      const nodes = [...cluster.nodes.values()].sort((a, b) =>
        a.record.name.localeCompare(b.record.name, 'en', { numeric: true }),
      )
      return { items: nodes.map((node) => nodeView(node, cluster)) }
    },
    getNode: async ({ params }) => {
      const node = cluster.nodes.get(params.name)
      if (node === undefined) throw new AppError('not_found', `there is no node ${params.name}`)
      return nodeView(node, cluster)
    },
    listNodeEvents: async ({ params }) => {
      const items = await store.nodeEvents(params.name)
      if (items.length === 0 && !cluster.nodes.has(params.name))
        throw new AppError('not_found', `there is no node ${params.name}`)
      return { items: items.map(eventView) }
    },
    drainNode: async ({ params, body }, caller) => {
      const by = `drained by ${caller.name}`
      const reason = body.reason === undefined ? by : `${by}: ${body.reason}`
      return nodeView(await drainNode(cluster, params.name, reason), cluster)
    },
    resumeNode: async ({ params }) => nodeView(await resumeNode(cluster, params.name), cluster),
    removeNode: ({ params, body }, caller) =>
      removeNode(cluster, params.name, { isForced: body.force === true, by: caller.name }),
    endUnknownTasks: async ({ params }, caller) => ({
      ended: await endUnknownTasks(cluster, links, params.name, caller.name),
    }),
    forgetTask: async ({ params, body }, caller) => {
      await forgetTask(cluster, await taskOf(params.id), { by: caller.name, reason: body.reason })
      return taskDetail(await taskOf(params.id), cluster, caller)
    },
    ...createTaskLists(cluster, store, clock),
    ...createBulk({ cluster, store, submits, clock }),
    ...createOverview(cluster, store, clock),
    ...checks,
    ...logs,
  }
}

function wantedId(text: string, what: string): number {
  const id = parseId(text)
  if (id === null) throw new AppError('not_found', `there is no ${what} ${text}`)
  return id
}

function cursorOf(text: string | undefined): number | null {
  if (text === undefined) return null
  const id = parseId(text)
  if (id === null)
    throw new AppError('invalid_request', `the cursor "${text}" is not one that this host gave out`)
  return id
}
