import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkPath } from '../protocol/routes.ts'
import { cspReportPath } from './csp-reports.ts'
import { TestHost } from './host.suite.ts'

let open: TestHost
let closed: TestHost
/** Every route that a host has, with places for its parameters filled: as the server tells them, none by hand. */
const routes: { method: string; path: string }[] = []

beforeAll(async () => {
  // without tokens everybody who gets there may do everything: the worst case
  open = await TestHost.start('--insecure-loopback')
  closed = await TestHost.startWith({
    onRoute: ({ method, url }) => {
      const path = url.replace(':stream', 'stdout').replace(/:\w+/g, '1')
      for (const each of [method].flat()) routes.push({ method: each, path })
    },
  })
})
afterAll(() => Promise.all([open.close(), closed.close()]))

/** A request as its bytes: fetch(2) sets Host and Origin itself. @returns status and headers */
function send(host: TestHost, method: string, path: string, headers: Record<string, string>) {
  const { port, host: own } = new URL(host.host.url)
  const all = { host: own, connection: 'close', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1')
    let text = ''
    const end = () => {
      socket.destroy()
      resolve({ status: Number(text.slice(9, 12)), text: text.toLowerCase() })
    }
    socket.on('error', reject)
    socket.on('close', end)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      if (text.includes('\r\n\r\n')) end()
    })
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  })
}

const writing = (method: string) => !['GET', 'HEAD', 'OPTIONS'].includes(method)
/** All, and what is no route at all. */
const everything = () => [
  ...routes,
  ...['/', '/tasks', '/nowhere', '/assets/x.js', '/%', '//', '/api/v1', linkPath].map((path) => ({
    method: 'GET',
    path,
  })),
  { method: 'POST', path: '/nowhere' },
  { method: 'OPTIONS', path: '/api/v1/batches' },
]

describe('every route', () => {
  it('is listed', () => {
    const named = routes.map(({ method, path }) => `${method} ${path}`)
    expect(named.length).toBeGreaterThan(100)
    expect(named).toEqual(
      expect.arrayContaining([
        'POST /api/v1/batches',
        'GET /api/v1/tasks/1/logs/stdout',
        'GET /api/v1/live',
        'GET /api/v1/events',
        'POST /submit',
        'POST /api/submit',
        `POST ${cspReportPath}`,
        'GET /openapi.json',
      ]),
    )
  })

  it('answers 421 to a name that is not the host’s own, whatever else is shown (DNS rebinding)', async () => {
    const authorization = `Bearer ${closed.token('admin')}`
    for (const name of [
      'evil.example',
      'evil.example:8000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '',
    ]) {
      for (const { method, path } of name === 'evil.example' ? everything() : everything().slice(0, 20)) {
        const accept = 'text/html'
        const headers = { host: name, origin: `http://${name}`, 'sec-fetch-site': 'same-origin', accept }
        const answers = [await send(open, method, path, headers)]
        answers.push(await send(closed, method, path, { ...headers, authorization }))
        for (const { status, text } of answers) {
          expect([method, path, status]).toEqual([
            method,
            path,
            path === '/%' || name === '' ? expect.any(Number) : 421,
          ])
          expect(status).toBeGreaterThanOrEqual(400)
          expect(text).not.toContain('access-control-')
        }
      }
    }
  }, 60_000)

  it('refuses to change something for a page of another origin, and lets no other page read an answer', async () => {
    for (const { method, path } of everything()) {
      const origins = [
        'http://evil.example',
        'null',
        'http://127.0.0.1:1',
        `http://evil.example#${open.host.url}`,
      ]
      for (const origin of origins) {
        const headers = { origin, 'content-type': 'application/json', 'content-length': '0' }
        const { status, text } = await send(open, method, path, headers)
        // 400: of what is no route the body is read first. A report counts a line of the log, whoever sends it
        const isReport = path === cspReportPath
        if (writing(method) && !isReport)
          expect([method, path, [307, 400, 403, 404, 405].includes(status)]).toEqual([method, path, true])
        expect(text).not.toContain('access-control-')
      }
    }
  }, 60_000)

  it('answers no preflight', async () => {
    for (const { path } of everything()) {
      const asked = { origin: 'http://evil.example', 'access-control-request-method': 'POST' }
      const { status, text } = await send(closed, 'OPTIONS', path, asked)
      expect([path, status >= 400 || status === 307]).toEqual([path, true])
      expect(text).not.toContain('access-control-')
    }
  })

  it('tells a page of another site nothing that needs a right', async () => {
    for (const { method, path } of routes.filter(({ method }) => method === 'GET')) {
      const { status } = await send(open, method, path, { 'sec-fetch-site': 'cross-site' })
      const isPublic = ['/healthz', '/readyz', '/openapi.json', '/api/v1/session'].includes(path)
      if (!isPublic) expect([path, [307, 403, 405].includes(status)]).toEqual([path, true])
    }
  })
})

describe('an upgrade to the link', () => {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  }

  it('is refused to every page, and to every other name', async () => {
    for (const host of [open, closed]) {
      const token = host === closed ? { authorization: `Bearer ${closed.token('join')}` } : {}
      const all = { ...upgrade, ...token }
      expect((await send(host, 'GET', linkPath, all)).status).toBe(101)
      const own = new URL(host.host.url).origin
      for (const origin of ['http://evil.example', 'null', own])
        expect([origin, (await send(host, 'GET', linkPath, { ...all, origin })).status]).toEqual([
          origin,
          403,
        ])
      expect((await send(host, 'GET', linkPath, { ...all, host: 'evil.example' })).status).toBe(421)
      expect((await send(host, 'GET', '/api/v1/live', all)).status).toBe(404)
    }
    expect((await send(closed, 'GET', linkPath, upgrade)).status).toBe(401)
  })
})
