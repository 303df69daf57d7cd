/** The largest ids that a database has given out, also those of a later one that it was restored in place of. */
import type { DatabaseSync } from 'node:sqlite'

export interface LargestIds {
  /** Of tasks and batches. */
  task: number
  event: number
}

export function largestIds(raw: DatabaseSync): LargestIds {
  const largest = (table: string) => Number(raw.prepare(`select max(id) as id from ${table}`).get()?.id ?? 0)
  const floor = (name: string) =>
    Number(raw.prepare('select value from id_floors where name = ?').get(name)?.value ?? 0)
  return {
    task: Math.max(largest('tasks'), largest('batches'), floor('task')),
    event: Math.max(largest('task_events'), largest('node_events'), floor('event')),
  }
}

/** No id up to these is given out any more. */
export function raiseIds(raw: DatabaseSync, ids: LargestIds): void {
  const raise = raw.prepare(
    'insert into id_floors (name, value) values (?, ?) on conflict (name) do update set value = max(value, excluded.value)',
  )
  raise.run('task', ids.task)
  raise.run('event', ids.event)
}
