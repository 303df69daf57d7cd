import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import type { Input } from '../protocol/host-api.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

/** Ten tasks in a batch on a node of ten cores: the first `ended` of them end, the first with exit code 1. */
async function work(ended: number): Promise<{ batchId: string; ids: string[] }> {
  const runner = await host.link({ cores: 10 })
  const specs = Array.from({ length: 10 }, (_, at) => ({
    command: 'work',
    arguments: [`part-${at}`, '100%'],
    env: { SECRET: 'hidden' },
    name: at === 7 ? 'The Seventh' : null,
  }))
  const { batchId, tasks } = await host.client.submitBatch({ body: { specs } })
  const ids = tasks.map(({ taskId }) => taskId ?? '')
  await runner.heard('start', 10)
  for (const id of ids) runner.started(id)
  for (const [at, id] of ids.slice(0, ended).entries()) runner.exited(id, at === 0 ? 1 : 0)
  const counts = async () => (await host.client.countTasks({ query: {} })).counts
  await waitFor('they have ended', async () => {
    const { running, completed = 0, failed = 0 } = await counts()
    return running === 10 - ended && completed + failed === ended
  })
  return { batchId: batchId ?? '', ids }
}

type Query = Input<'listTasks'>['query']

async function all(query: Query): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof host.client.listTasks>> = await host.client.listTasks({
      query: { ...query, ...(cursor !== null && { cursor }) },
    })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== null)
  return ids
}

describe('a list of tasks', () => {
  it('is filtered, sorted and counted, page by page', async () => {
    const { batchId, ids } = await work(4)
    const [failed = '', ...rest] = ids
    const newest = ids.toReversed()
    expect(await all({ limit: 3 })).toEqual(newest)
    expect(await all({ limit: 3, order: 'asc' })).toEqual(ids)
    expect(await all({ limit: 2, status: ['failed', 'running'] })).toEqual([...newest.slice(0, 6), failed])
    expect(await all({ limit: 2, node: 'n1', status: ['failed', 'failed'] })).toEqual([failed])
    expect(await all({ node: 'n2' })).toEqual([])
    expect((await all({ sort: 'ended', limit: 1 })).toSorted()).toEqual(ids.slice(0, 4))
    expect(await all({ batchId, sort: 'peakMemory', order: 'asc' })).toEqual(ids)
    expect(await host.client.listTasks({ query: { status: ['completed'], limit: 1 } })).toMatchObject({
      total: 3,
    })
    expect(await host.client.listTasks({ query: { sort: 'ended', limit: 1 } })).toMatchObject({ total: 4 })
    expect(await host.client.countTasks({ query: { node: 'n1', batchId } })).toEqual({
      counts: { running: 6, completed: 3, failed: 1 },
      total: 10,
    })
    expect(await host.client.listTaskIds({ query: { status: ['completed', 'failed'] } })).toEqual({
      ids: [...rest.slice(0, 3).toReversed(), failed],
      hasMore: false,
    })
    expect(await host.client.listBatchTargets({ params: { id: batchId } })).toEqual({
      items: [{ target: 'any', node: 'n1', counts: { running: 6, completed: 3, failed: 1 }, total: 10 }],
    })
  })

  it('tells where a page begins, so that it begins there again when others have come before it', async () => {
    const { batchId } = await work(6)
    const lists: Query[] = [
      { limit: 3 },
      { limit: 3, order: 'asc' },
      { limit: 3, batchId },
      { limit: 3, status: ['running', 'completed'] },
      { limit: 3, sort: 'ended' },
      { limit: 3, sort: 'ended', order: 'asc', batchId },
    ]
    const first = await Promise.all(lists.map((query) => host.client.listTasks({ query })))
    const more = Array.from({ length: 5 }, () => ({ command: 'later' }))
    await host.client.submitBatch({ body: { specs: more } })
    for (const [at, query] of lists.entries()) {
      const { begin, items, next } = first[at] ?? {}
      const again = await host.client.listTasks({ query: { ...query, cursor: begin ?? '' } })
      expect(again, JSON.stringify(query)).toMatchObject({ begin, items, next })
      const second = await host.client.listTasks({ query: { ...query, cursor: next ?? '' } })
      const third = await host.client.listTasks({ query: { ...query, cursor: second.begin ?? '' } })
      expect(third.items).toEqual(second.items)
    }
    expect((await host.client.listTasks({ query: { node: 'n2' } })).begin).toBeNull()
  })

  it('refuses a cursor of another list, and a sort that only a batch has', async () => {
    await work(4)
    const { next } = await host.client.listTasks({ query: { limit: 2 } })
    const refused: [Query, string][] = [
      [{ cursor: next ?? '', order: 'asc' }, 'sorted or searched otherwise'],
      [{ cursor: next ?? '', q: 'work' }, 'sorted or searched otherwise'],
      [{ cursor: '5' }, 'not one that this host gave out'],
      [{ sort: 'duration' }, 'name a batchId'],
    ]
    for (const [query, message] of refused)
      await expect(host.client.listTasks({ query })).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining(message),
      })
  })

  it('refuses a batch that is not there', async () => {
    await expect(host.client.listBatchTargets({ params: { id: '5' } })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('a search', () => {
  it('looks at name, command line and id, and takes every character as it is', async () => {
    const { batchId, ids } = await work(4)
    expect(await all({ q: 'PART-3' })).toEqual([ids[3]])
    expect(await all({ q: 'work part-', limit: 3 })).toEqual(ids.toReversed())
    expect(await all({ q: 'the seventh', batchId, sort: 'cpuTime' })).toEqual([ids[7]])
    expect(await all({ q: '100%', status: ['failed'] })).toEqual([ids[0]])
    expect(await all({ q: 'part', sort: 'ended', node: 'n1' })).toHaveLength(4)
    for (const q of ['hidden', 'SECRET', 'part%', '_art', '100%%']) expect(await all({ q }), q).toEqual([])
    expect(await host.client.listTaskIds({ query: { q: 'seventh' } })).toEqual({
      ids: [ids[7]],
      hasMore: false,
    })
    const page = { total: null, next: null, begin: null, looked: 10 }
    expect(await host.client.listTasks({ query: { q: 'work' } })).toMatchObject(page)
    expect(await host.client.listTasks({ query: { q: 'part-9', limit: 1 } })).toMatchObject({ looked: 1 })
    expect(await host.client.listTasks({ query: { q: 'part-5', limit: 1 } })).toMatchObject({ looked: 5 })
  })

  it('for an id or its beginning tells those first, each once', async () => {
    const runner = await host.link({ cores: 10 })
    const submit = async (word: string) => {
      const body = { specs: [{ command: 'echo', arguments: [word] }] }
      return (await host.client.submitBatch({ body })).tasks[0]?.taskId ?? ''
    }
    const first = await submit('x')
    const named = await submit(`task ${first}`)
    await runner.heard('start', 2)
    expect(await all({ q: first })).toEqual([first, named])
    expect(await all({ q: first, limit: 1 })).toEqual([first, named])
    expect(await all({ q: first, status: ['killed'] })).toEqual([])
    expect(await all({ q: first.slice(0, 4), limit: 1 })).toEqual([named, first])
    expect(await all({ q: first.slice(0, 4), limit: 1, order: 'asc' })).toEqual([first, named])
    expect(await all({ q: first.slice(0, 4), sort: 'ended' })).toEqual([])
    expect(await all({ q: first.slice(1), limit: 1 })).toEqual([named, first])
  })
})
