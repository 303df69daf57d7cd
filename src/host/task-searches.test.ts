import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spec } from '../core/builders.suite.ts'
import type { Task } from '../core/task.ts'
import { systemClock } from '../platform/clock.ts'
import type { Position } from './cursor.ts'
import { inMemory } from './store/open.ts'
import { SqliteStore } from './store/sqlite.ts'
import { none } from './store/store.suite.ts'
import { type SearchOptions, TaskSearches } from './task-searches.ts'

const count = 7_000
let store: SqliteStore
beforeEach(async () => {
  store = new SqliteStore(inMemory)
  const newTasks = Array.from(
    { length: count },
    (_, at): Task => ({
      id: 10 + at,
      batchId: 1,
      owner: 'admin',
      spec: spec({ arguments: [at % 1_000 === 0 ? 'rare' : 'plain'] }),
      target: { kind: 'any' },
      submittedAtMs: 1,
      attempt: 0,
      status: 'pending',
    }),
  )
  const batch = { id: 1, owner: 'admin', submissionId: null, name: null, submittedAtMs: 1, answer: '{}' }
  await store.commit({ ...none, batches: [batch], newTasks })
})
afterEach(() => store.close())

const list = { sort: 'submitted', order: 'desc' } as const
const rare: SearchOptions = { q: 'rare', from: null, limit: 100, forMs: 60_000 }
const rareIds = [6, 5, 4, 3, 2, 1, 0].map((thousand) => 10 + thousand * 1_000)
const idsOf = (found: Position[]) => found.map(({ place }) => place?.id)

describe('a search', () => {
  it('goes through all tasks, and stops at as many as were asked for', async () => {
    const searches = new TaskSearches(store, systemClock)
    const { found, next } = await searches.search(list, rare)
    expect([idsOf(found), next]).toEqual([rareIds, null])
    const some = await searches.search(list, { ...rare, limit: 2 })
    expect(idsOf(some.found)).toEqual(rareIds.slice(0, 2))
    const rest = await searches.search(list, { ...rare, from: some.next })
    expect(idsOf(rest.found)).toEqual(rareIds.slice(2))
  })

  it('answers with what it has when its time is over or nobody waits, and goes on from there', async () => {
    const searches = new TaskSearches(store, systemClock)
    for (const bound of [{ forMs: 0 }, { signal: AbortSignal.abort() }]) {
      const found: Position[] = []
      let pages = 0
      let from: Position | null = null
      do {
        const page: Awaited<ReturnType<typeof searches.search>> = await searches.search(list, {
          ...rare,
          ...bound,
          from,
        })
        found.push(...page.found)
        from = page.next
        pages += 1
      } while (from !== null)
      expect(idsOf(found)).toEqual(rareIds)
      expect(pages).toBeGreaterThan(2)
    }
  })

  it('lets everything else go between its slices', async () => {
    const searches = new TaskSearches(store, systemClock)
    let turns = 0
    const turn = () => {
      turns += 1
      if (turns < 1_000) setImmediate(turn)
    }
    setImmediate(turn)
    await Promise.all([searches.search(list, rare), searches.search(list, rare)])
    // a slice looks at 2,000 tasks at most
    expect(turns).toBeGreaterThanOrEqual(2 * Math.floor(count / 2_000))
  })

  it('is refused where many are under way, and not when they are over', async () => {
    const searches = new TaskSearches(store, systemClock)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 55 }, () => searches.search(list, { ...rare, forMs: 0 })),
    )
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(5)
    expect(refused[0]).toMatchObject({ reason: { code: 'too_many' } })
    await searches.search(list, rare)
  })
})
