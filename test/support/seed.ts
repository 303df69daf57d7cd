/** A store full of tasks that have ended, made in seconds: for tests and benchmarks of long lists. */
import { nextId } from '../../src/core/id.ts'
import type { TaskSpec } from '../../src/core/task.ts'
import { openDatabase } from '../../src/host/store/open.ts'

export interface SeedOptions {
  /** Number of nodes that they ran on, `n1`, `n2`, …: the first ones ran the most. */
  nodes?: number
  /** Tasks of each batch. */
  batchSize?: number
  /** When the newest was submitted; the others lie in the thirty days before. */
  nowMs?: number
}

/** What was made. Ids of batches and tasks grow with time. */
export interface Seeded {
  newestTaskId: number
  oldestTaskId: number
  newestBatchId: number
}

const spanMs = 30 * 86_400_000
/** The newest tasks have a history. */
const withEvents = 20_000

/** A word in place of what differs from task to task. */
const spec: TaskSpec = {
  command: '/usr/bin/python3',
  arguments: ['train.py', '--seed', '@at@', '--rate', '0.01', '--out', 'results/@batch@/@at@.json'],
  env: { DATA: '/data/set-@batch@', MODE: 'nightly' },
  cwd: null,
  name: 'train-@batch@-@at@',
  cores: 2,
  memoryBytes: 2 ** 31,
  timeoutMs: null,
  privateNetwork: false,
  privatePids: false,
  queue: true,
}

/**
 * Puts tasks in every final status into the database at `path`, which is made where there is none and must not be in
 * use. A million take some seconds. Of a hundred, about ninety completed and five failed.
 */
export function seedTasks(path: string, count: number, options: SeedOptions = {}): Seeded {
  const { nodes = 20, batchSize = 100, nowMs = Date.now() } = options
  const { raw, close } = openDatabase(path)
  const indices = raw
    .prepare(
      "select name, sql from sqlite_schema where type = 'index' and tbl_name = 'tasks' and sql is not null",
    )
    .all()
  try {
    // for once: nobody has been told of anything that is lost here
    raw.exec('pragma synchronous = off; pragma foreign_keys = off; begin')
    for (const { name } of indices) raw.exec(`drop index ${String(name)}`)
    const batches = Math.ceil(count / batchSize)
    // a whole number of seconds, as ids count them: a batch each
    const stepMs = Math.max(1_000, Math.floor(spanMs / batches / 1_000) * 1_000)
    const firstMs = Math.floor(nowMs / 1_000) * 1_000 - batches * stepMs
    const firstId = nextId(0, firstMs)
    const idStep = nextId(0, firstMs + stepMs) - firstId
    const values = { count, batches, size: batchSize, nodes, firstId, idStep, firstMs, stepMs }
    // as text: a parameter that is a number would be a fraction
    const run = (sql: string) =>
      raw.exec(sql.replace(/\$(\w+)/g, (_, name: keyof typeof values) => String(values[name])))
    run(batchesSql)
    run(tasksSql)
    const newestBatchId = firstId + (batches - 1) * idStep
    const newestTaskId = newestBatchId + 1 + ((count - 1) % batchSize)
    for (const { sql } of indices) raw.exec(String(sql))
    insertEvents(raw, count)
    raw.exec('commit; pragma wal_checkpoint(truncate)')
    return { newestTaskId, newestBatchId, oldestTaskId: firstId + 1 }
  } finally {
    close()
  }
}

const batchesSql = `
  insert into batches (id, submission_id, name, submitted_at_ms, answer)
  with recursive batch (b) as (select 0 union all select b + 1 from batch where b + 1 < $batches)
  select $firstId + b * $idStep, null, 'night ' || b, $firstMs + b * $stepMs,
    '{"batchId":"' || ($firstId + b * $idStep) || '","tasks":[]}'
  from batch`

/** `h` is a number below a thousand that looks drawn, and is the same each time. */
const tasksSql = `
  insert into tasks (
    id, batch_id, status, spec, target, node, numa_id, attempt, runner_id, boot_id, submitted_at_ms, placed_at_ms,
    started_at_ms, ended_at_ms, exit_code, signal, reason, cpu_time_ms, peak_memory_bytes
  )
  with recursive task (i) as (select 0 union all select i + 1 from task where i + 1 < $count),
  drawn as (
    select i, i / $size as b, i % $size as k, i * 7919 % 1009 % 1000 as h, i * 104729 % 10007 as r from task
  ),
  told as (
    select *, $firstId + b * $idStep as batch, $firstMs + b * $stepMs as at,
      'n' || (1 + r * r / 10007 * $nodes / 10007) as node,
      case when h < 900 then 'completed' when h < 950 then 'failed' when h < 970 then 'killed'
        when h < 980 then 'killed_oom' when h < 990 then 'timed_out' else 'lost' end as status
    from drawn
  )
  select batch + 1 + k, batch, status,
    replace(replace('${JSON.stringify(spec)}', '@at@', k), '@batch@', b),
    iif(h % 3 = 0, node, 'any'), node, null, 1, 'runner-' || node, 'boot-' || node, at, at + 20,
    at + 40 + h, at + 1000 + h * 17 + r * 3,
    case status when 'completed' then 0 when 'failed' then 1 + h % 3 end,
    case status when 'killed' then 'SIGTERM' when 'killed_oom' then 'SIGKILL' end,
    case status when 'killed' then 'killed by admin' when 'lost' then 'its node was set up anew' end,
    iif(status = 'lost', null, h * 13 + r), iif(status = 'lost', null, (1 + r) * 65536)
  from told`

function insertEvents(raw: ReturnType<typeof openDatabase>['raw'], count: number): void {
  raw.exec(`
    insert into task_events (id, at_ms, task_id, batch_id, attempt, type, status, node, exit_code, reason)
    with newest as (select * from tasks order by id desc limit ${Math.min(count, withEvents)}),
    event as (
      select submitted_at_ms as at, id, batch_id, 0 as attempt, 'submitted' as type, 'pending' as status,
        null as node, null as exit_code, null as reason from newest
      union all select placed_at_ms, id, batch_id, 1, 'placed', 'assigning', node, null, null from newest
      union all select started_at_ms, id, batch_id, 1, 'started', 'running', node, null, null from newest
      union all select ended_at_ms, id, batch_id, 1, 'exited', status, node, exit_code, reason from newest
    )
    select row_number() over (order by at, id), at, id, batch_id, attempt, type, status, node, exit_code, reason
    from event`)
}
