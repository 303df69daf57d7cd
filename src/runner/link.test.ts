import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Check } from 'typebox/value'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { AppError } from '../core/errors.ts'
import type { NodeLoad } from '../core/node.ts'
import { systemClock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import { dialWebSocket } from '../platform/wire.ts'
import { FromRunner, linkVersion as protocolVersion } from '../protocol/link.ts'
import { linkPath } from '../protocol/routes.ts'
import { Link, type LinkDeps, linkVersion } from './link.ts'
import type { OutboxReport } from './outbox.ts'

type Message = Extract<FromRunner, { type: string }>
type Of<T extends Message['type']> = Extract<Message, { type: T }>

/** One link as the host sees it. */
class Connection {
  readonly socket: WebSocket
  readonly request: IncomingMessage
  readonly messages: Message[] = []
  isClosed = false

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket
    this.request = request
    socket.on('message', (data) => this.messages.push(JSON.parse(String(data)) as Message))
    socket.on('close', () => {
      this.isClosed = true
    })
    socket.on('error', () => {})
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  welcome(heartbeatMs = 20): void {
    this.send({ type: 'welcome', version: 1, heartbeatMs })
  }

  all<T extends Message['type']>(type: T): Of<T>[] {
    return this.messages.filter((message): message is Of<T> => message.type === type)
  }

  async first<T extends Message['type']>(type: T, count = 1): Promise<Of<T>[]> {
    return waitFor(`${count} ${type}`, () => this.all(type).length >= count && this.all(type), { everyMs: 2 })
  }

  closed(): Promise<boolean> {
    return waitFor('the end of the link', () => this.isClosed, { everyMs: 2 })
  }
}

let http: Server
let sockets: WebSocketServer
let connections: Connection[] = []
/** Answers a dial by this status instead of taking it. */
let refusal: number | null = null
let dials = 0
let rawSockets: Socket[] = []
let link: Link | null = null
let warnings: string[] = []
let heard: string[] = []

beforeEach(async () => {
  connections = []
  rawSockets = []
  warnings = []
  heard = []
  refusal = null
  dials = 0
  sockets = new WebSocketServer({ noServer: true })
  http = createServer()
  http.on('upgrade', (request, socket, head) => {
    dials += 1
    rawSockets.push(socket as Socket)
    if (refusal !== null)
      socket.end(`HTTP/1.1 ${refusal} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    else sockets.handleUpgrade(request, socket, head, (ws) => connections.push(new Connection(ws, request)))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await link?.close()
  link = null
  vi.restoreAllMocks()
  for (const socket of rawSockets) socket.destroy()
  sockets.close()
  await new Promise((resolve) => http.close(resolve))
})

const load: NodeLoad = {
  cpuPercent: 12.5,
  memoryUsedBytes: 77,
  numaNodes: [{ id: 0, cpuPercent: null, memoryUsedBytes: 5 }],
}
const held = { taskId: '7', attempt: 1, phase: 'running' as const, startedAtMs: 5 }
const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) }

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function open(overrides: Partial<LinkDeps> = {}): Link {
  link = new Link({
    hostUrl: urlOf(http),
    joinToken: () => 'a-token',
    nodeName: 'n1',
    runnerVersion: '1.2.3',
    identity: { runnerId: 'runner-1', bootId: 'boot-1' },
    capacity: { cores: 4, memoryBytes: 100, numaNodes: [] },
    executor: {
      name: 'fake',
      why: 'a test',
      enforcesLimits: false,
      features: { privateNetwork: true, privatePids: true, numa: true },
    },
    log,
    measureLoad: () => load,
    attempts: () => [held],
    pendingReports: () => [],
    onStart: (order) => heard.push(`start ${order.taskId}-${order.attempt}`),
    onKill: (order) => heard.push(`kill ${order.taskId}-${order.attempt}`),
    onAck: (seq) => heard.push(`ack ${seq}`),
    onLogRead: () => Promise.reject(new Error('no log in this test')),
    random: () => 0.4,
    clock: systemClock,
    dial: dialWebSocket,
    ...overrides,
  })
  link.open()
  return link
}

function dialled(number = 1): Promise<Connection> {
  return waitFor(`dial ${number}`, () => connections[number - 1], { everyMs: 2 })
}

function report(seq: number): OutboxReport {
  return { seq, taskId: 7, attempt: seq, event: { type: 'started', startedAtMs: seq } }
}

const logRead = {
  type: 'log_read',
  taskId: '7',
  attempt: 1,
  stream: 'stdout',
  offset: 3,
  limit: 10,
  waitMs: 0,
}
const spec = {
  command: 'true',
  arguments: [],
  env: {},
  cwd: null,
  name: null,
  cores: 1,
  memoryBytes: null,
  timeoutMs: null,
  privateNetwork: false,
  privatePids: false,
  queue: true,
}
const start = { type: 'start', taskId: '8', attempt: 2, batchId: '1', spec, numaId: null }

describe('link of a runner', () => {
  test('says hello first, with its token, and nothing else before it is welcome', async () => {
    const opened = open()
    const connection = await dialled()
    const [hello] = await connection.first('hello')
    expect(connection.request.url).toBe(linkPath)
    expect(connection.request.headers.authorization).toBe('Bearer a-token')
    expect(hello).toEqual({
      type: 'hello',
      version: linkVersion,
      runnerVersion: '1.2.3',
      node: 'n1',
      runnerId: 'runner-1',
      bootId: 'boot-1',
      capacity: { cores: 4, memoryBytes: 100, numaNodes: [] },
      executor: expect.objectContaining({ name: 'fake' }),
      attempts: [held],
    })
    opened.sendReport(report(1))
    expect(opened.isUp).toBe(false)
    connection.welcome()
    await connection.first('heartbeat')
    expect(connection.messages.map(({ type }) => type).slice(0, 2)).toEqual(['hello', 'heartbeat'])
    expect(opened.isUp).toBe(true)
  })

  test('without a token there is no header, and a slash at the end of the URL does not matter', async () => {
    open({ joinToken: () => null, hostUrl: `${urlOf(http)}/` })
    const { request } = await dialled()
    expect(request.headers.authorization).toBeUndefined()
    expect(request.url).toBe(linkPath)
  })

  test('heartbeats carry load and attempts', async () => {
    open()
    const connection = await dialled()
    connection.welcome()
    const [first, second] = await connection.first('heartbeat', 2)
    expect(first).toEqual({ type: 'heartbeat', load, attempts: [held] })
    expect(second).toEqual(first)
  })

  test('row 10: a heartbeat out of its turn tells why nothing can be started', async () => {
    const problems = [null, 'the disk is full']
    const opened = open({ problem: () => problems.shift() ?? null })
    opened.beatNow() // nobody is there to be told
    const connection = await dialled()
    connection.welcome(60_000)
    await connection.first('heartbeat')
    opened.beatNow()
    expect((await connection.first('heartbeat', 2)).map(({ problem }) => problem)).toEqual([
      undefined,
      'the disk is full',
    ])
  })

  test('all that is sent fits the protocol', async () => {
    const opened = open({ onLogRead: () => Promise.reject(new Error('x'.repeat(9_000))) })
    const connection = await dialled()
    connection.welcome()
    connection.send({ ...logRead, requestId: 1 })
    await connection.first('log_chunk')
    opened.sendReport(report(1))
    await connection.first('report')
    await connection.first('heartbeat')
    for (const message of connection.messages) expect(Check(FromRunner, message), message.type).toBe(true)
    expect(linkVersion).toBe(protocolVersion)
  })

  test('reports are sent again after every reconnect until they are acknowledged', async () => {
    let pending = [report(1), report(2), report(3)]
    const opened = open({
      pendingReports: () => pending,
      onAck: (seq) => {
        pending = pending.filter((one) => one.seq > seq)
      },
    })
    const first = await dialled(1)
    first.welcome()
    expect((await first.first('report', 3)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    first.send({ type: 'ack', seq: 2 })
    await waitFor('the ack', () => pending.length === 1)
    first.socket.terminate()
    await waitFor('the end', () => !opened.isUp)
    const added = report(4)
    pending.push(added)
    opened.sendReport(added)
    const second = await dialled(2)
    second.welcome()
    expect((await second.first('report', 2)).map(({ seq }) => seq)).toEqual([3, 4])
    second.send({ type: 'ack', seq: 4 })
    await waitFor('the ack', () => pending.length === 0)
    second.socket.terminate()
    const third = await dialled(3)
    third.welcome()
    await third.first('heartbeat')
    expect(third.all('report')).toEqual([])
  })

  test('reports go out at once while the link is up, each once and in order', async () => {
    const pending = [report(1)]
    const opened = open({ pendingReports: () => pending })
    const connection = await dialled()
    connection.welcome(60_000)
    await connection.first('report')
    for (let seq = 2; seq <= 50; seq += 1) {
      pending.push(report(seq))
      opened.sendReport(report(seq))
    }
    await connection.first('report', 50)
    connection.send({ type: 'ack', seq: 0 })
    await waitFor('the ack', () => heard.length > 0)
    expect(connection.all('report').map(({ seq }) => seq)).toEqual(pending.map(({ seq }) => seq))
    expect(connection.all('report')[6]).toEqual({
      type: 'report',
      seq: 7,
      taskId: '7',
      attempt: 7,
      event: { type: 'started', startedAtMs: 7 },
    })
  })

  test('what was to be sent when the link broke is not sent out of turn on the next', async () => {
    const pending = [report(1), report(2)]
    const opened = open({ pendingReports: () => pending })
    const first = await dialled(1)
    first.welcome()
    await first.first('report', 2)
    first.socket.terminate()
    opened.sendReport(report(2))
    const second = await dialled(2)
    second.welcome()
    await second.first('heartbeat', 2)
    expect(second.all('report').map(({ seq }) => seq)).toEqual([1, 2])
  })

  test('orders of the host are handed on', async () => {
    open()
    const connection = await dialled()
    connection.welcome()
    connection.send(start)
    connection.send({ type: 'kill', taskId: '9', attempt: 1 })
    connection.send({ type: 'ack', seq: 12 })
    await waitFor('the orders', () => heard.length === 3)
    expect(heard).toEqual(['start 8-2', 'kill 9-1', 'ack 12'])
  })

  test.each([
    'no JSON',
    '{}',
    '{"type":"unheard-of"}',
    JSON.stringify({ ...start, taskId: 8 }),
    JSON.stringify({ type: 'ack', seq: 'all' }),
    '\ud800',
  ])('the message %j drops the link, and it dials again', async (broken) => {
    open()
    const first = await dialled(1)
    first.welcome()
    await first.first('heartbeat')
    first.send(broken)
    await first.closed()
    const second = await dialled(2)
    expect((await second.first('hello')).length).toBe(1)
    expect(heard).toEqual([])
    expect(warnings).not.toEqual([])
  })

  test('a refusal that trying does not mend is tried again much later', async () => {
    const delays = vi.spyOn(globalThis, 'setTimeout')
    open()
    const connection = await dialled()
    await connection.first('hello')
    delays.mockClear()
    connection.send({ type: 'refused', code: 'conflict', message: 'this name is taken', retry: false })
    await connection.closed()
    const retry = await waitFor('the next try', () =>
      delays.mock.calls.find(([, delayMs]) => delayMs === 27_000),
    )
    expect(dials).toBe(1)
    expect(warnings).toEqual(['The host refuses this runner: this name is taken'])
    // that try, now
    retry[0]()
    const second = await dialled(2)
    second.welcome()
    await second.first('heartbeat')
  })

  test('a refusal for now is tried again soon', async () => {
    open()
    const connection = await dialled()
    connection.send({ type: 'refused', code: 'unavailable', message: 'not ready', retry: true })
    const second = await dialled(2)
    await second.first('hello')
    expect(connection.isClosed).toBe(true)
  })

  test('the time between tries grows, and a welcome sets it back', async () => {
    refusal = 503
    const delays = vi.spyOn(globalThis, 'setTimeout')
    const used = () =>
      delays.mock.calls
        .map(([, delayMs]) => delayMs)
        .filter((delayMs) => [90, 180, 360].includes(delayMs ?? 0))
    open()
    await waitFor('three tries', () => dials >= 3, { everyMs: 2 })
    refusal = null
    const connection = await dialled()
    expect(used()).toEqual([90, 180, 360])
    connection.welcome()
    await connection.first('heartbeat')
    connection.socket.terminate()
    await dialled(2)
    expect(used()).toEqual([90, 180, 360, 90])
  })

  test('a certificate that is refused is called one', async () => {
    refusal = 401
    const tls = { ca: 'ca', servername: 'host', rejectUnauthorized: true, cert: 'cert', key: 'key' } as const
    // the host of this test speaks plain HTTP
    const dial: LinkDeps['dial'] = (url, { headers, deadlineMs }, events) =>
      dialWebSocket(url, { headers, deadlineMs }, events)
    open({ tls: () => tls, dial })
    await waitFor('a try', () => warnings.length > 0, { everyMs: 2 })
    expect(warnings).toEqual(['The host does not accept the certificate of this runner'])
  })

  test('one problem is one line in the log, however often it is tried', async () => {
    refusal = 401
    open()
    await waitFor('three tries', () => dials >= 3, { everyMs: 2 })
    expect(warnings).toEqual(['The host does not accept the join token'])
    refusal = 502
    await waitFor('two more', () => dials >= 5, { everyMs: 2 })
    refusal = null
    const connection = await dialled()
    connection.welcome()
    await connection.first('heartbeat')
    expect(warnings).toEqual(['The host does not accept the join token', 'The host answered 502'])
  })

  test('a host that is not there is dialled until it is', async () => {
    const later = createServer()
    await new Promise<void>((resolve) => later.listen(0, '127.0.0.1', resolve))
    const hostUrl = urlOf(later)
    await new Promise((resolve) => later.close(resolve))
    open({ hostUrl })
    await waitFor('the first failure', () => warnings.length > 0)
    expect(warnings[0]).toContain('Cannot reach the host')
    later.on('upgrade', (request, socket, head) => {
      rawSockets.push(socket as Socket)
      sockets.handleUpgrade(request, socket, head, (ws) => connections.push(new Connection(ws, request)))
    })
    await new Promise<void>((resolve) => later.listen(Number(new URL(hostUrl).port), '127.0.0.1', resolve))
    try {
      const connection = await dialled()
      connection.welcome()
      await connection.first('heartbeat')
    } finally {
      await link?.close()
      later.close()
    }
  })

  test('a host that says nothing any more is given up', async () => {
    let lateness = 0
    // once it runs, every look at the clock is a minute later than the one before
    const clock = {
      ...systemClock,
      monotonic: () => {
        if (lateness > 0) lateness += 60_000
        return systemClock.monotonic() + lateness
      },
    }
    open({ clock })
    const first = await dialled(1)
    first.welcome()
    await first.first('heartbeat', 2)
    lateness = 1
    await first.closed()
    await dialled(2)
    expect(warnings).toContain('The host is silent')
  })
})

describe('log reads over a link', () => {
  test('are answered, each under its number', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    open({
      onLogRead: async ({ requestId, offset, limit, stream, taskId, attempt, waitMs }) => {
        await gates[requestId - 1]?.promise
        const data = Buffer.from(JSON.stringify([taskId, attempt, stream, limit, waitMs])).toString('base64')
        return { type: 'log_chunk', requestId, offset, size: 100, data, ended: false, error: null }
      },
    })
    const connection = await dialled()
    connection.welcome()
    connection.send({ ...logRead, requestId: 1 })
    connection.send({ ...logRead, requestId: 2 })
    gates[1]?.resolve()
    await connection.first('log_chunk')
    gates[0]?.resolve()
    const chunks = await connection.first('log_chunk', 2)
    expect(chunks.map(({ requestId }) => requestId)).toEqual([2, 1])
    expect(chunks[0]).toMatchObject({ offset: 3, size: 100, ended: false, error: null })
    expect(Buffer.from(chunks[0]?.data ?? '', 'base64').toString()).toBe('["7",1,"stdout",10,0]')
  })

  test('that fail are answered with the reason', async () => {
    open()
    const connection = await dialled()
    connection.welcome()
    connection.send({ ...logRead, requestId: 5 })
    const [chunk] = await connection.first('log_chunk')
    expect(chunk).toMatchObject({
      requestId: 5,
      offset: 3,
      data: '',
      error: expect.stringContaining('no log in this test'),
    })
  })

  test('for lines and searches are answered, and say what kind of failure there was', async () => {
    open({
      onLogView: async ({ requestId, type }) => {
        if (type === 'log_search') throw new AppError('too_many', 'too many searches')
        return { type: 'log_view', requestId, search: { items: [], next: null, size: 3 } }
      },
    })
    const connection = await dialled()
    connection.welcome()
    const wanted = { taskId: '7', attempt: 1, stream: 'stdout' }
    connection.send({ type: 'log_lines', requestId: 1, ...wanted, query: {} })
    connection.send({ type: 'log_search', requestId: 2, ...wanted, query: { q: 'x' } })
    const views = await connection.first('log_view', 2)
    expect(views).toEqual([
      { type: 'log_view', requestId: 1, search: { items: [], next: null, size: 3 } },
      { type: 'log_view', requestId: 2, error: { code: 'too_many', message: 'too many searches' } },
    ])
    for (const view of views) expect(Check(FromRunner, view)).toBe(true)
  })

  test('for lines and searches are told to be answered only to a host that asks such', async () => {
    const opened = open({ onLogView: () => Promise.reject(new Error('not asked')) })
    const before = await dialled()
    before.send({ type: 'welcome', version: linkVersion, heartbeatMs: 60_000 })
    expect((await before.first('heartbeat'))[0]?.logViews).toBeUndefined()
    before.socket.terminate()
    const connection = await dialled(2)
    connection.send({ type: 'welcome', version: linkVersion, heartbeatMs: 60_000, logViews: true })
    await connection.first('heartbeat')
    opened.beatNow()
    const beats = await connection.first('heartbeat', 2)
    expect(beats.map(({ logViews }) => logViews)).toEqual([true, true])
  })

  test('a host that welcomes twice, or wants to hear nothing but heartbeats, is none to be linked with', async () => {
    open()
    const twice = await dialled()
    twice.welcome()
    await twice.first('heartbeat')
    twice.welcome()
    await twice.closed()
    expect(warnings).toContain('The host welcomes twice')
    const hasty = await dialled(2)
    hasty.welcome(0)
    await hasty.closed()
    const busy = await dialled(3)
    busy.welcome(1)
    await busy.first('heartbeat', 3)
    // no more than two hundred in a second
    const { length } = busy.all('heartbeat')
    const beganMs = performance.now()
    await busy.first('heartbeat', length + 20)
    expect(performance.now() - beganMs).toBeGreaterThan(40)
  })

  test('are bounded in number, and end with the link', async () => {
    const signals: AbortSignal[] = []
    open({
      onLogRead: (_, signal) => {
        signals.push(signal)
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        )
      },
    })
    const first = await dialled(1)
    first.welcome()
    for (let requestId = 1; requestId <= 65; requestId += 1) first.send({ ...logRead, requestId })
    const [refused] = await first.first('log_chunk')
    expect(refused).toMatchObject({ requestId: 65, error: expect.stringContaining('too many') })
    expect(signals).toHaveLength(64)
    first.send({ type: 'log_cancel', requestId: 3 })
    await waitFor('the end of the read', () => signals[2]?.aborted)
    expect(signals.filter(({ aborted }) => aborted)).toHaveLength(1)
    first.socket.terminate()
    await waitFor('the end of the reads', () => signals.every(({ aborted }) => aborted))
    const second = await dialled(2)
    second.welcome()
    second.send({ ...logRead, requestId: 66 })
    await waitFor('the next read', () => signals.length === 65)
    expect(signals[64]?.aborted).toBe(false)
  })
})

describe('what tasks use', () => {
  const item = { taskId: '7', attempt: 1, cpuTimeMs: 5, memoryBytes: null }
  const ask = (connection: Connection, usageMs: number) =>
    connection.send({ type: 'welcome', version: linkVersion, heartbeatMs: 20, usageMs })

  test('is told again and again to a host that asks for it, in words of the protocol', async () => {
    open({ measureUsage: async () => [item] })
    const connection = await dialled()
    ask(connection, 1) // no oftener than ten times a second, whatever it wants
    const before = performance.now()
    const told = await connection.first('usage', 3)
    expect(performance.now() - before).toBeGreaterThan(3 * 80)
    expect(told[0]).toEqual({ type: 'usage', atMs: expect.any(Number), items: [item] })
    expect(Math.abs((told[0]?.atMs ?? 0) - Date.now())).toBeLessThan(10_000)
    for (const message of told) expect(Check(FromRunner, message)).toBe(true)
  })

  test('is not measured for a host that does not ask, and not sent where nothing runs', async () => {
    let measured = 0
    const measureUsage = async () => {
      measured += 1
      return []
    }
    open({ measureUsage })
    const first = await dialled(1)
    first.welcome(1)
    await first.first('heartbeat', 200) // longer than the least between two measurements
    expect(measured).toBe(0)
    first.socket.terminate()
    const second = await dialled(2)
    ask(second, 100)
    await waitFor('two measurements', () => measured >= 2)
    expect(second.all('usage')).toEqual([])
  })

  test('is measured once at a time, told on the link that asked, and no more after the end', async () => {
    const answers: ((items: (typeof item)[]) => void)[] = []
    const opened = open({ measureUsage: () => new Promise((resolve) => void answers.push(resolve)) })
    const first = await dialled(1)
    ask(first, 100)
    await waitFor('the first measurement', () => answers.length === 1)
    const beats = first.all('heartbeat').length
    await first.first('heartbeat', beats + 10) // it takes longer than the time between two
    expect(answers).toHaveLength(1)
    first.socket.terminate()
    const second = await dialled(2)
    ask(second, 100)
    answers[0]?.([item])
    await waitFor('the next measurement', () => answers.length === 2)
    expect(second.all('usage')).toEqual([])
    answers[1]?.([item])
    await second.first('usage')
    await waitFor('one more measurement', () => answers.length === 3)
    await opened.close()
    answers[2]?.([item])
    expect(second.all('usage')).toHaveLength(1)
  })

  test('is measured again where that has failed', async () => {
    let measured = 0
    const measureUsage = async () => {
      measured += 1
      if (measured === 1) throw new Error('no such luck')
      return [item]
    }
    open({ measureUsage })
    const connection = await dialled()
    ask(connection, 100)
    await connection.first('usage')
    expect(warnings).toEqual(['Cannot tell what tasks use'])
  })
})

describe('closing a link', () => {
  test('sends what is due, and dials no more', async () => {
    const opened = open()
    const connection = await dialled()
    connection.welcome()
    await connection.first('heartbeat')
    opened.sendReport(report(1))
    await opened.close()
    await connection.closed()
    expect(connection.all('report')).toHaveLength(1)
    expect(opened.isUp).toBe(false)
    expect(dials).toBe(1)
  })

  test('ends in the middle of a dial, between two dials, and twice', async () => {
    const dialling = open()
    await dialling.close()
    refusal = 503
    const failing = open()
    await waitFor('a refusal', () => warnings.includes('The host answered 503'))
    await failing.close()
    await failing.close()
    const before = dials
    refusal = null
    open()
    await dialled()
    expect(dials).toBe(before + 1)
  })

  test('does not wait for a host that does not answer', async () => {
    const opened = open()
    const connection = await dialled()
    connection.welcome(60_000)
    await connection.first('heartbeat')
    connection.socket.pause()
    rawSockets[0]?.pause()
    await opened.close()
    expect(opened.isUp).toBe(false)
  })
})
