import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { waitFor, withDeadline } from '../platform/wait.ts'
import { type CallOptions, call, cookieOf } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { maxCodes } from './login.ts'
import { maxSessions, Sessions } from './sessions.ts'
import { SqliteStore } from './store/sqlite.ts'
import { maxTries } from './wrong-tries.ts'

/** A clock that can be set forward. */
let ahead = 0
const clock: Clock = {
  ...systemClock,
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
}
/** All that the host has logged. */
let lines: string[] = []
const keep = (fields: object, message: string) => void lines.push(`${JSON.stringify(fields)} ${message}`)
const log = { debug: keep, info: keep, warn: keep, error: keep, fatal: keep, trace: keep } as unknown as Log
const monthMs = 30 * 24 * 3_600_000

let host: TestHost
beforeEach(async () => {
  ahead = 0
  lines = []
  host = await TestHost.startWith({ clock, log })
})
afterEach(() => host.close())

const send = (method: string, path: string, options?: CallOptions) =>
  call(host.host.url, method, path, options)
const begin = (body: object, options: CallOptions = {}) =>
  send('POST', '/api/v1/session', { body, ...options })
const makeLink = (token = host.token('admin')) => send('POST', '/api/v1/login-links', { token, body: {} })

async function newCode(): Promise<string> {
  const { json } = await makeLink()
  return new URL(json.url).hash.replace('#code=', '')
}

/** A browser that has logged in: its cookie, and what its pages send along. */
async function logIn(): Promise<{ cookie: string; headers: Record<string, string> }> {
  const answer = await begin({ token: host.token('admin') })
  expect(answer.status).toBe(200)
  return { cookie: cookieOf(answer), headers: { origin: host.host.url } }
}

describe('a login', () => {
  it('by the admin token sets a cookie that nothing but requests to this host can use', async () => {
    expect((await send('GET', '/api/v1/session')).json).toMatchObject({ name: null, isOpen: false })
    const answer = await begin({ token: host.token('admin') })
    expect(answer).toMatchObject({ status: 200, json: { name: 'admin', isOpen: false } })
    const [cookie = ''] = answer.headers['set-cookie'] ?? []
    expect(cookie).toMatch(
      /^hakuriver_session=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/,
    )
    expect(Date.parse(answer.json.expiresAt) - Date.now()).toBeGreaterThan(monthMs - 60_000)
    const session = await send('GET', '/api/v1/session', { cookie: cookieOf(answer) })
    expect(session.json).toEqual(answer.json)
    expect((await send('GET', '/api/v1/tasks', { cookie: cookieOf(answer) })).status).toBe(200)
    expect((await send('GET', '/api/v1/live', { cookie: cookieOf(answer) })).status).toBe(200)
  })

  it('by a link is good once', async () => {
    const link = await makeLink()
    expect(link.status).toBe(201)
    expect(link.json.url).toMatch(new RegExp(`^${host.host.url}/login#code=[\\w-]{32}$`))
    const code = await newCode()
    expect(await begin({ code })).toMatchObject({ status: 200, json: { name: 'admin' } })
    expect(await begin({ code })).toMatchObject({
      status: 401,
      json: { code: 'unauthenticated', message: 'this link was used or is too old: ask for a new one' },
    })
  })

  it('by a link is good for five minutes', async () => {
    const [early, late] = [await newCode(), await newCode()]
    ahead = 4.9 * 60_000
    expect((await begin({ code: early })).status).toBe(200)
    ahead = 5.1 * 60_000
    expect((await begin({ code: late })).status).toBe(401)
  })

  it('knows a bounded number of links: the oldest goes first', async () => {
    const codes: string[] = []
    for (let made = 0; made <= maxCodes; made += 1) codes.push(await newCode())
    expect((await begin({ code: codes[0] })).status).toBe(401)
    expect((await begin({ code: codes[1] })).status).toBe(200)
  })

  it('is refused with the join token, with a wrong one, with anything else', async () => {
    expect(await begin({ token: host.token('join') })).toMatchObject({
      status: 403,
      json: { message: 'a join token is for runners: log in with the admin token' },
    })
    for (const body of [{ token: 'hakuriver_admin_guess' }, { token: 'x y' }, { code: 'guess' }])
      expect(await begin(body)).toMatchObject({ status: 401, json: { code: 'unauthenticated' } })
    for (const body of [
      {},
      { token: '' },
      { token: 'x'.repeat(201) },
      { token: 'a', code: 'b' },
      { name: 1 },
    ])
      expect(await begin(body)).toMatchObject({ status: 400 })
    expect((await makeLink(host.token('join'))).status).toBe(403)
    expect((await makeLink('')).status).toBe(401)
  })

  it('is refused for a minute after too many wrong tries, also with what is right', async () => {
    for (let at = 0; at < maxTries; at += 1) expect((await begin({ code: `guess ${at}` })).status).toBe(401)
    const token = host.token('admin')
    for (const body of [{ code: 'guess' }, { token }])
      expect(await begin(body)).toMatchObject({ status: 429, json: { code: 'too_many' } })
    // who is known already goes on
    expect((await send('GET', '/api/v1/tasks', { token })).status).toBe(200)
    ahead = 61_000
    expect((await begin({ token })).status).toBe(200)
  })

  it('holds over a restart of the host, and for a month', async () => {
    const { cookie } = await logIn()
    await host.restart()
    expect((await send('GET', '/api/v1/tasks', { cookie })).status).toBe(200)
    ahead = monthMs + 1_000
    expect((await send('GET', '/api/v1/tasks', { cookie })).status).toBe(401)
    expect((await send('GET', '/api/v1/session', { cookie })).json).toMatchObject({ name: null })
    await host.restart()
    expect(await host.store.sessions()).toEqual([])
  })

  it('leaves no token, code or cookie in the log or on the disk', async () => {
    const code = await newCode()
    const { cookie } = await logIn()
    await begin({ code })
    await begin({ token: host.token('join') })
    await begin({ code: 'a wrong code' })
    const value = cookie.split('=')[1] ?? ''
    const disk = ['cluster.db', 'cluster.db-wal'].map((name) => readFileSync(join(host.dir, name), 'latin1'))
    expect(lines.some((line) => line.includes('A browser has logged in'))).toBe(true)
    for (const secret of [value, code, host.token('admin'), host.token('join'), 'a wrong code'])
      for (const text of [...lines, ...disk]) expect(text).not.toContain(secret)
    expect((await host.store.sessions()).length).toBe(2)
  })

  it('takes the place of the one that the browser had', async () => {
    const { cookie, headers } = await logIn()
    const again = await begin({ token: host.token('admin') }, { cookie, headers })
    expect(again.status).toBe(200)
    expect((await send('GET', '/api/v1/tasks', { cookie })).status).toBe(401)
    expect((await send('GET', '/api/v1/tasks', { cookie: cookieOf(again) })).status).toBe(200)
  })

  it('holds where it cannot be saved, as long as the host runs', async () => {
    host.store.addSession = () => Promise.reject(new Error('disk full'))
    const { cookie } = await logIn()
    expect((await send('GET', '/api/v1/tasks', { cookie })).status).toBe(200)
    expect(lines.some((line) => line.includes('A login is not saved'))).toBe(true)
  })
})

describe('a logout', () => {
  it('ends the session and its streams within a second, and no others', async () => {
    const mine = await logIn()
    const other = await logIn()
    const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    const follow = `/api/v1/tasks/${tasks[0]?.taskId}/logs/stdout?follow=true`
    const streams = ['/api/v1/live?load=true', '/api/v1/events', follow].flatMap((path) =>
      [mine, other].map(({ cookie }) => ({ owner: cookie, ...openStream(path, cookie) })),
    )
    for (const stream of streams) await stream.opened
    // an answer that is waited for is as good as a stream
    const lines = `/api/v1/tasks/${tasks[0]?.taskId}/logs/stdout/lines?from=1&waitMs=20000`
    const waiting = send('GET', lines, mine).then(
      ({ status }) => status,
      (error: Error) => error.message,
    )
    const out = await send('POST', '/api/v1/session/end', { body: {}, ...mine })
    expect(out).toMatchObject({ status: 200, json: { name: null } })
    expect(out.headers['set-cookie']).toEqual([
      expect.stringContaining('hakuriver_session=; Path=/; Max-Age=0;'),
    ])
    const isRight = () => streams.every(({ owner, isClosed }) => isClosed() === (owner === mine.cookie))
    await waitFor('the streams are closed', isRight, { deadlineMs: 1_000 })
    // 401: the logout has overtaken it
    expect(['socket hang up', 401]).toContain(await withDeadline(waiting, 1_000, 'the end of the wait'))
    expect((await send('GET', '/api/v1/tasks', mine)).status).toBe(401)
    expect((await send('GET', '/api/v1/tasks', other)).status).toBe(200)
    await host.restart()
    expect((await send('GET', '/api/v1/tasks', mine)).status).toBe(401)
  })

  it('of somebody who is not logged in does nothing', async () => {
    const nobody = await send('POST', '/api/v1/session/end', { body: {} })
    expect(nobody).toMatchObject({ status: 200, json: { name: null } })
  })

  it('that cannot be saved holds all the same, and is saved later', async () => {
    const mine = await logIn()
    const { removeSessions } = host.store
    host.store.removeSessions = () => Promise.reject(new Error('disk full'))
    expect((await send('POST', '/api/v1/session/end', { body: {}, ...mine })).status).toBe(200)
    expect((await send('GET', '/api/v1/tasks', mine)).status).toBe(401)
    expect(await host.store.sessions()).toHaveLength(1)
    host.store.removeSessions = removeSessions
    const next = await logIn()
    await send('POST', '/api/v1/session/end', { body: {}, ...next })
    expect(await host.store.sessions()).toEqual([])
  })
})

/** A stream that is open until the host closes it. */
function openStream(path: string, cookie: string) {
  let isClosed = false
  const opened = new Promise<void>((resolve, reject) => {
    const sending = get(`${host.host.url}${path}`, { headers: { cookie } }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${path}: ${answer.statusCode}`))
      answer.resume()
      answer.on('close', () => {
        isClosed = true
      })
      answer.on('error', () => {})
      resolve()
    })
    sending.on('error', reject)
  })
  return { opened, isClosed: () => isClosed }
}

describe('what a page of another site has a browser send', () => {
  const foreign: [what: string, headers: Record<string, string>][] = [
    ['another origin', { origin: 'http://evil.example' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['an origin that hides', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a name beside', { 'sec-fetch-site': 'same-site' }],
    ['no word of where it comes from', {}],
    ['a typed address', { 'sec-fetch-site': 'none' }],
  ]
  it.each(foreign)('changes nothing: %s', async (_, headers) => {
    const { cookie } = await logIn()
    for (const path of [
      '/api/v1/batches',
      '/api/v1/tasks/1/kill',
      '/api/v1/login-links',
      '/api/v1/nodes/n/drain',
    ])
      expect(await send('POST', path, { cookie, body: {}, headers })).toMatchObject({
        status: 403,
        json: { code: 'not_permitted' },
      })
    expect((await host.client.listTasks({ query: {} })).total).toBe(0)
  })

  it.each(foreign.slice(0, 5))('is not answered, nor logged in or out: %s', async (_, headers) => {
    const { cookie } = await logIn()
    for (const path of ['/api/v1/tasks', '/api/v1/live', '/api/v1/events', '/api/v1/backup'])
      expect((await send('GET', path, { cookie, headers })).status).toBe(403)
    expect((await begin({ token: host.token('admin') }, { headers })).status).toBe(403)
    expect((await send('POST', '/api/v1/session/end', { cookie, body: {}, headers })).status).toBe(403)
    expect((await send('GET', '/api/v1/tasks', { cookie })).status).toBe(200)
  })

  it('is let through from a page of this host', async () => {
    const { cookie } = await logIn()
    const body = { specs: [{ command: 'true' }] }
    const own = [
      { origin: host.host.url },
      { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:5173' },
    ]
    for (const headers of own)
      expect((await send('POST', '/api/v1/batches', { cookie, body, headers })).status).toBe(201)
    expect(
      (await send('GET', '/api/v1/tasks', { cookie, headers: { 'sec-fetch-site': 'none' } })).status,
    ).toBe(200)
  })

  it('has to be JSON: a form could send the rest', async () => {
    const { cookie } = await logIn()
    const raw = '{"specs":[{"command":"true"}]}'
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/plain; application/json']) {
      const headers = { origin: host.host.url, 'content-type': type }
      expect((await send('POST', '/api/v1/batches', { cookie, raw, headers })).status).toBe(403)
    }
    expect(
      (await send('POST', '/api/v1/tasks/1/kill', { cookie, headers: { origin: host.host.url } })).status,
    ).toBe(403)
  })

  it('counts by its token alone where it shows one', async () => {
    const { cookie, headers } = await logIn()
    expect((await send('GET', '/api/v1/tasks', { cookie, token: 'wrong' })).status).toBe(401)
    expect((await send('GET', '/api/v1/tasks', { cookie, token: host.token('join') })).status).toBe(403)
    const body = { specs: [{ command: 'true' }] }
    expect(
      (await send('POST', '/api/v1/batches', { token: host.token('admin'), body, headers })).status,
    ).toBe(201)
  })

  it('opens no route of the original by its cookie', async () => {
    const { cookie, headers } = await logIn()
    for (const path of ['/nodes', '/api/tasks', '/health'])
      expect((await send('GET', path, { cookie, headers })).status).toBe(401)
    expect((await send('POST', '/submit', { cookie, headers, body: { command: 'true' } })).status).toBe(401)
  })

  it('may hold other cookies of that name', async () => {
    const { cookie } = await logIn()
    const mixed = `a=b; hakuriver_session=${'x'.repeat(43)}; ${cookie}; hakuriver_session=short`
    expect((await send('GET', '/api/v1/tasks', { cookie: mixed })).status).toBe(200)
    expect((await send('GET', '/api/v1/tasks', { cookie: `x${cookie}` })).status).toBe(401)
  })
})

describe('a host that asks for no tokens', () => {
  beforeEach(() => host.restart('--insecure-loopback'))

  it('is open, and needs no login', async () => {
    const session = { name: 'admin', isOpen: true, expiresAt: null }
    expect((await send('GET', '/api/v1/session')).json).toMatchObject(session)
    const login = await begin({ token: 'anything' })
    expect(login.json).toMatchObject(session)
    expect(login.headers['set-cookie']).toBeUndefined()
    expect((await send('POST', '/api/v1/session/end', { body: {} })).json).toMatchObject(session)
    expect((await makeLink('none')).json).toMatchObject({ url: `${host.host.url}/` })
  })

  it('does nothing for pages of other sites, and all for its own and for programs', async () => {
    const body = { specs: [{ command: 'true' }] }
    const submit = (headers: Record<string, string>) => send('POST', '/api/v1/batches', { body, headers })
    const foreign = [
      { origin: 'http://evil.example' },
      { origin: 'http://127.0.0.1:1' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[]
    for (const headers of foreign) {
      expect((await submit(headers)).status).toBe(403)
      expect((await send('GET', '/api/v1/tasks', { headers })).status).toBe(403)
      expect((await send('POST', '/submit', { body: { command: 'true' }, headers })).status).toBe(403)
    }
    for (const headers of [{}, { origin: host.host.url }, { 'sec-fetch-site': 'same-origin' }])
      expect((await submit(headers as Record<string, string>)).status).toBe(201)
  })
})

describe('sessions', () => {
  it('end by themselves when they are over, with what hangs on them, and are bounded', async () => {
    const store = new SqliteStore(':memory:')
    let nowMs = 1
    const timers: (() => void)[] = []
    const turned: Clock = {
      ...systemClock,
      now: () => nowMs,
      after: (_, action) => {
        timers.push(action)
        return () => {}
      },
    }
    const sessions = await Sessions.open({ store, clock: turned, log })
    const first = await sessions.begin()
    const known = sessions.find(`hakuriver_session=${first.value}`)
    let ended = 0
    sessions.onEnd(known?.hash ?? '', () => {
      ended += 1
    })
    nowMs += monthMs
    timers.pop()?.()
    await waitFor('it is forgotten', async () => (await store.sessions()).length === 0)
    expect(ended).toBe(1)
    // what begins on one that is over ends at once
    sessions.onEnd(known?.hash ?? '', () => {
      ended += 1
    })
    expect(ended).toBe(2)
    const values: string[] = []
    for (let at = 0; at <= maxSessions; at += 1) values.push((await sessions.begin()).value)
    expect(sessions.find(`hakuriver_session=${values[0]}`)).toBeNull()
    expect(sessions.find(`hakuriver_session=${values[1]}`)).not.toBeNull()
    expect(await store.sessions()).toHaveLength(maxSessions)
    sessions.close()
    await store.close()
  })
})
