/** The endpoints that tell of load and usage over time. */
import { AppError } from '../../core/errors.ts'
import { parseId } from '../../core/id.ts'
import type { Range } from '../../core/load-history.ts'
import { isFinal, type Task } from '../../core/task.ts'
import type { Handlers } from '../../protocol/host-api.ts'
import type { History as HistoryView, TaskUsage } from '../../protocol/schemas.ts'
import type { Cluster } from '../cluster.ts'
import type { Store } from '../store/store.ts'
import { instant } from '../views.ts'
import type { History } from './history.ts'
import type { LoadOverTime } from './load-history.ts'
import type { TaskUsages } from './task-usage.ts'

export interface HistoryHandlersDeps {
  history: Pick<History, 'load' | 'usages'>
  cluster: Pick<Cluster, 'nodes' | 'task'>
  store: Pick<Store, 'task'>
}

/** Of `Handlers`, those that are made here. */
export type HistoryEndpoint =
  | 'getNodeHistory'
  | 'getHistory'
  | 'listNodeHistories'
  | 'getTaskUsage'
  | 'listUsage'

/** Steps of each node's row, where a caller asks for no number. */
const usualPoints = 48

export function createHistoryHandlers({
  history: { load, usages },
  cluster,
  store,
}: HistoryHandlersDeps): Pick<Handlers<unknown>, HistoryEndpoint> {
  const taskOf = async (idText: string): Promise<Task | null> => {
    const id = parseId(idText)
    return id === null ? null : (cluster.task(id) ?? (await store.task(id)))
  }
  return {
    getNodeHistory: async ({ params, query }) => {
      if (!cluster.nodes.has(params.name)) throw new AppError('not_found', `there is no node ${params.name}`)
      const range = query.range ?? 'hour'
      return historyView(range, load.read(range, params.name))
    },
    getHistory: async ({ query }) => {
      const range = query.range ?? 'hour'
      return historyView(range, load.read(range))
    },
    listNodeHistories: async ({ query }) => {
      const range = query.range ?? 'hour'
      const { startMs, stepMs, rows } = await load.readAll(range, query.points ?? usualPoints)
      const items = [...rows].flatMap(([node, row]) => {
        const cores = cluster.nodes.get(node)?.record.capacity.cores
        return cores === undefined ? [] : [{ node, ...row, cores }]
      })
      return { range, startAt: instant(startMs), stepMs, items }
    },
    getTaskUsage: async ({ params }) => {
      const task = await taskOf(params.id)
      if (task === null) throw new AppError('not_found', `there is no task ${params.id}`)
      return usageView(task, usages) ?? noUsage(task, usages)
    },
    listUsage: async ({ query }) => {
      const items: TaskUsage[] = []
      for (const id of new Set(query.ids)) {
        const task = await taskOf(id)
        const view = task === null ? null : usageView(task, usages)
        if (view !== null) items.push(view)
      }
      return { items }
    },
  }
}

function historyView(range: Range, { startMs, stepMs, values }: LoadOverTime): HistoryView {
  return { range, startAt: instant(startMs), stepMs, ...values }
}

/** null: nothing was measured, or nothing is kept. */
function usageView(task: Task, usages: TaskUsages): TaskUsage | null {
  const series = usages.seriesOf(task.id)
  if (series === null || series.startMs === null) return null
  return {
    ...emptyUsage(task, usages),
    startAt: instant(Math.round(series.startMs)),
    stepMs: series.stepMs,
    cpuCores: series.values(0).map((value) => (value === null ? null : Math.round(value * 1000) / 1000)),
    memoryBytes: series.values(1).map((value) => (value === null ? null : Math.round(value))),
  }
}

function noUsage(task: Task, usages: TaskUsages): TaskUsage {
  return { ...emptyUsage(task, usages), missing: whyMissing(task, usages.everyMs) }
}

function emptyUsage(task: Task, { everyMs }: TaskUsages): TaskUsage {
  return {
    id: String(task.id),
    startAt: null,
    stepMs: everyMs,
    cpuCores: [],
    memoryBytes: [],
    cores: task.spec.cores,
    memoryLimitBytes: task.spec.memoryBytes,
    missing: null,
  }
}

function whyMissing(task: Task, everyMs: number): string {
  const startedAtMs = 'startedAtMs' in task ? task.startedAtMs : null
  if (startedAtMs === null || startedAtMs === undefined)
    return isFinal(task.status) ? 'it never ran' : 'it does not run yet'
  if (!('endedAtMs' in task)) return 'its node has told nothing of it yet'
  return task.endedAtMs - startedAtMs < 2 * everyMs
    ? 'it ended before it could be measured'
    : 'nothing is kept of it: its node told nothing, or many tasks have ended since'
}
