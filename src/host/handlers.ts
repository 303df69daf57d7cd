/** The native API's endpoints, one function each. They read what is committed, and answer after the commit. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { isFinal, type Task } from '../core/task.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { CheckHandlers } from './checks.ts'
import type { Cluster } from './cluster.ts'
import type { HistoryEndpoint } from './history/handlers.ts'
import type { Links } from './links.ts'
import { notYet } from './not-yet.ts'
import { drainNode, endUnknownTasks, forgetTask, removeNode, resumeNode } from './operate.ts'
import type { BatchRecord, Store, TokenKind } from './store/store.ts'
import type { Submits } from './submit.ts'
import { batchView, eventView, nodeView, taskDetail, taskView } from './views.ts'

/** Who calls. Roles come with users; for now whoever holds the admin token may do everything. */
export interface Caller {
  name: string
  /** What the token is for; `none`: no tokens are asked for. */
  token: TokenKind | 'none'
}

export const admin: Caller = { name: 'admin', token: 'admin' }

export function createHandlers(
  cluster: Cluster,
  store: Store,
  submits: Submits,
  checks: CheckHandlers,
  links: Pick<Links, 'endUnknown'>,
): Omit<Handlers<Caller>, HistoryEndpoint> {
  const taskOf = async (idText: string): Promise<Task> => {
    const task = await store.task(wantedId(idText, 'task'))
    if (task === null) throw new AppError('not_found', `there is no task ${idText}`)
    return task
  }
  const batchOf = async (idText: string): Promise<BatchRecord> => {
    const batch = await store.batch(wantedId(idText, 'batch'))
    if (batch === null) throw new AppError('not_found', `there is no batch ${idText}`)
    return batch
  }
  const killReason = (body: { reason?: string }, caller: Caller) => body.reason ?? `killed by ${caller.name}`

  return {
    health: async () => ({ ok: true }),
    ready: async () => {
      await cluster.settled()
      await store.probe()
      return { ok: true }
    },
    submitBatch: ({ body }) => submits.submit(body),
    listBatches: async ({ query }) => {
      const { items, total, next } = await store.batches(query.limit ?? 100, cursorOf(query.cursor))
      const counts = await store.batchCounts(items.map(({ id }) => id))
      const views = items.map((batch) => batchView(batch, counts.get(batch.id) ?? new Map()))
      return { items: views, total, next: next === null ? null : String(next) }
    },
    getBatch: async ({ params }) => {
      const batch = await batchOf(params.id)
      const counts = await store.batchCounts([batch.id])
      return batchView(batch, counts.get(batch.id) ?? new Map())
    },
    killBatch: async ({ params, body }, caller) => {
      const batch = await batchOf(params.id)
      const reason = killReason(body, caller)
      const killed: string[] = []
      const alreadyEnded: string[] = []
      for (const id of await store.taskIdsOfBatch(batch.id)) {
        const isOpen = cluster.task(id) !== null
        cluster.apply(id, { type: 'kill_requested', reason })
        ;(isOpen ? killed : alreadyEnded).push(String(id))
      }
      await cluster.settled()
      return { killed, alreadyEnded }
    },
    listTasks: async ({ query }) => {
      const { status, node, batchId } = query
      const filter = {
        statuses: status,
        node,
        batchId: batchId === undefined ? undefined : wantedId(batchId, 'batch'),
      }
      const { items, total, next } = await store.tasks(filter, query.limit ?? 100, cursorOf(query.cursor))
      return {
        items: items.map((task) => taskView(task, cluster)),
        total,
        next: next === null ? null : String(next),
      }
    },
    getTask: async ({ params }) => taskDetail(await taskOf(params.id), cluster),
    listTaskEvents: async ({ params }) => {
      const task = await taskOf(params.id)
      return { items: (await store.taskEvents(task.id)).map(eventView) }
    },
    killTask: async ({ params, body }, caller) => {
      const { id, status } = await taskOf(params.id)
      const outcome = cluster.apply(id, { type: 'kill_requested', reason: killReason(body, caller) })
      if (isFinal(status)) throw new AppError('conflict', `cannot kill task ${id}: it has ended (${status})`)
      await cluster.settled() // also an end is told only when it is on disk
      if (outcome.kind === 'illegal')
        throw new AppError('conflict', `cannot kill task ${id}: ${outcome.reason}`)
      return taskDetail(await taskOf(params.id), cluster)
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
      return taskDetail(await taskOf(params.id), cluster)
    },
    ...checks,
    ...notYet,
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
