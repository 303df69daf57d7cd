/** For tests of the store: changes, and how it reads. */
import type { DatabaseSync } from 'node:sqlite'
import type { Changes } from './store.ts'

export const none: Changes = { batches: [], newTasks: [], changedTasks: [], nodes: [], events: [] }

/** How SQLite carries a query out, step by step. */
export function planOf(raw: DatabaseSync, query: string): string[] {
  return raw
    .prepare(`explain query plan ${query}`)
    .all()
    .map(({ detail }) => String(detail))
}
