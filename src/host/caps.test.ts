import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import type { Caps } from '../protocol/limits.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await host.close()
})

const start = async (caps: Partial<Caps>) => {
  host = await TestHost.startWith({ caps })
}
const get = (path: string, init: RequestInit = {}) =>
  fetch(`${host.host.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${host.token('admin')}`, ...init.headers },
  })
const post = (body: string) =>
  get('/api/v1/batches', { method: 'POST', body, headers: { 'content-type': 'application/json' } })

/** A connection that says what it likes; `localAddress`: another caller than the tests. */
async function open(localAddress = '127.0.0.1') {
  const { port } = new URL(host.host.url)
  const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress })
  sockets.push(socket)
  const heard = { text: '', isClosed: false }
  socket.on('data', (data) => {
    heard.text += data.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    heard.isClosed = true
  })
  await once(socket, 'connect')
  return { socket, heard }
}

const head = (path: string, ...lines: string[]) =>
  [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${host.token('admin')}`,
    ...lines,
    '',
    '',
  ].join('\r\n')

describe('requests', () => {
  it('of an address that are too many at once are told when to come again, and others are answered', async () => {
    await start({ requestsPerAddress: 3 })
    const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    const wait = `/api/v1/tasks/${tasks[0]?.taskId}/logs/stdout/lines?waitMs=20000`
    const waiting = await Promise.all(Array.from({ length: 30 }, () => open()))
    for (const { socket } of waiting) socket.write(head(wait))
    const refused = () => waiting.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 429'))
    await waitFor('all but three are refused', () => refused().length === 27)
    for (const { heard } of refused()) {
      expect(heard.text).toMatch(/\r\nretry-after: \d+\r\n/i)
      expect(heard.text).toContain('"code":"too_many"')
    }
    // health is answered all the same, and so is another address
    expect((await get('/healthz')).status).toBe(200)
    const other = await open('127.0.0.2')
    other.socket.write(head('/api/v1/overview'))
    await waitFor('the other is answered', () => other.heard.text.startsWith('HTTP/1.1 200'))
    // whoever goes makes room
    for (const { socket } of waiting) socket.destroy()
    await waitFor('there is room', async () => (await get('/api/v1/overview')).status === 200)
  })

  it('that come too fast are refused by token and by address, health and links apart', async () => {
    await start({ requestsOfToken: 20, requestsOfAddress: 45, requestsAnonymous: 5, rateMs: 60_000 })
    const statuses = async (count: number, headers: Record<string, string>) => {
      const all: number[] = []
      for (let i = 0; i < count; i += 1)
        all.push((await fetch(`${host.host.url}/api/v1/overview`, { headers })).status)
      return all
    }
    expect(await statuses(6, {})).toEqual([401, 401, 401, 401, 401, 429])
    const own = { authorization: `Bearer ${host.token('admin')}` }
    const seen = await statuses(21, own)
    expect([seen.slice(0, 20).every((status) => status === 200), seen[20]]).toEqual([true, 429])
    // others are not harmed by that, until the address itself has had enough
    const wrong = await statuses(30, { authorization: 'Bearer wrong' })
    expect(wrong[0]).toBe(401)
    expect(wrong.at(-1)).toBe(429)
    const refused = await fetch(`${host.host.url}/api/v1/overview`, { headers: own })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect(await refused.json()).toMatchObject({
      code: 'too_many',
      message: expect.stringMatching(/^too many requests/),
    })
    expect((await get('/healthz')).status).toBe(200)
    await host.link()
  })

  it('that do not come to an end are ended, in the one shape of errors', async () => {
    await start({ headersMs: 300, requestMs: 600, headerBytes: 4_096 })
    const slowHeaders = await open()
    slowHeaders.socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')
    const drip = setInterval(() => slowHeaders.socket.write('x'), 50)
    const slowBody = await open()
    const length = 'Content-Length: 1000\r\nContent-Type: application/json'
    slowBody.socket.write(head('/api/v1/batches', length).replace('GET', 'POST'))
    const large = await open()
    large.socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: ${'x'.repeat(8_000)}\r\n\r\n`)
    const garbage = await open()
    garbage.socket.write('\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n')
    const all = { slowHeaders, slowBody, large, garbage }
    await waitFor('all are ended', () => Object.values(all).every(({ heard }) => heard.isClosed))
    clearInterval(drip)
    const told = Object.entries(all).map(([name, { heard }]) => {
      const body = heard.text.slice(heard.text.indexOf('\r\n\r\n') + 4)
      const { code } = JSON.parse(body) as { code: string }
      return [name, heard.text.slice(9, 12), code]
    })
    expect(told).toEqual([
      ['slowHeaders', '408', 'timeout'],
      ['slowBody', '408', 'timeout'],
      ['large', '431', 'too_large'],
      ['garbage', '400', 'invalid_request'],
    ])
  })
})

describe('bodies', () => {
  it('are refused where those that are on their way are large together', async () => {
    await start({ bodyBytesPerAddress: 3_000 })
    const slow = await Promise.all(Array.from({ length: 20 }, () => open()))
    const length = 'Content-Length: 1000\r\nContent-Type: application/json'
    for (const { socket } of slow) socket.write(head('/api/v1/batches', length).replace('GET', 'POST'))
    const refused = () => slow.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 429'))
    await waitFor('all but three are refused', () => refused().length === 17)
    // what has no body has its answer
    expect((await get('/api/v1/overview')).status).toBe(200)
    for (const { socket } of slow) socket.destroy()
    const small = JSON.stringify({ specs: [{ command: 'true' }] })
    await waitFor('there is room', async () => (await post(small)).status === 201)
  })

  it('nested too deep are refused, and never harm the stack, by all routes', async () => {
    await start({})
    for (const open of ['[', '{"a":']) {
      const deep = open.repeat(400_000)
      expect((await post(deep)).status).toBe(400)
      expect(await (await post(deep)).json()).toMatchObject({
        message: expect.stringContaining('nested more than 32 deep'),
      })
      const whole = `{"command":${open.repeat(200_000)}1${(open === '[' ? ']' : '}').repeat(200_000)}}`
      for (const path of ['/submit', '/api/submit', '/kill', '/api/v1/csp-reports', '/api/v1/session']) {
        const answer = await get(path, {
          method: 'POST',
          body: whole,
          headers: { 'content-type': 'application/json' },
        })
        expect([path, answer.status < 500]).toEqual([path, true])
      }
    }
  })

  it('for which no token is asked are small', async () => {
    await start({})
    const body = JSON.stringify({ token: 'x'.repeat(20_000) })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${host.host.url}/api/v1/session`, { method: 'POST', body, headers })
    expect(answer.status).toBe(413)
  })
})

describe('streams', () => {
  it('of a caller and of an address are bounded, and make room when they end', async () => {
    await start({ streamsPerAddress: 4, requestsPerAddress: 2 })
    const all = await Promise.all(
      Array.from({ length: 40 }, async (_, at) => {
        const opened = await open()
        opened.socket.write(head(at % 2 === 0 ? '/api/v1/events' : '/api/v1/live'))
        return opened
      }),
    )
    const begun = () => all.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 200'))
    await waitFor('each has an answer', () => all.every(({ heard }) => heard.text !== ''))
    expect(begun().length).toBeLessThanOrEqual(4)
    await waitFor('there are four', async () => {
      if (begun().length === 4) return true
      const { socket } = await open()
      all.push({ socket, heard: all[0]?.heard ?? { text: '', isClosed: false } })
      return begun().length > 0
    })
    // they are no requests that are being answered
    expect((await get('/api/v1/overview')).status).toBe(200)
    for (const { socket } of all) socket.destroy()
    await waitFor('there is room', async () => {
      const gone = new AbortController()
      const answer = await get('/api/v1/events', { signal: gone.signal })
      gone.abort()
      return answer.status === 200
    })
  })
})

describe('a client that does not read', () => {
  it('is cut off, and one that reads slowly is not', async () => {
    await start({ slowMs: 1_000 })
    const specs = Array.from({ length: 1_000 }, () => ({ command: 'x'.repeat(3_000) }))
    await host.client.submitBatch({ body: { specs } })
    const deaf = await open()
    deaf.socket.pause()
    // more than the network takes by itself
    deaf.socket.write(head('/api/v1/tasks?limit=1000').repeat(10))
    let read = 0
    const slow = await open()
    slow.socket.on('data', (data) => {
      read += data.length
      slow.socket.pause()
      setTimeout(() => slow.socket.resume(), 20)
    })
    slow.socket.write(head('/api/v1/tasks?limit=1000'))
    const isCut = () => {
      // who does not read hears of the end only where it says something
      deaf.socket.write('x')
      return deaf.heard.isClosed
    }
    await waitFor('the deaf one is cut', isCut, { deadlineMs: 15_000 })
    await waitFor('the slow one has all', () => read > 3_000_000, { deadlineMs: 20_000 })
  })
})

describe('tasks that wait', () => {
  const submit = (count: number, spec: object = { command: 'true' }) =>
    post(JSON.stringify({ specs: Array.from({ length: count }, () => spec) }))

  it('are refused beyond the bound, until others have gone', async () => {
    await start({ pendingTasksPerUser: 10 })
    expect((await submit(8)).status).toBe(201)
    const refused = await submit(3)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({
      code: 'too_many',
      message: '8 tasks of admin already wait, and at most 10 may: submit 3 more when some have started',
    })
    expect((await submit(2)).status).toBe(201)
    const { items } = await host.client.listTasks({ query: {} })
    expect(items).toHaveLength(10)
    await host.client.killTasks({ body: { ids: items.map(({ id }) => id) } })
    expect((await submit(10)).status).toBe(201)
    // started ones wait no more
    const runner = await host.link({ cores: 4 })
    await runner.heard('start', 4)
    expect((await submit(4)).status).toBe(201)
    expect((await submit(1)).status).toBe(429)
    // also after a restart
    await host.restart()
    expect((await submit(1)).status).toBe(429)
  })

  it('are refused in all', async () => {
    await start({ pendingTasks: 2 })
    expect((await submit(3)).status).toBe(429)
    expect((await submit(2)).status).toBe(201)
    expect((await submit(1)).status).toBe(429)
  })

  it('of one small body on many targets make no more than a batch may be', async () => {
    await start({})
    const spec = { command: 'true', arguments: Array.from({ length: 8 }, () => 'x'.repeat(100_000)) }
    const targets = Array.from({ length: 10_000 }, () => 'any')
    const answer = await post(JSON.stringify({ specs: [spec], targets }))
    expect([answer.status, await answer.json()]).toMatchObject([
      413,
      { code: 'too_large', message: expect.stringContaining('more than the 64 MiB of one batch') },
    ])
    expect((await host.client.listTasks({ query: {} })).total).toBe(0)
  })

  it('take no more together than is kept', async () => {
    await start({ openTaskBytes: 100_000 })
    expect((await submit(1, { command: 'x'.repeat(60_000) })).status).toBe(201)
    const refused = await submit(1, { command: 'x'.repeat(60_000) })
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      { message: expect.stringContaining('submit more when some have ended') },
    ])
  })
})

describe('runners', () => {
  it('beyond the bound are told to come later', async () => {
    await start({ links: 2 })
    await host.link()
    await host.link({ node: 'n2', runnerId: 'runner-2' })
    await expect(host.dial()).rejects.toThrow('503')
    host.runners[0]?.cut()
    await waitFor('there is room', () =>
      host.dial().then(
        () => true,
        () => false,
      ),
    )
  })

  it('that say too much are read in measure, and nothing of it is lost', async () => {
    await start({ linkMessagesPerSecond: 200 })
    const runner = await host.link()
    const { length } = runner.all('heard')
    for (let beat = 1; beat <= 2_000; beat += 1) runner.beat([], beat)
    const began = performance.now()
    await waitFor('all are heard', () => runner.all('heard').length === length + 2_000, {
      deadlineMs: 20_000,
    })
    expect(performance.now() - began).toBeGreaterThan(1_500)
    expect(runner.all('heard').map(({ beat }) => beat)).toEqual(
      Array.from({ length: 2_000 }, (_, at) => at + 1),
    )
  })
})
