import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import { taskSearch } from '../../core/search.ts'
import { finalStatuses, isFinal, isFinalTask, type Status, statuses, type Task } from '../../core/task.ts'
import { type TaskSort, taskSorts } from '../../protocol/choices.ts'
import { inMemory, type OpenDatabase, openDatabase } from './open.ts'
import { SqliteStore } from './sqlite.ts'
import { none, planOf } from './store.suite.ts'
import type { TaskFilter, TaskPlace, TaskQuery } from './store.ts'
import { placesSql } from './task-list.ts'
import { countings, ownerCounting } from './task-reads.ts'

let database: OpenDatabase
let store: SqliteStore
beforeEach(() => {
  database = openDatabase(inMemory)
  store = new SqliteStore(database)
})
afterEach(() => store.close())

interface Drawn {
  status: Status
  node: string
  batchId: number
  endedAtMs: number
  ranMs: number | null
  cpuTimeMs: number | null
  size: number
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  status: fc.constantFrom(...statuses),
  node: fc.constantFrom('n1', 'n2', 'n3'),
  batchId: fc.constantFrom(1, 2),
  endedAtMs: fc.integer({ min: 100, max: 105 }),
  ranMs: fc.option(fc.nat(3)),
  cpuTimeMs: fc.option(fc.nat(2)),
  size: fc.nat(30),
})

/** A batch has one. */
const ownerOf = (batchId: number) => (batchId === 1 ? 'ann' : 'bob')

function taskOf({ status, node, batchId, endedAtMs, ranMs, cpuTimeMs, size }: Drawn, id: number): Task {
  const words = spec({ command: 'work', arguments: [`part-${size}`], env: { SECRET: 'hidden' } })
  const base = {
    id,
    batchId,
    owner: ownerOf(batchId),
    spec: words,
    submittedAtMs: 1,
    attempt: 1,
    target: { kind: 'any' } as const,
  }
  const placed = {
    placement: { node, numaId: null },
    dispatchedTo: { runnerId: 'r', bootId: 'b' },
    placedAtMs: 2,
  }
  const startedAtMs = ranMs === null ? null : endedAtMs - ranMs
  if (status === 'pending') return { ...base, status }
  if (status === 'assigning') return { ...base, ...placed, status }
  if (status === 'running') return { ...base, ...placed, status, startedAtMs: startedAtMs ?? 3 }
  if (status === 'unreachable') return { ...base, ...placed, status, startedAtMs, sinceMs: 4 }
  if (status === 'killing')
    return { ...base, ...placed, status, startedAtMs, killRequestedAtMs: 5, killReason: 'asked' }
  const end = {
    startedAtMs,
    endedAtMs,
    exitCode: 0,
    signal: null,
    reason: null,
    cpuTimeMs,
    peakMemoryBytes: size,
  }
  return { ...base, ...placed, ...end, status }
}

const statusesDrawn = fc.option(fc.subarray([...statuses], { minLength: 1 }), { nil: undefined })
const filterDrawn: fc.Arbitrary<TaskFilter> = fc.record({
  statuses: statusesDrawn,
  node: fc.constantFrom(undefined, undefined, 'n1', 'n2', 'n9'),
  batchId: fc.constantFrom(undefined, 1, 2),
  owner: fc.constantFrom(undefined, undefined, 'ann', 'bob', 'carl'),
})

/** Of an owner on a node they are not counted, but in a batch. */
function isCounted({ node, owner, batchId }: TaskFilter): boolean {
  return node === undefined || owner === undefined || batchId !== undefined
}

function isIn(task: Task, { statuses: wanted, node, batchId, owner }: TaskFilter): boolean {
  const at = 'placement' in task ? (task.placement?.node ?? null) : null
  return (
    (wanted === undefined || wanted.includes(task.status)) &&
    (node === undefined || node === at) &&
    (batchId === undefined || batchId === task.batchId) &&
    (owner === undefined || owner === task.owner)
  )
}

function keyOf(task: Task, sort: TaskSort): number | null {
  const end = isFinalTask(task) ? task : null
  const startedAtMs = 'startedAtMs' in task ? task.startedAtMs : null
  switch (sort) {
    case 'submitted':
      return task.id
    case 'started':
      return startedAtMs
    case 'ended':
      return end?.endedAtMs ?? null
    case 'duration':
      return end === null || startedAtMs === null ? null : end.endedAtMs - startedAtMs
    case 'cpuTime':
      return end?.cpuTimeMs ?? null
    case 'peakMemory':
      return end?.peakMemoryBytes ?? null
  }
}

/** The list by its definition. */
function listed(tasks: Task[], { sort, order, ...filter }: Omit<TaskQuery, 'after' | 'limit'>): number[] {
  const sign = order === 'asc' ? 1 : -1
  return tasks
    .filter((task) => isIn(task, filter) && (sort !== 'ended' || isFinal(task.status)))
    .map((task): TaskPlace => ({ id: task.id, key: keyOf(task, sort) }))
    .sort((a, b) => {
      if (a.key === b.key) return sign * (a.id - b.id)
      if (a.key === null || b.key === null) return a.key === null ? 1 : -1
      return sign * (a.key - b.key)
    })
    .map(({ id }) => id)
}

async function seed(all: Drawn[]): Promise<Task[]> {
  const tasks = all.map((one, at) => taskOf(one, 10 + at))
  const batches = [1, 2].map((id) => ({
    id,
    owner: ownerOf(id),
    submissionId: null,
    name: null,
    submittedAtMs: 1,
    answer: '{}',
  }))
  await store.commit({ ...none, batches, newTasks: tasks })
  return tasks
}

async function fresh(): Promise<void> {
  await store.close()
  database = openDatabase(inMemory)
  store = new SqliteStore(database)
}

async function pages(
  query: Omit<TaskQuery, 'after'>,
): Promise<{ ids: number[]; totals: Set<number | null> }> {
  const ids: number[] = []
  const totals = new Set<number | null>()
  let after: TaskPlace | null = null
  do {
    const page: Awaited<ReturnType<SqliteStore['tasks']>> = await store.tasks({ ...query, after })
    ids.push(...page.items.map(({ id }) => id))
    totals.add(page.total)
    after = page.next
  } while (after !== null)
  return { ids, totals }
}

describe('a list of tasks', () => {
  it('has each task once, in its order, whatever the filter, the sort and the pages', async () => {
    const sortDrawn = fc.constantFrom(...taskSorts)
    await fc.assert(
      fc.asyncProperty(
        fc.array(drawn, { maxLength: 40 }),
        filterDrawn,
        sortDrawn,
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.integer({ min: 1, max: 7 }),
        async (all, filter, sort, order, limit) => {
          fc.pre(filter.batchId !== undefined || sort === 'submitted' || sort === 'ended')
          await fresh()
          const tasks = await seed(all)
          const wanted = listed(tasks, { ...filter, sort, order })
          const { ids, totals } = await pages({ ...filter, sort, order, limit })
          expect(ids).toEqual(wanted)
          expect([...totals]).toEqual([isCounted(filter) ? wanted.length : null])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('goes on behind the same task when others come and change', async () => {
    const tasks = await seed(
      Array.from({ length: 9 }, (_, at) => ({
        status: 'completed', node: 'n1', batchId: 1, endedAtMs: 100 + (at % 3), ranMs: 1, cpuTimeMs: 1, size: 1,
      })), // biome-ignore format: a table
    )
    const query = { sort: 'ended', order: 'desc', limit: 4 } as const
    const first = await store.tasks({ ...query, after: null })
    const more = taskOf({ ...drawnOf(), endedAtMs: 101 }, 100)
    await store.commit({ ...none, newTasks: [more, taskOf({ ...drawnOf(), endedAtMs: 200 }, 101)] })
    const second = await store.tasks({ ...query, limit: 20, after: first.next })
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(
      listed(tasks, { sort: 'ended', order: 'desc' }),
    )
  })

  it('ends a page early where its tasks are large', async () => {
    const large = spec({ arguments: ['x'.repeat(1024 * 1024)] })
    const newTasks = Array.from(
      { length: 9 },
      (_, at): Task => ({
        ...taskOf(drawnOf(), 10 + at),
        spec: large,
      }),
    )
    await seed([])
    await store.commit({ ...none, newTasks })
    const { items, total, next } = await store.tasks({
      sort: 'submitted',
      order: 'desc',
      after: null,
      limit: 100,
    })
    expect(items.length).toBeLessThan(5)
    expect(total).toBe(9)
    const { ids } = await pages({ sort: 'submitted', order: 'desc', limit: 100 })
    expect(ids).toEqual(newTasks.map(({ id }) => id).reverse())
    expect(next?.id).toBe(items.at(-1)?.id)
  })

  it('begins each page by a search in an index, and sorts nothing', () => {
    for (const sort of ['submitted', 'ended'] as const)
      for (const order of ['asc', 'desc'] as const)
        for (const filter of [
          {},
          { node: 'n1' },
          { statuses: ['failed', 'lost'] as const },
          { node: 'n1', statuses: ['failed'] as const },
          { owner: 'ann' },
          { owner: 'ann', statuses: ['failed'] as const },
        ])
          for (const after of [null, { key: 5, id: 5 }]) {
            const part = placesSql({ ...filter, sort, order, after, limit: 5 }, finalStatuses)
            const sql = part?.sql ?? ''
            const steps = planOf(database.raw, sql)
            expect(steps.length, sql).toBeGreaterThan(0)
            for (const step of steps)
              expect(step, sql).toMatch(
                /^(SEARCH tasks USING (COVERING INDEX|INTEGER PRIMARY KEY)|MERGE|LEFT|RIGHT)/,
              )
          }
  })

  it('has other sorts only for a batch', async () => {
    for (const sort of ['started', 'duration', 'cpuTime', 'peakMemory'] as const)
      await expect(store.tasks({ sort, order: 'asc', after: null, limit: 1 })).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining('name a batchId'),
      })
  })
})

describe('numbers of tasks', () => {
  it('are right after every commit and every start', async () => {
    const change = fc.record({ at: fc.nat(30), to: drawn })
    await fc.assert(
      fc.asyncProperty(
        fc.array(drawn, { minLength: 1, maxLength: 20 }),
        fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 5 }),
        filterDrawn,
        async (all, commits, filter) => {
          await fresh()
          const tasks = new Map((await seed(all)).map((task) => [task.id, task]))
          const check = async (counted: SqliteStore) => {
            const matching = [...tasks.values()].filter((task) => isIn(task, filter))
            const expected = new Map<Status, number>()
            for (const { status } of matching) expected.set(status, (expected.get(status) ?? 0) + 1)
            const counts = await counted.counts(filter)
            if (!isCounted(filter)) return expect(counts).toBeNull()
            expect(new Map([...(counts ?? [])].sort())).toEqual(new Map([...expected].sort()))
          }
          await check(store)
          for (const changes of commits) {
            const changed = new Map<number, Task>()
            for (const { at, to } of changes) {
              const before = tasks.get(10 + (at % all.length))
              // as it is: an end stays, and a batch too
              if (before === undefined || isFinal(before.status) || changed.has(before.id)) continue
              changed.set(before.id, taskOf({ ...to, batchId: before.batchId }, before.id))
            }
            const added = taskOf(drawnOf(), 100 + tasks.size)
            await store.commit({ ...none, newTasks: [added], changedTasks: [...changed.values()] })
            for (const task of [added, ...changed.values()]) tasks.set(task.id, task)
            await check(store)
          }
          await check(new SqliteStore(database))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('are counted in indices at the start', () => {
    for (const sql of [...countings, ownerCounting])
      expect(planOf(database.raw, sql)).toEqual([
        expect.stringMatching(/^(SCAN|SEARCH) tasks USING COVERING INDEX tasks_by/),
      ])
  })

  it('stay as they were where a commit fails', async () => {
    const [task] = await seed([drawnOf()])
    const clash = { ...none, newTasks: [taskOf(drawnOf(), 50), ...(task === undefined ? [] : [task])] }
    await expect(store.commit(clash)).rejects.toThrow()
    expect(await store.countByStatus()).toEqual(new Map([['completed', 1]]))
  })
})

describe('a search', () => {
  it('finds in slices what the definition finds', async () => {
    const all = Array.from({ length: 60 }, (_, at) => ({ ...drawnOf(), size: at % 31 }))
    const tasks = await seed(all)
    for (const q of ['part-3', 'PART', 'work part-30', '12', 'hidden', 'nothing']) {
      const search = taskSearch(q)
      const wanted = tasks.filter(({ id, spec: words }) => search.matchesId(id) || search.matches(words))
      const ids: number[] = []
      let after: TaskPlace | null = null
      let slices = 0
      let lookedAt = 0
      do {
        const query = { sort: 'submitted', order: 'desc', after, limit: 3 } as const
        // no time at all: each slice looks at one task
        const { found, at, looked }: Awaited<ReturnType<SqliteStore['searchSlice']>> =
          await store.searchSlice(query, search, slices % 2 === 0 ? 0 : 1_000)
        expect(found.length).toBeLessThanOrEqual(3)
        ids.push(...found.map(({ id }) => id))
        after = at
        slices += 1
        lookedAt += looked
      } while (after !== null && slices < 200)
      expect(ids, q).toEqual(wanted.map(({ id }) => id).reverse())
      expect(lookedAt, q).toBe(tasks.length)
    }
  })
})

function drawnOf(): Drawn {
  return { status: 'completed', node: 'n1', batchId: 1, endedAtMs: 100, ranMs: 1, cpuTimeMs: 1, size: 1 }
}
