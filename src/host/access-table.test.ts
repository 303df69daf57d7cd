/**
 * Every cell of the access table, called on two real hosts, of which one speaks TLS: each serves a page, has users, and
 * a linked node.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseInvitation } from '../core/invitation.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { makePrivateKey, makeRequest } from '../platform/x509.ts'
import {
  type AccessRow,
  type Asker,
  accessTable,
  askers,
  type Outcome,
  onlyOn,
} from '../protocol/access-table.ts'
import { type Answer, type CallOptions, cookieOf } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { callerOn, personOn, tokenOn } from './people.suite.ts'
import { inviteTo, joinAs, linkAs } from './pki/join.suite.ts'

/** Stands in the environment of every task of the owner. */
const secret = 'a-secret-of-the-owner'
const rows = accessTable()

/** A clock that can be set forward. */
let ahead = 0
const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
let host: TestHost
let send: ReturnType<typeof callerOn>
let webDir: string
const routes: string[] = []
/** Several for those whose token has ended in several ways. */
const ways = new Map<Asker, CallOptions[]>()
let ownerToken: string

/** Which of both hosts it is. */
let kind: 'plain' | 'tls'

async function begin(which: typeof kind): Promise<void> {
  kind = which
  routes.length = 0
  ways.clear()
  webDir = mkdtempSync(join(tmpdir(), 'hakuriver-web-'))
  mkdirSync(join(webDir, 'assets'))
  writeFileSync(join(webDir, 'index.html'), '<!doctype html>')
  writeFileSync(join(webDir, 'assets', 'page.js'), '1')
  const options = {
    webDir,
    clock,
    // who asks for so much in so short a time is put off by other tests
    caps: { requestsAnonymous: 100_000, requestsOfToken: 100_000, requestsOfAddress: 100_000 },
    onRoute: ({ method, url }: { method: string | string[]; url: string }) => {
      for (const each of [method].flat()) routes.push(`${each} ${url}`)
    },
  }
  host = await TestHost.startWith(options, ...(kind === 'tls' ? ['--tls', 'on'] : []))
  send = callerOn(host)
  if (kind === 'plain') {
    await host.link({ node: 'n1' })
    ways.set('runner', [{ token: host.token('join') }])
  } else {
    const node = await joinAs(host, 'n1')
    await linkAs(host, node)
    ways.set('node', [{ tls: node.tls }])
    const gone = await joinAs(host, 'n2')
    await host.client.revokeNode({ params: { name: 'n2' }, body: {} })
    ways.set('endedNode', [{ tls: gone.tls }])
  }
  const admin = { token: host.token('admin') }
  ownerToken = await personOn(host, 'owner', 'submitter')
  ways.set('none', [{}])
  ways.set('owner', [{ token: ownerToken }])
  ways.set('admin', [admin])
  // of a weak token of a strong user the role of the token counts, and the other way round
  for (const role of ['viewer', 'operator'] as const)
    ways.set(role, [
      { token: await personOn(host, role, role) },
      { token: await personOn(host, `strong-${role}`, 'admin', { role }) },
    ])
  ways.set('other', [{ token: await personOn(host, 'other', 'submitter') }])
  await personOn(host, 'spare', 'viewer')
  ways.set('ended', [{ token: await revoked() }, { token: await expired() }, { token: await disabled() }])
}

async function end(): Promise<void> {
  await host.close()
  rmSync(webDir, { recursive: true, force: true })
}

/** What a page sends that is open in the owner's browser. */
async function page(): Promise<CallOptions> {
  const begun = await send('POST', '/api/v1/session', { body: { token: ownerToken } })
  return { cookie: cookieOf(begun), headers: { origin: host.host.url, 'content-type': 'application/json' } }
}

async function revoked(): Promise<string> {
  const token = await tokenOn(host, { user: 'owner' })
  const { json } = await send('GET', '/api/v1/me', { token })
  await send('POST', `/api/v1/tokens/${json.tokenId}/revoke`, { token, body: {} })
  return token
}

async function expired(): Promise<string> {
  const token = await tokenOn(host, { user: 'owner', expiresInSeconds: 60 })
  ahead += 61_000
  return token
}

async function disabled(): Promise<string> {
  const token = await personOn(host, 'gone', 'admin')
  await send('POST', '/api/v1/users/gone', { token: host.token('admin'), body: { isDisabled: true } })
  return token
}

/** A new task of the owner, with a secret in its environment. */
async function ownersTask(): Promise<{ id: string; batchId: string }> {
  const specs = [{ command: 'true', env: { SECRET: secret } }]
  const { json } = await send('POST', '/api/v1/batches', { token: ownerToken, body: { specs } })
  return { id: json.tasks[0].taskId, batchId: json.batchId }
}

let count = 0
/** What else a row needs: what its path is filled with, and a body. Each cell gets things of its own. */
async function requestOf(key: string): Promise<{ path: string; body?: unknown; passes?: number[] }> {
  const [method = '', route = ''] = key.split(' ')
  const path = route.replace('NAME', 'owner').replace(':file', 'page.js').replace(':stream', 'stdout')
  count += 1
  const name = `made-${count}`
  const bodies: Record<string, () => unknown> = {
    'POST /api/v1/session': () => ({ token: ownerToken }),
    'POST /api/v1/login': async () => {
      const options = { token: host.token('admin'), body: {} }
      const { json } = await send('POST', '/api/v1/users/owner/invitations', options)
      return { secret: parseInvitation(json.invitation).secret }
    },
    'POST /api/v1/users': () => ({ name, role: 'viewer' }),
    'POST /api/v1/users/:name': () => ({ role: 'viewer' }),
    'POST /api/v1/tokens': () => ({ label: name, expiresInSeconds: 60 }),
    'POST /api/v1/tokens for another user': () => ({ label: name, user: 'spare', expiresInSeconds: 60 }),
    'POST /api/v1/batches': () => ({ specs: [{ command: 'true' }] }),
    'POST /api/v1/batches/preview': () => ({ specs: [{ command: 'true' }] }),
    'POST /api/v1/tasks/kill': async () => ({ ids: [(await ownersTask()).id] }),
    'POST /api/v1/tasks/rerun': async () => {
      const { id } = await ownersTask()
      await send('POST', `/api/v1/tasks/${id}/kill`, { token: ownerToken, body: {} })
      return { ids: [id] }
    },
    'POST /api/v1/checks/shared-file': () => ({ name: 'some-name-1' }),
    'POST /submit': () => ({ command: 'true' }),
    'POST /api/submit': () => ({ command: 'true' }),
    'POST /api/v1/join': async () => ({
      secret: kind === 'tls' ? await inviteTo(host) : 'none',
      csr: await makeRequest(makePrivateKey(), name),
      node: name,
      runnerId: name,
    }),
    'POST /api/v1/nodes/self/certificate': async () => ({ csr: await makeRequest(makePrivateKey(), 'n1') }),
  }
  const body = method === 'POST' ? ((await bodies[key]?.()) ?? {}) : undefined
  const isRevoke = key === 'POST /api/v1/nodes/:name/revoke' && kind === 'tls'
  const filled = await fill(isRevoke ? path.replace(':name', (await joinAs(host, name)).node) : path)
  const passes: Record<string, number[]> = {
    // it is online, and its tasks can be killed
    'POST /api/v1/nodes/:name/remove': [409],
    'POST /api/v1/tasks/:id/forget': [409],
    // a task that has not run has written nothing
    'GET /task/:task_id/stdout': [404],
    'GET /task/:task_id/stderr': [404],
    'GET /api/task/:task_id/stdout': [404],
    'GET /api/task/:task_id/stderr': [404],
    'GET /nowhere': [404],
    // a change of the authority is under way already, and n1 has no certificate of the new one
    'POST /api/v1/ca/rotate': [409],
    'POST /api/v1/ca/finish': [409],
  }
  // there are no certificates
  const isJoining = kind === 'plain' && /\/(join-tokens|join|revoke|ca)$/.test(path)
  return { path: filled, body, passes: isJoining ? [409] : (passes[key] ?? []) }
}

async function fill(path: string): Promise<string> {
  if (path === '/api/v1/usage') return `${path}?ids=${(await ownersTask()).id}`
  if (path.includes('/users/')) return path.replace(':name', 'spare')
  if (path.includes('/tokens/')) {
    const { json } = await send('POST', '/api/v1/tokens', { token: ownerToken, body: { label: 'x' } })
    return path.replace(':id', json.id)
  }
  if (path.endsWith('/search')) return `${path.replace(':id', (await ownersTask()).id)}?q=x`
  if (!path.includes(':')) return path
  const { id, batchId } = await ownersTask()
  // a follow goes on until the task has ended
  if (path.includes('follow')) await send('POST', `/api/v1/tasks/${id}/kill`, { token: ownerToken, body: {} })
  return path
    .replace('/batches/:id', `/batches/${batchId}`)
    .replace(':id', id)
    .replace(':task_id', id)
    .replace(':name', 'n1')
}

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

/** What became of a request, in the table's words. */
function outcomeOf(answer: Answer, passes: readonly number[]): Outcome | string {
  const { status, json } = answer
  if (status === 401 || status === 403) return status
  const isDone = status < 400 || status === 405 || passes.includes(status)
  if (!isDone) return status === 404 ? 404 : `${status} ${answer.text.slice(0, 200)}`
  const [item] = json?.items ?? []
  if (item?.isAsked === false || item?.error?.code === 'not_permitted') return 'item'
  return json?.mayTouch === false ? 'hidden' : 'yes'
}

/** All that a test of one cell finds wrong. */
async function cell(
  { key, cells }: AccessRow,
  asker: Asker,
  method = key.split(' ')[0] ?? '',
): Promise<void> {
  for (const way of asker === 'browser' ? [await page()] : (ways.get(asker) ?? [])) {
    const { path, body, passes = [] } = await requestOf(key)
    // where a page lies, a browser asks for one
    const accept = path === '/login' ? { accept: 'text/html' } : {}
    const headers = { ...way.headers, ...accept, ...(path.startsWith('/link/v1') ? upgrade : {}) }
    const options = { ...way, headers, ...(body === undefined ? {} : { body }) }
    const answer = await send(method, path, options)
    const wanted = cells[asker]
    const where = `${method} ${path} as ${asker}`
    // in a list of all there are also tasks of whoever asks
    const isList = /\/tasks$/.test(path)
    const isShort = method === 'HEAD' || isList || !path.startsWith('/api/v1/')
    const given = outcomeOf(answer, passes)
    if (isShort && (wanted === 'hidden' || wanted === 'item')) expect(given, where).toBe('yes')
    else expect(given, where).toBe(wanted)
    const mayKnow = ['owner', 'browser', 'operator', 'admin'].includes(asker)
    if (!mayKnow) expect(answer.text, where).not.toContain(secret)
  }
}

describe.each(['plain', 'tls'] as const)('the access table, %s', (which) => {
  beforeAll(() => begin(which), 60_000)
  afterAll(end)
  const mine = rows.filter(({ on }) => on === null || on === which)

  it('has a row for every route of the server, and a route for every row', () => {
    const keys = new Set(rows.map(({ key }) => key))
    // a server answers HEAD wherever it answers GET (RFC 9110, section 9.3.2)
    const isKnown = (route: string) => keys.has(route) || keys.has(route.replace(/^HEAD /, 'GET '))
    expect(routes.filter((route) => !isKnown(route))).toEqual([])
    const served = new Set(routes)
    expect(rows.flatMap(({ key, isBeside }) => (isBeside || served.has(key) ? [] : [key]))).toEqual([])
    expect(keys.size).toBe(rows.length)
  })

  const names = (Object.keys(askers) as Asker[]).filter((name) => (onlyOn[name] ?? which) === which)

  it.each(mine.map((row) => [row.key, row] as const))('%s', async (_, row) => {
    for (const asker of names) await cell(row, asker)
  })

  it('holds for HEAD as for GET', async () => {
    const heads = mine.filter(
      ({ key, isBeside }) => !isBeside && routes.includes(key.replace(/^GET /, 'HEAD ')),
    )
    const readings = heads.filter(({ key }) => key.startsWith('GET /api/v1') || /^GET \/\w+$/.test(key))
    expect(readings.length).toBeGreaterThan(20)
    for (const row of readings.filter(
      ({ key }) => !rows.some((other) => other.key === key.replace('GET', 'HEAD')),
    ))
      for (const asker of names) await cell(row, asker, 'HEAD')
  })

  it('is as large as it is told', () => {
    const cells = mine.length * names.length
    process.stdout.write(`access table, ${which}: ${mine.length} rows × ${names.length} = ${cells} cells\n`)
    expect(cells).toBeGreaterThan(1_000)
  })
})
