import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { askForSharedFile, probeHost } from './host-probe.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A host that says what a test wants. */
async function listen(answer: Answer): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const check = { version: '1.0', time: '2026-11-23T10:00:10.000Z', token: 'join', node: null }

/** A host that keeps to the contract, but for what is given. */
const host =
  (paths: Record<string, Answer> = {}): Answer =>
  (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const special = paths[path]
    if (special !== undefined) return special(request, response)
    if (path === '/healthz' || path === '/readyz') return json(response, 200, { ok: true })
    json(response, 200, check)
  }

const ask = (url: string, token: string | null = 'secret', now?: () => number) =>
  probeHost({ url, token, deadlineMs: 500, ...(now === undefined ? {} : { now }) }, 'n 1')

it('tells all that a host says, and shows it the token', async () => {
  const seen: [string | undefined, string | undefined][] = []
  const url = await listen((request, response) => {
    seen.push([request.url, request.headers.authorization])
    host()(request, response)
  })
  expect(await ask(url)).toMatchObject({
    url,
    addresses: ['127.0.0.1'],
    reach: 'ok',
    why: null,
    isReady: true,
    token: 'accepted',
    answer: check,
  })
  expect(seen).toContainEqual(['/api/v1/checks/host?node=n%201', 'Bearer secret'])
})

it('measures the clock from the middle of the round trip', async () => {
  const url = await listen(host())
  // each look at the clock is 100 ms after the last: the question about it goes out at 200 ms and is back at 300
  let ms = Date.parse('2026-11-23T10:00:00.000Z') - 100
  const now = () => (ms += 100)
  expect((await ask(url, null, now)).clock).toEqual({ differenceMs: 9_750, roundTripMs: 100 })
})

it.each([
  [401, 'secret', 'refused'],
  [403, 'secret', 'refused'],
  [401, null, 'missing'],
  [404, 'secret', 'unknown'],
])('%i to the token %s is %s', async (status, token, expected) => {
  const refuse: Answer = (_, response) => json(response, status, { code: 'x', message: 'no' })
  const url = await listen(host({ '/api/v1/checks/host': refuse }))
  expect(await ask(url, token)).toMatchObject({ reach: 'ok', token: expected, answer: null, clock: null })
})

it('tells a host that is not ready from one that does not say', async () => {
  const busy = await listen(
    host({ '/readyz': (_, response) => json(response, 503, { code: 'unavailable' }) }),
  )
  expect(await ask(busy)).toMatchObject({ reach: 'ok', isReady: false })
  const silent = await listen(host({ '/readyz': () => {} }))
  expect(await ask(silent)).toMatchObject({ reach: 'ok', isReady: null, token: 'accepted' })
})

it('tells where it came no further', async () => {
  const router = await listen((_, response) => response.end('<html>a router</html>'))
  expect(await ask(router)).toMatchObject({ reach: 'no_host' })
  const rebound = await listen((_, response) =>
    json(response, 421, { code: 'wrong_host', message: 'not me' }),
  )
  expect(await ask(rebound)).toMatchObject({ reach: 'wrong_name', why: 'not me' })
  const silent = await listen(() => {})
  expect(await ask(silent)).toMatchObject({ reach: 'no_connection', why: 'no answer within 0.5 s' })
  expect(await ask('http://127.0.0.1:1')).toMatchObject({
    reach: 'no_connection',
    why: 'connection refused',
    addresses: ['127.0.0.1'],
  })
  expect(await ask('ftp://x')).toMatchObject({ reach: 'bad_url' })
})

it('looks names up, and goes to where they lead', async () => {
  const url = await listen(host())
  const named = url.replace('127.0.0.1', 'localhost')
  const found = await probeHost({ url: named, token: null, deadlineMs: 3_000 }, null)
  expect(found).toMatchObject({ reach: 'ok', addresses: expect.arrayContaining(['127.0.0.1']) })
  const nowhere = await probeHost({ url: 'http://no-such.invalid', token: null, deadlineMs: 3_000 }, null)
  expect(nowhere).toMatchObject({ reach: 'unknown_name', why: expect.stringContaining('no-such.invalid') })
})

it('asks for the shared file', async () => {
  const url = await listen((request, response) => {
    let text = ''
    request.on('data', (data) => {
      text += data
    })
    request.on('end', () => {
      if (text === '{"name":"known-name"}') json(response, 200, { state: 'found' })
      else json(response, 429, { message: 'one at a time' })
    })
  })
  const options = { url, token: 'secret', deadlineMs: 1_000 }
  expect(await askForSharedFile(options, 'known-name')).toEqual({ answer: { state: 'found' }, why: null })
  expect(await askForSharedFile(options, 'other')).toEqual({ answer: null, why: 'one at a time' })
  const gone = await askForSharedFile({ ...options, url: 'http://127.0.0.1:1' }, 'other')
  expect(gone).toEqual({ answer: null, why: 'connection refused' })
})
