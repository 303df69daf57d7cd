/**
 * Lists of tasks, read from the place where a page begins. What is filtered by statuses is one list of an index per
 * status, merged as far as the page goes: it costs the same at the beginning and a million tasks deep.
 */
import { AppError } from '../../core/errors.ts'
import { isFinal, type Status, statuses } from '../../core/task.ts'
import type { TaskSort } from '../../protocol/choices.ts'
import type { TaskPlace, TaskQuery } from './store.ts'

/** SQL and its parameters. */
export interface Part {
  sql: string
  values: (string | number)[]
}

/** What tasks are sorted by. */
const keys: Record<TaskSort, string> = {
  submitted: 'id',
  started: 'started_at_ms',
  ended: 'ended_at_ms',
  duration: 'ended_at_ms - started_at_ms',
  cpuTime: 'cpu_time_ms',
  peakMemory: 'peak_memory_bytes',
}

const noId: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER]

/**
 * Where the tasks of a page stand (`id`, `place`), less the parameter of the limit; null: there are none.
 * `present`: the statuses that occur at all.
 * @throws AppError `invalid_request` for a sort that only a batch has
 */
export function placesSql(query: TaskQuery, present: readonly Status[]): Part | null {
  return query.batchId === undefined ? ofAll(query, present) : ofBatch(query, query.batchId)
}

/** Statuses that the list has, each once. */
function statusesOf(query: TaskQuery, present: readonly Status[]): Status[] {
  const wanted = query.statuses === undefined || query.statuses.length === 0 ? statuses : query.statuses
  return [...new Set(wanted)].filter(
    (status) => present.includes(status) && (query.sort !== 'ended' || isFinal(status)),
  )
}

function ofAll(query: TaskQuery, present: readonly Status[]): Part | null {
  const { sort, order, node, owner, after } = query
  if (sort !== 'submitted' && sort !== 'ended')
    throw new AppError(
      'invalid_request',
      `only the tasks of one batch can be sorted by ${sort}: name a batchId, or sort by submitted or ended`,
    )
  const isAll = sort === 'submitted' && node === undefined && owner === undefined && !query.statuses?.length
  const of = (status: Status): Part => ({
    sql: `${node === undefined ? '' : 'node = ? and '}${owner === undefined ? '' : 'owner = ? and '}status = ? and`,
    values: [node, owner, status].filter((value) => value !== undefined),
  })
  const lists = isAll ? [{ sql: '', values: [] }] : statusesOf(query, present).map(of)
  const ranges = sort === 'submitted' ? [idRange(query)] : endRanges(order, after)
  // without `nulls last`, which no index has: none is null here
  const ordered = sort === 'submitted' ? orderById(order) : `order by place ${order}, id ${order} limit ?`
  const parts = lists.flatMap((list) => ranges.map((range) => joined(list, range)))
  if (parts.length === 0) return null
  return {
    sql: `${parts.map(({ sql }) => sql).join(' union all ')} ${ordered}`,
    values: parts.flatMap(({ values }) => values),
  }

  function joined(list: Part, range: Part): Part {
    const sql = `select id, ${keys[sort]} as place from tasks where ${list.sql} ${range.sql}`
    return { sql, values: [...list.values, ...range.values] }
  }
}

function orderById(order: TaskQuery['order']): string {
  return `order by id ${order} limit ?`
}

/** Behind the last place and within the ids that are asked for. */
function idRange({ order, after, ids = noId }: TaskQuery): Part {
  const [from, below] = ids
  const over = after !== null && order === 'asc' ? Math.max(from, after.id + 1) : from
  const under = after !== null && order === 'desc' ? Math.min(below, after.id) : below
  return { sql: 'id >= ? and id < ?', values: [over, under] }
}

/** Those that ended at the same moment as the last, and then all others: two ranges, so that neither is looked through. */
function endRanges(order: TaskQuery['order'], after: TaskPlace | null): Part[] {
  if (after === null) return [{ sql: 'ended_at_ms is not null', values: [] }]
  const { key, id } = after
  if (key === null) throw new Error('a task that has ended has a time of its end')
  const beyond = order === 'asc' ? '>' : '<'
  return [
    { sql: `ended_at_ms = ? and id ${beyond} ?`, values: [key, id] },
    { sql: `ended_at_ms ${beyond} ?`, values: [key] },
  ]
}

/** A batch has no more tasks than can be sorted for each page. */
function ofBatch(query: TaskQuery, batchId: number): Part {
  const { sort, order, node, owner, after } = query
  const key = keys[sort]
  const wanted = statusesOf(query, statuses)
  const conditions: Part[] = [
    { sql: 'batch_id = ?', values: [batchId] },
    { sql: `status in (${wanted.map(() => '?').join(', ')})`, values: wanted },
  ]
  if (node !== undefined) conditions.push({ sql: 'node = ?', values: [node] })
  if (owner !== undefined) conditions.push({ sql: 'owner = ?', values: [owner] })
  if (after !== null) conditions.push(behind(key, order, after))
  const ordered =
    sort === 'submitted' ? orderById(order) : `order by place ${order} nulls last, id ${order} limit ?`
  return {
    sql: `select id, ${key} as place from tasks where ${conditions.map(({ sql }) => sql).join(' and ')} ${ordered}`,
    values: conditions.flatMap(({ values }) => values),
  }
}

function behind(key: string, order: TaskQuery['order'], { key: last, id }: TaskPlace): Part {
  const beyond = order === 'asc' ? '>' : '<'
  if (last === null) return { sql: `(${key} is null and id ${beyond} ?)`, values: [id] }
  return {
    sql: `(${key} ${beyond} ? or (${key} = ? and id ${beyond} ?) or ${key} is null)`,
    values: [last, last, id],
  }
}
