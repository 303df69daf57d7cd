/// <reference lib="dom" />
/**
 * DNS rebinding in a real Chromium: a page of a name that first points at its own server and then at the host, on the
 * host's own port, so that to the browser both are one origin. The host asks for no tokens, which is the worst case.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Api } from '../support/api.ts'
import { LocalCluster } from '../support/cluster.ts'
import { describeInBrowser, startBrowser } from './browser.ts'

const name = 'evil.example'
/** Where the name points: in front of the host, as the host's own address would be after the change. */
const address = '127.0.0.2'

describeInBrowser('a name that is pointed at the host', () => {
  let cluster: LocalCluster
  let server: Server
  let isRebound = false

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--insecure-loopback'] })
    const port = Number(new URL(cluster.api.url).port)
    server = createServer((asked, answer) => {
      if (isRebound) toHost(port, asked, answer)
      else answer.writeHead(200, { 'content-type': 'text/html' }).end('<h1>harmless</h1>')
    })
    server.on('upgrade', (asked: IncomingMessage, socket: Duplex) => {
      const host = connect(port, '127.0.0.1', () => {
        const headers = Object.entries(asked.headers).map(([key, value]) => `${key}: ${value}\r\n`)
        host.write(`GET ${asked.url} HTTP/1.1\r\n${headers.join('')}\r\n`)
        host.pipe(socket).pipe(host)
      })
      host.on('error', () => socket.destroy())
      socket.on('error', () => host.destroy())
    })
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
  })
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await cluster.close()
  })

  it('reads nothing, changes nothing and opens nothing', { timeout: 60_000 }, async () => {
    const { port } = new URL(cluster.api.url)
    const browser = await startBrowser([`--host-resolver-rules=MAP ${name} ${address}`])
    try {
      const page = await browser.newPage()
      await page.goto(`http://${name}:${port}/`)
      expect(await page.locator('h1').textContent()).toBe('harmless')
      isRebound = true
      server.closeIdleConnections()
      const got = await page.evaluate(attack)
      expect(got).toEqual({
        read: 421,
        health: 421,
        write: 421,
        seedWrite: 421,
        page: 421,
        live: 'error',
        link: 'error',
      })
      // the host does answer to its own name, by the same way
      const direct = await new Api(cluster.api.url, null).raw({ path: '/api/v1/overview' })
      expect(direct.status).toBe(200)
      const { total } = await cluster.api.client.listTasks({ query: {} })
      expect(total).toBe(0)
    } finally {
      await browser.close()
    }
  })
})

/** Hands a request on as it is, its Host header too: for the browser the name has moved. */
function toHost(port: number, asked: IncomingMessage, answer: ServerResponse): void {
  const { method, url, headers } = asked
  const sending = request({ host: '127.0.0.1', port, method, path: url, headers }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers)
    got.pipe(answer)
  })
  sending.on('error', () => answer.destroy())
  asked.pipe(sending)
}

/** What the page tries, with its own origin. */
async function attack() {
  const status = async (path: string, init: RequestInit = {}) => (await fetch(path, init)).status
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({ specs: [{ command: 'true' }] })
  const seed = JSON.stringify({
    command: 'true',
    arguments: [],
    env_vars: {},
    required_cores: 1,
    targets: ['n1'],
  })
  const opening = (target: EventTarget & { close(): void }) =>
    new Promise<string>((resolve) => {
      for (const type of ['open', 'error'])
        target.addEventListener(type, () => {
          target.close()
          resolve(type)
        })
    })
  return {
    read: await status('/api/v1/tasks'),
    health: await status('/healthz'),
    write: await status('/api/v1/batches', { method: 'POST', headers: json, body }),
    seedWrite: await status('/api/submit', { method: 'POST', headers: json, body: seed }),
    page: await status('/nodes', { headers: { accept: 'text/html' } }),
    live: await opening(new EventSource('/api/v1/live')),
    link: await opening(new WebSocket(`ws://${location.host}/link/v1`)),
  }
}
