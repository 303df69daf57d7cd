/** What is open by a token ends with it: streams, answers that are waited for, bodies that come slowly. */
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor, withDeadline } from '../platform/wait.ts'
import { type CallOptions, call, cookieOf } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { personOn, tokenOn } from './people.suite.ts'
import { SqliteStore } from './store/sqlite.ts'
import type { TokenRecord } from './store/store.ts'

const soonMs = 1_000

let host: TestHost
let admin: string
beforeEach(async () => {
  host = await TestHost.start()
  admin = host.token('admin')
})
afterEach(() => host.close())

const send = (method: string, path: string, options?: CallOptions) =>
  call(host.host.url, method, path, options)
const post = (path: string, token: string, body: object = {}) => send('POST', path, { token, body })
const idOf = async (token: string) => (await send('GET', '/api/v1/me', { token })).json.tokenId
const revoke = async (token: string) => post(`/api/v1/tokens/${await idOf(token)}/revoke`, admin)

interface Open {
  path: string
  isClosed: () => boolean
}

/** An answer that goes on until the host ends it. */
function open(path: string, headers: Record<string, string>): Promise<Open> {
  return new Promise((resolve, reject) => {
    let isClosed = false
    const sending = request(`${host.host.url}${path}`, { headers }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${path}: ${answer.statusCode}`))
      answer.resume()
      answer.on('close', () => {
        isClosed = true
      })
      answer.on('error', () => {})
      resolve({ path, isClosed: () => isClosed })
    })
    sending.on('error', reject)
    sending.end()
  })
}

/** A request that is not answered yet. */
function pending(
  path: string,
  headers: Record<string, string>,
  body?: string,
): { isCut: () => boolean; answered: () => number | null } {
  let isCut = false
  let status: number | null = null
  const length = body === undefined ? {} : { 'content-length': String(body.length + 1) }
  const sending = request(`${host.host.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, ...length, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  })
  sending.on('error', () => {
    isCut = true
  })
  sending.on('response', (answer) => {
    status = answer.statusCode ?? 0
    answer.resume()
  })
  if (body === undefined) sending.end()
  // its last byte does not come
  else sending.write(body)
  return { isCut: () => isCut, answered: () => status }
}

/** Every stream that there is, and an answer that is waited for. */
async function openAll(token: string) {
  const { tasks } = await submitAs(token)
  const log = `/api/v1/tasks/${tasks[0].taskId}/logs/stdout`
  const headers = { authorization: `Bearer ${token}` }
  const paths = ['/api/v1/live?load=true', '/api/v1/events', '/api/v1/events?after=0', `${log}?follow=true`]
  const streams = await Promise.all(paths.map((path) => open(path, headers)))
  return { streams, waiting: pending(`${log}/lines?from=1&waitMs=20000`, headers) }
}

async function submitAs(token: string) {
  return (await post('/api/v1/batches', token, { specs: [{ command: 'true' }] })).json
}

const ends: [what: string, end: (token: string) => Promise<unknown>][] = [
  ['it is revoked', revoke],
  ['it is revoked by itself', async (token) => post(`/api/v1/tokens/${await idOf(token)}/revoke`, token)],
  ['its user is disabled', () => post('/api/v1/users/ann', admin, { isDisabled: true })],
  ['its user may do less', () => post('/api/v1/users/ann', admin, { role: 'viewer' })],
]

describe('what is open by a token', () => {
  it.each(ends)('ends within a second where %s, and nothing else does', async (_, end) => {
    const ann = await openAll(await personOn(host, 'ann', 'operator'))
    const bob = await openAll(await personOn(host, 'bob', 'operator'))
    const token = await tokenOn(host, { user: 'ann' })
    const second = await openAll(token)
    const answer = (await end(token)) as Awaited<ReturnType<typeof send>>
    expect(answer.status).toBe(200)
    const gone = () => second.streams.every(({ isClosed }) => isClosed()) && second.waiting.isCut()
    await waitFor('all is closed', gone, { deadlineMs: soonMs })
    expect(bob.streams.some(({ isClosed }) => isClosed()) || bob.waiting.isCut()).toBe(false)
    const isAll = ann.streams.every(({ isClosed }) => isClosed())
    // of a user all tokens, of a token only what came by it
    expect(isAll).toBe(!answer.json.kind)
  })

  it('ends when the token does, by a timer', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    const token = await tokenOn(host, { user: 'ann', expiresInSeconds: 60 })
    const ids = (await host.store.tokens()).map(({ id }) => id)
    // so that it ends in a moment
    const record = (await host.store.tokens()).find(({ id }) => id === Math.max(...ids))
    await host.host.close()
    if (record === undefined) throw new Error('no token')
    await rewrite({ ...record, expiresAtMs: Date.now() + 2_500 })
    const { streams, waiting } = await openAll(token)
    expect(streams.some(({ isClosed }) => isClosed())).toBe(false)
    const gone = () => streams.every(({ isClosed }) => isClosed()) && waiting.isCut()
    await waitFor('all is closed', gone, { deadlineMs: 2_500 + soonMs })
    expect((await send('GET', '/api/v1/me', { token })).status).toBe(401)
    expect((await send('GET', '/api/v1/me', { token: ann })).status).toBe(200)
  })

  it('is also a body that comes slowly: it is not taken', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    const body = JSON.stringify({ specs: [{ command: 'slow' }] })
    const slow = pending('/api/v1/batches', { authorization: `Bearer ${ann}` }, body)
    const listed = () => send('GET', '/api/v1/tokens?user=ann', { token: admin })
    await waitFor('it has begun', async () => (await listed()).json.items[0].lastUsedAt !== null)
    await revoke(ann)
    await waitFor('it is cut off', slow.isCut, { deadlineMs: soonMs })
    expect(slow.answered()).toBeNull()
    expect((await host.client.listTasks({ query: {} })).total).toBe(0)
  })

  it('in a browser ends with its user', async () => {
    const ann = await personOn(host, 'ann', 'submitter')
    const cookie = cookieOf(await send('POST', '/api/v1/session', { body: { token: ann } }))
    const stream = await open('/api/v1/live', { cookie })
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    await waitFor('it is closed', stream.isClosed, { deadlineMs: soonMs })
    expect((await send('GET', '/api/v1/session', { cookie })).json).toMatchObject({ name: null, role: null })
  })

  it('is not touched where a user may do more', async () => {
    const ann = await personOn(host, 'ann', 'submitter')
    const stream = await open('/api/v1/live', { authorization: `Bearer ${ann}` })
    await post('/api/v1/users/ann', admin, { role: 'operator' })
    await post('/api/v1/users/ann', admin, { isDisabled: false })
    await send('GET', '/api/v1/me', { token: ann })
    expect(stream.isClosed()).toBe(false)
  })

  it('is also a backup on its way: the rest of it does not come', async () => {
    const ann = await personOn(host, 'ann', 'admin')
    // more than lies in the buffers of a connection
    const specs = Array.from({ length: 24 }, (_, at) => ({
      command: 'x',
      arguments: [`${at}`.repeat(60_000)],
    }))
    for (let at = 0; at < 8; at += 1) expect((await post('/api/v1/batches', ann, { specs })).status).toBe(201)
    const headers = { authorization: `Bearer ${ann}` }
    const { size, rest } = await new Promise<{ size: number; rest: () => Promise<number> }>(
      (resolve, reject) => {
        const sending = request(`${host.host.url}/api/v1/backup`, { headers }, (answer) => {
          let bytes = 0
          const rest = () =>
            new Promise<number>((ended) => {
              answer.on('error', () => {})
              answer.on('close', () => ended(bytes))
              answer.on('data', (chunk: Buffer) => {
                bytes += chunk.length
              })
            })
          resolve({ size: Number(answer.headers['content-length']), rest })
        })
        sending.on('error', reject)
        sending.end()
      },
    )
    expect(size).toBeGreaterThan(10_000_000)
    await revoke(ann)
    expect(await withDeadline(rest(), soonMs, 'the end of the backup')).toBeLessThan(size)
  })
})

/** Puts a token into the store of a host that is stopped, and starts it. */
async function rewrite(record: TokenRecord): Promise<void> {
  const store = new SqliteStore(join(host.dir, 'cluster.db'))
  await store.saveIdentity({ tokens: [record] })
  await store.close()
  await host.boot()
}
