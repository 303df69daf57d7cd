import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Check } from 'typebox/value'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { errorTable } from '../core/errors.ts'
import { silentLog } from '../platform/log.ts'
import { type EndpointName, hostApi } from '../protocol/host-api.ts'
import { limits } from '../protocol/limits.ts'
import { linkPath, streamRoutes } from '../protocol/routes.ts'
import { ErrorBody } from '../protocol/schemas.ts'
import { createHost, type Host } from './app.ts'
import { loadHostConfig } from './config.ts'

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Record<string, unknown>
}

let dir: string
let host: Host
let admin: string
let join_: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-http-'))
  host = await createHost({
    config: loadHostConfig({ argv: ['--state-dir', dir, '--port', '0'], env: {} }),
    log: silentLog,
  })
  admin = readFileSync(join(dir, 'admin-token'), 'utf8').trim()
  join_ = readFileSync(join(dir, 'join-token'), 'utf8').trim()
})
afterAll(async () => {
  await host.close()
  rmSync(dir, { recursive: true })
})

function call(
  method: string,
  path: string,
  options: { token?: string; body?: string; headers?: Record<string, string> } = {},
) {
  const { token, body, headers } = options
  return new Promise<Answer>((resolve, reject) => {
    const sending = request(`${host.url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    })
    sending.on('error', reject)
    sending.on('upgrade', (answer, socket) => {
      socket.destroy()
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: {} })
    })
    sending.on('response', (answer) => {
      // an event stream does not end by itself: its status is all that is asked for
      if (answer.headers['content-type'] === 'text/event-stream') {
        sending.destroy()
        return resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: {} })
      }
      let text = ''
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      answer.on('end', () => {
        const isJson = String(answer.headers['content-type']).startsWith('application/json')
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: isJson && text !== '' ? JSON.parse(text) : {},
        })
      })
    })
    sending.end(body)
  })
}

const submit = (body: unknown) =>
  call('POST', '/api/v1/batches', { token: admin, body: JSON.stringify(body) })

describe('who may call', () => {
  const everyRoute = [
    ...(Object.keys(hostApi) as EndpointName[]).map((name) => hostApi[name]),
    { ...streamRoutes.taskLog, access: 'view' },
    { ...streamRoutes.events, access: 'view' },
    { ...streamRoutes.live, access: 'view' },
    { ...streamRoutes.backup, access: 'admin' },
    { ...streamRoutes.openapi, access: 'public' },
  ]
  const pathOf = (path: string) =>
    path.replace(':id', '1').replace(':name', 'n1').replace(':stream', 'stdout')

  it.each(everyRoute)('$method $path ($access)', async ({ method, path, access }) => {
    const body = method === 'POST' ? { body: '{}' } : {}
    const anyone = await call(method, pathOf(path), body)
    const wrong = await call(method, pathOf(path), { ...body, token: 'hakuriver_admin_guess' })
    const runner = await call(method, pathOf(path), { ...body, token: join_ })
    const owner = await call(method, pathOf(path), { ...body, token: admin })
    const isPublic = access === 'public'
    // one that is let through may still be told that `{}` is not what it takes
    const isLetThrough = ({ status }: Answer) => ![401, 403].includes(status)
    if (isPublic) expect([anyone, wrong].every(isLetThrough)).toBe(true)
    else {
      expect(anyone.status).toBe(401)
      // 429: it has tried too often
      expect([401, 429]).toContain(wrong.status)
    }
    if (isPublic || access === 'check') expect(isLetThrough(runner)).toBe(true)
    else expect(runner.status).toBe(access === 'node' ? 401 : 403)
    // no machine has a certificate on a host without TLS, and no token stands for one
    expect(isLetThrough(owner)).toBe(access !== 'node')
  })

  it('links runners with the join token only, and no browsers', async () => {
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    expect(await call('GET', linkPath, { headers: upgrade })).toMatchObject({ status: 401 })
    expect(await call('GET', linkPath, { headers: upgrade, token: admin })).toMatchObject({ status: 403 })
    expect(
      await call('GET', linkPath, { headers: { ...upgrade, origin: 'http://evil' }, token: join_ }),
    ).toMatchObject({
      status: 403,
    })
    expect(await call('GET', linkPath, { headers: upgrade, token: join_ })).toMatchObject({ status: 101 })
  })

  it('keeps only hashes of the tokens', () => {
    const database = readFileSync(join(dir, 'cluster.db-wal')).toString('latin1')
    expect(database).toContain(createHash('sha256').update(admin).digest('hex'))
    expect(database).not.toContain(admin)
    expect(database).not.toContain(join_)
  })

  it('does not answer to a name that is not its own', async () => {
    const answer = await call('GET', '/healthz', { headers: { host: 'rebound.example:8000' } })
    expect(answer).toMatchObject({ status: 421, body: { code: 'wrong_host' } })
    for (const name of ['localhost:1', '127.0.0.1', '[::1]:8000', '192.168.7.7:8000']) {
      expect(await call('GET', '/healthz', { headers: { host: name } })).toMatchObject({ status: 200 })
    }
  })

  it('refuses to listen openly without tokens', async () => {
    const argv = ['--state-dir', join(dir, 'open'), '--port', '0', '--bind', '0.0.0.0', '--insecure-loopback']
    const config = loadHostConfig({ argv, env: {} })
    await expect(createHost({ config, log: silentLog })).rejects.toMatchObject({ code: 'invalid_request' })
  })
})

describe('bad input', () => {
  const cases: [what: string, body: unknown, message: string | RegExp][] = [
    ['no specs', {}, 'cannot read the body: it must have required properties specs'],
    [
      'an unknown key',
      { specs: [{ command: 'true', memory: '8G' }] },
      'cannot read the body: there is no key "memory" in specs.0',
    ],
    [
      'a wrong type',
      { specs: [{ command: 'true', cores: 'two' }] },
      'cannot read the body: specs.0.cores must be integer',
    ],
    [
      'no cores',
      { specs: [{ command: 'true', cores: 0 }] },
      'cannot read the body: specs.0.cores must be >= 1',
    ],
    [
      'a bad target',
      { specs: [{ command: 'true' }], targets: ['node1:x'] },
      /cannot read the target "node1:x"/,
    ],
    [
      'a relative directory',
      { specs: [{ command: 'true', cwd: 'work' }] },
      /"work" is not absolute: write it from \/ on/,
    ],
    ['a NUL byte', { specs: [{ command: 'true', arguments: ['a\0b'] }] }, /argument 1 holds a NUL byte/],
    [
      'a variable of the shell',
      { specs: [{ command: 'true', env: { BASHPID: '1' } }] },
      /BASHPID belongs to the shell/,
    ],
    [
      'too long an argument',
      { specs: [{ command: 'true', arguments: ['x'.repeat(131_072)] }] },
      /131072 bytes/,
    ],
  ]
  it.each(cases)('%s', async (_, body, message) => {
    const answer = await submit(body)
    expect(answer.status).toBe(400)
    expect(answer.body.message).toMatch(message)
    expect(Check(ErrorBody, answer.body)).toBe(true)
  })

  it('no JSON, no type, too much', async () => {
    expect(await call('POST', '/api/v1/batches', { token: admin, body: '{"specs": [' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    })
    const big = JSON.stringify({ specs: [{ command: 'x'.repeat(limits.bodyBytes) }] })
    expect(await call('POST', '/api/v1/batches', { token: admin, body: big })).toMatchObject({
      status: 413,
      body: { code: 'too_large' },
    })
    const many = {
      specs: Array.from({ length: 200 }, () => ({ command: 'x' })),
      targets: Array(100).fill('any'),
    }
    expect(await submit(many)).toMatchObject({
      status: 413,
      body: { message: expect.stringContaining('20000 tasks') },
    })
  })

  it('tells what is not there', async () => {
    const paths = [
      '/api/v1/tasks/12',
      '/api/v1/batches/12',
      '/api/v1/nodes/n9',
      '/api/v1/tasks/12/logs/stdout',
      '/nowhere',
    ]
    for (const path of paths) {
      const answer = await call('GET', path, { token: admin })
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } })
      expect(Check(ErrorBody, answer.body)).toBe(true)
    }
  })

  it('refuses a query that it does not know', async () => {
    const answer = await call('GET', '/api/v1/tasks?stauts=running', { token: admin })
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringContaining('stauts') } })
    expect(await call('GET', '/api/v1/tasks?limit=0', { token: admin })).toMatchObject({ status: 400 })
    expect(await call('GET', '/api/v1/tasks?status=asleep', { token: admin })).toMatchObject({ status: 400 })
    expect(await call('GET', '/api/v1/tasks?cursor=abc', { token: admin })).toMatchObject({ status: 400 })
    expect(
      await call('GET', '/api/v1/tasks?status=running&status=failed&limit=5', { token: admin }),
    ).toMatchObject({ status: 200 })
  })

  it('no body whatever ends in a failure of the host', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (body) => {
        const answer = await call('POST', '/api/v1/batches', { token: admin, body })
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(answer.status).toBeLessThan(500)
      }),
      { numRuns: 200 },
    )
  })
})

describe('what the contract says', () => {
  it('is served as OpenAPI, every route of it', async () => {
    const { status, body } = await call('GET', '/openapi.json')
    expect(status).toBe(200)
    expect(body.openapi).toBe('3.1.0')
    const paths = body.paths as Record<string, Record<string, unknown>>
    for (const { method, path } of Object.values(hostApi)) {
      const described = paths[path.replace(/:(\w+)/g, '{$1}')]
      expect(Object.keys(described ?? {})).toContain(method.toLowerCase())
    }
  })

  it('holds for every answer', async () => {
    await submit({ specs: [{ command: 'true' }] })
    for (const name of ['listTasks', 'listBatches', 'listNodes', 'health', 'ready'] as const) {
      const { status, body } = await call('GET', hostApi[name].path, { token: admin })
      expect(status).toBe(hostApi[name].status)
      expect(Check(hostApi[name].result, body), name).toBe(true)
    }
  })

  it('has an HTTP status for every error', () => {
    for (const { http } of Object.values(errorTable)) expect(http).toBeGreaterThanOrEqual(400)
  })
})

/** Sends raw bytes; what came back when the host closed the connection, or `until` was in it. */
function raw(bytes: string, until = ' ') {
  return new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(host.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    const done = () => {
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes(until) && until !== ' ') done()
    })
    socket.on('end', done)
    socket.on('error', reject)
    socket.write(bytes)
  })
}

describe('odd requests', () => {
  const upgrade = 'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  afterEach(async () => {
    expect(await call('GET', '/healthz')).toMatchObject({ status: 200 })
  })

  it.each([
    ['no path at all', `GET // HTTP/1.1\r\n${upgrade}\r\n`, '404 Not Found'],
    ['another path', `GET /link/v2 HTTP/1.1\r\n${upgrade}\r\n`, '404 Not Found'],
    ['another host', `GET ${linkPath} HTTP/1.1\r\n${upgrade.replace('localhost', 'evil')}\r\n`, '421 Mis'],
    ['no token', `GET ${linkPath} HTTP/1.1\r\n${upgrade}\r\n`, '401 Unauthorized'],
  ])('an upgrade with %s is refused, and its connection closed', async (_, bytes, status) => {
    expect(await raw(bytes)).toContain(`HTTP/1.1 ${status}`)
  })

  it('an upgrade without a key is refused', async () => {
    const bytes = `GET ${linkPath} HTTP/1.1\r\nAuthorization: Bearer ${join_}\r\n${upgrade}\r\n`
    expect(await raw(bytes)).toContain('HTTP/1.1 400 Bad Request')
  })

  it('an offer of another protocol is passed over', async () => {
    const bytes = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'
    expect(await raw(bytes, '{"ok":true}')).toContain('HTTP/1.1 200 OK')
  })

  it.each([
    ['garbage', '\x16\x03\x01 no HTTP at all\r\n\r\n', '400'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}`, '431'],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', '400'],
  ])('%s', async (_, bytes, status) => {
    expect(await raw(bytes)).toContain(`HTTP/1.1 ${status}`)
  })

  it('a path that cannot be decoded is told of in the one shape of errors', async () => {
    const answer = await call('GET', '/api/v1/tasks/%zz', { token: admin })
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    expect(Check(ErrorBody, answer.body)).toBe(true)
  })

  it('HEAD is answered without a body, and opens no stream', async () => {
    expect(await call('HEAD', '/healthz')).toMatchObject({ status: 200 })
    expect(await call('HEAD', '/api/v1/events', { token: admin })).toMatchObject({ status: 404 })
    expect(await call('HEAD', '/api/v1/tasks', { token: join_ })).toMatchObject({ status: 403 })
  })
})

describe('the options', () => {
  it.each([
    [['--port', '70000'], '--port is "70000": write a whole number from 0 to 65535'],
    [['--port', '1.5'], 'write a whole number'],
    [['--heartbeat', '0'], 'heartbeat'],
    [['--heartbeat', '-1'], 'heartbeat'],
  ])('%s is refused', (argv, message) => {
    expect(() => loadHostConfig({ argv, env: {} })).toThrow(message)
  })
})
