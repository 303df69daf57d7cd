/** Whose a task is: who ends it, reads its output and environment, and runs it again. Ids of others lead nowhere. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallOptions, call } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { personOn } from './people.suite.ts'

const secret = 'only-for-ann'

let host: TestHost
let ann: string
let bob: string
let operator: string
let viewer: string
beforeAll(async () => {
  host = await TestHost.start()
  ann = await personOn(host, 'ann', 'submitter')
  bob = await personOn(host, 'bob', 'submitter')
  operator = await personOn(host, 'olga', 'operator')
  viewer = await personOn(host, 'ann', 'submitter', { role: 'viewer' })
})
afterAll(() => host.close())

const send = (method: string, path: string, options?: CallOptions) =>
  call(host.host.url, method, path, options)
const post = (path: string, token: string, body: object = {}) => send('POST', path, { token, body })
const get = (path: string, token: string) => send('GET', path, { token })

/** A batch of tasks; those of ann have a secret in their environment. */
async function submit(
  token: string,
  count = 1,
  more: object = {},
): Promise<{ batchId: string; ids: string[] }> {
  const specs = Array.from({ length: count }, () => ({
    command: 'true',
    env: { KEY: token === ann ? secret : 'of another' },
  }))
  const { json } = await post('/api/v1/batches', token, { specs, ...more })
  return { batchId: json.batchId, ids: json.tasks.map(({ taskId }: { taskId: string }) => taskId) }
}

describe('a task', () => {
  it('is its submitter’s, and seen by all; its environment is not', async () => {
    const { ids, batchId } = await submit(ann)
    for (const [token, env, mayTouch] of [
      [ann, { KEY: secret }, true],
      [operator, { KEY: secret }, true],
      [bob, null, false],
      [viewer, null, false],
    ] as const)
      expect((await get(`/api/v1/tasks/${ids[0]}`, token)).json).toMatchObject({
        owner: 'ann',
        env,
        mayTouch,
      })
    expect((await get(`/api/v1/batches/${batchId}`, bob)).json.owner).toBe('ann')
  })

  it('is ended by its owner and by operators', async () => {
    const { ids } = await submit(ann, 2)
    const kill = (id: string | undefined, token: string) => post(`/api/v1/tasks/${id}/kill`, token)
    expect(await kill(ids[0], bob)).toMatchObject({
      status: 403,
      json: {
        message: `cannot kill task ${ids[0]}: it belongs to ann, so that needs the role operator, and bob is submitter`,
      },
    })
    expect((await kill(ids[0], viewer)).json.message).toBe(
      'this needs the role submitter, and this token of ann is only viewer',
    )
    expect(await kill(ids[0], ann)).toMatchObject({ status: 202, json: { reason: 'killed by ann' } })
    expect(await kill(ids[1], operator)).toMatchObject({ status: 202, json: { reason: 'killed by olga' } })
    // one that has ended is no reason to tell more
    expect((await kill(ids[0], bob)).status).toBe(403)
    expect((await kill('1', bob)).status).toBe(404)
  })

  it('is ended among many only by who may', async () => {
    const mine = await submit(bob, 2)
    const theirs = await submit(ann, 2)
    const ids = [mine.ids[0], theirs.ids[0], mine.ids[1], theirs.ids[1], '1']
    const { json } = await post('/api/v1/tasks/kill', bob, { ids })
    expect(json.items.map(({ isAsked }: { isAsked: boolean }) => isAsked)).toEqual([
      true,
      false,
      true,
      false,
      false,
    ])
    expect(json.items[1]).toEqual({
      id: theirs.ids[0],
      isAsked: false,
      status: 'pending',
      message: `cannot kill task ${theirs.ids[0]}: it belongs to ann, so that needs the role operator, and bob is submitter`,
    })
    expect((await get(`/api/v1/tasks/${theirs.ids[0]}`, ann)).json.status).toBe('pending')
    expect((await post(`/api/v1/batches/${theirs.batchId}/kill`, bob)).status).toBe(403)
    expect((await post(`/api/v1/batches/${theirs.batchId}/kill`, operator)).json.killed).toEqual(theirs.ids)
  })

  it('is run again only by who may, and belongs to him then', async () => {
    const theirs = await submit(ann, 1)
    const mine = await submit(bob, 1)
    for (const { batchId } of [theirs, mine]) await post(`/api/v1/batches/${batchId}/kill`, operator)
    const { json } = await post('/api/v1/tasks/rerun', bob, { ids: [...theirs.ids, ...mine.ids] })
    expect(json.items[0]).toMatchObject({ taskId: null, error: { code: 'not_permitted' } })
    expect(json.items[1].error).toBeNull()
    const none = await post('/api/v1/tasks/rerun', bob, { ids: theirs.ids })
    expect(none.json).toMatchObject({ batchId: null, items: [{ error: { code: 'not_permitted' } }] })
    const by = await post('/api/v1/tasks/rerun', operator, { ids: theirs.ids })
    const again = await get(`/api/v1/tasks/${by.json.items[0].taskId}`, operator)
    expect(again.json).toMatchObject({ owner: 'olga', env: { KEY: secret }, rerunOf: theirs.ids[0] })
  })

  it('has an output for its owner and for operators, by whichever way', async () => {
    const { ids } = await submit(ann)
    await post(`/api/v1/tasks/${ids[0]}/kill`, ann)
    const log = `/api/v1/tasks/${ids[0]}/logs/stdout`
    const ways = [log, `${log}?follow=true`, `${log}?download=true`, `${log}/lines`, `${log}/search?q=x`]
    for (const way of ways) {
      expect((await get(way, bob)).json.message).toBe(
        `cannot read the output of task ${ids[0]}: it belongs to ann, so that needs the role operator, and bob is submitter`,
      )
      expect((await get(way, viewer)).status).toBe(403)
      for (const token of [ann, operator]) expect((await get(way, token)).status).toBe(200)
      expect((await get(way.replace(ids[0] ?? '', '1'), bob)).status).toBe(404)
    }
    for (const stream of ['stdout', 'stderr']) {
      const path = `/task/${ids[0]}/${stream}`
      expect((await get(path, bob)).json.detail).toContain('belongs to ann')
      // it has written nothing
      expect((await get(path, ann)).status).toBe(404)
    }
  })
})

describe('a submission id', () => {
  it('is told of to who used it alone', async () => {
    const submissionId = 'the-same-id-1'
    const first = await submit(ann, 1, { submissionId })
    expect((await submit(ann, 1, { submissionId })).ids).toEqual(first.ids)
    const body = { specs: [{ command: 'true' }], submissionId }
    const refusal = {
      status: 409,
      json: { message: 'the submission id the-same-id-1 was used by another user: send another one' },
    }
    for (const token of [bob, operator, host.token('admin')])
      expect(await post('/api/v1/batches', token, body)).toMatchObject(refusal)
    expect(await post('/api/v1/tasks/rerun', bob, { ids: first.ids, submissionId })).toMatchObject(refusal)
  })

  it('of two users at once is one’s', async () => {
    const body = { specs: [{ command: 'true' }], submissionId: 'the-same-id-2' }
    const both = await Promise.all([ann, bob].map((token) => post('/api/v1/batches', token, body)))
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
  })
})

describe('lists', () => {
  it('tell the tasks and batches of one user, in numbers too', async () => {
    const carl = await personOn(host, 'carl', 'submitter')
    const { ids, batchId } = await submit(carl, 3)
    await post(`/api/v1/tasks/${ids[0]}/kill`, carl)
    const tasks = await get('/api/v1/tasks?owner=carl', bob)
    expect(tasks.json).toMatchObject({ total: 3 })
    expect(tasks.json.items.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed())
    expect((await get('/api/v1/tasks?owner=carl&status=killed', bob)).json.total).toBe(1)
    expect((await get('/api/v1/tasks?owner=carl&sort=ended', bob)).json.items).toHaveLength(1)
    expect((await get('/api/v1/tasks?owner=carl&q=true', bob)).json.items).toHaveLength(3)
    expect((await get(`/api/v1/tasks?owner=carl&q=${ids[1]}`, bob)).json.items).toHaveLength(1)
    expect((await get(`/api/v1/tasks?owner=dora&q=${ids[1]}`, bob)).json.items).toHaveLength(0)
    expect((await get('/api/v1/tasks/ids?owner=carl', bob)).json.ids).toHaveLength(3)
    expect((await get('/api/v1/tasks/counts?owner=carl', bob)).json).toEqual({
      counts: { pending: 2, killed: 1 },
      total: 3,
    })
    expect((await get('/api/v1/tasks/counts?owner=dora', bob)).json.total).toBe(0)
    expect((await get('/api/v1/tasks?owner=carl&node=n1', bob)).json).toMatchObject({
      total: null,
      items: [],
    })
    expect((await get('/api/v1/tasks/counts?owner=carl&node=n1', bob)).json.message).toContain('not counted')
    const batches = await get('/api/v1/batches?owner=carl', bob)
    expect(batches.json).toMatchObject({ total: 1, items: [{ id: batchId, owner: 'carl' }] })
    expect((await get('/api/v1/tasks?owner=No+Name', bob)).status).toBe(400)
    await host.restart()
    expect((await get('/api/v1/tasks/counts?owner=carl', bob)).json.total).toBe(3)
    expect((await get('/api/v1/batches?owner=carl', bob)).json.total).toBe(1)
  })
})

describe('the environment', () => {
  it('is in no list, event, stream, count, usage or answer to others, and in no search', async () => {
    const { ids, batchId } = await submit(ann)
    const token = bob
    const id = ids[0]
    const texts = await Promise.all(
      [
        '/api/v1/tasks',
        '/api/v1/batches',
        `/api/v1/batches/${batchId}`,
        `/api/v1/batches/${batchId}/targets`,
        `/api/v1/tasks/${id}`,
        `/api/v1/tasks/${id}/events`,
        `/api/v1/tasks/${id}/usage`,
        '/api/v1/overview',
        '/openapi.json',
        '/tasks',
        `/status/${id}`,
        '/api/tasks',
      ].map(async (path) => (await get(path, token)).text),
    )
    texts.push(await streamed('/api/v1/events?after=0', token), await streamed('/api/v1/live?after=0', token))
    for (const text of texts) expect(text).not.toContain(secret)
    expect(texts.join('')).toContain(id)
    expect((await get(`/api/v1/tasks?q=${secret}`, ann)).json.items).toEqual([])
    // of the original too it is told to its owner
    expect((await get(`/status/${id}`, ann)).json.env_vars).toEqual({ KEY: secret })
    expect((await get(`/status/${id}`, bob)).json.env_vars).toEqual({})
  })
})

describe('the original’s API', () => {
  it('knows users and their tasks by the token', async () => {
    const { json } = await post('/submit', ann, { command: 'true', env_vars: { KEY: secret } })
    const [id] = json.task_ids
    expect((await get(`/api/v1/tasks/${id}`, ann)).json.owner).toBe('ann')
    expect(await post(`/kill/${id}`, bob)).toMatchObject({
      status: 403,
      json: { detail: expect.stringContaining('belongs to ann') },
    })
    expect((await post('/submit', viewer, { command: 'true' })).json.detail).toContain(
      'needs the role submitter',
    )
    expect((await post(`/kill/${id}`, ann)).status).toBe(202)
    const all = (await get('/tasks', bob)).text
    expect(all).toContain(id)
    expect(all).not.toContain(secret)
  })
})

/** What a stream tells in a moment: until its first events have come. */
async function streamed(path: string, token: string): Promise<string> {
  const gone = new AbortController()
  const answer = await fetch(`${host.host.url}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: gone.signal,
  })
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk)
    if (text.includes('data: ')) break
  }
  gone.abort()
  return text
}
