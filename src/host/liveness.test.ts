import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { spec } from '../core/builders.suite.ts'
import { leaseOverAfterMs } from '../core/lease.ts'
import type { Task } from '../core/task.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import { Cluster } from './cluster.ts'
import { EventHub } from './event-hub.ts'
import { type HelloOptions, TestRunner, TestStore } from './host.suite.ts'
import { Leases } from './leases.ts'
import { createLinkServer } from './link-server.ts'
import { Links } from './links.ts'

const heartbeatMs = 1_000
const silenceFactor = 3
const leaseMs = 60_000
const tickMs = heartbeatMs / 2

let dir: string
let store: TestStore
let cluster: Cluster
let links: Links
let server: Server
let runner: TestRunner
/** Both clocks of the host; only the test moves them. */
let clockMs: number

/** What the host does when it looks for silent nodes. */
let look: () => void
const later: Clock['after'] = (ms, action) => {
  if (ms !== tickMs) return systemClock.after(ms, action)
  look = action
  return () => {}
}

beforeEach(async () => {
  clockMs = 1_000_000
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-liveness-'))
  store = new TestStore(join(dir, 'cluster.db'))
  const clock = { ...systemClock, now: () => clockMs, monotonic: () => clockMs, after: later }
  cluster = await Cluster.load({ store, hub: new EventHub(), log: silentLog, clock, onBroken: () => {} })
  links = new Links({
    cluster,
    store,
    log: silentLog,
    heartbeatMs,
    watchMs: tickMs,
    silenceFactor,
    leases: new Leases({ cluster, leaseMs, clock, log: silentLog }),
    clock,
    secretsOf: async () => ({}),
  })
  server = createServer()
  const linkServer = createLinkServer(links)
  server.on('upgrade', (request, socket, head) => linkServer.upgrade(request, socket, head, null))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  runner = await dial()
})
afterEach(async () => {
  runner.cut()
  await links.close()
  await cluster.close()
  await store.close()
  server.close()
  rmSync(dir, { recursive: true })
})

async function dial(hello: HelloOptions = {}): Promise<TestRunner> {
  const { port } = server.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  const dialled = new TestRunner(socket)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  dialled.hello(hello)
  await dialled.heard('welcome')
  return dialled
}

const record = () => cluster.nodes.get('n1')?.record
const status = () => record()?.status

/** Lets time go by as the watch sees it. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= tickMs) {
    clockMs += Math.min(left, tickMs)
    look()
  }
}

async function speak(): Promise<void> {
  clockMs += 1
  runner.socket.ping()
  await waitFor('it was heard', () => record()?.lastSeenMs === clockMs)
}

const nodeEvents = async () => {
  await cluster.settled()
  return (await store.eventsAfter(0, 100)).map(({ type }) => type)
}

describe('silence', () => {
  it('is what lasts longer than the limit', async () => {
    await speak()
    pass(heartbeatMs * silenceFactor)
    expect(status()).toBe('online')
    pass(tickMs)
    expect(status()).toBe('unreachable')
    expect(await nodeEvents()).toEqual(['joined', 'unreachable'])
  })

  it('ends with any word, told once, also when it was long', async () => {
    pass(100 * heartbeatMs)
    expect(status()).toBe('unreachable')
    await speak()
    expect(status()).toBe('online')
    await speak()
    expect(cluster.ledger.nodeOf('n1')?.status).toBe('online')
    expect(await nodeEvents()).toEqual(['joined', 'unreachable', 'online'])
    expect(await store.nodes()).toMatchObject([{ status: 'online', lastSeenMs: clockMs - 1 }])
  })

  it('ends with a new link, told once', async () => {
    pass(100 * heartbeatMs)
    const first = runner
    runner = await dial()
    await first.closed()
    expect(status()).toBe('online')
    expect(await nodeEvents()).toEqual(['joined', 'unreachable', 'online'])
  })

  it('without a link counts from the last word', async () => {
    pass(heartbeatMs)
    await speak()
    runner.cut()
    await waitFor('the link is gone', () => !links.isLinked('n1'))
    pass(heartbeatMs * silenceFactor)
    expect(status()).toBe('online')
    expect(cluster.ledger.nodeOf('n1')?.status).toBe('unreachable')
    pass(tickMs)
    expect(status()).toBe('unreachable')
  })
})

describe('a pause of the host itself', () => {
  it('row 21: is not the silence of its nodes', async () => {
    clockMs += 3_600_000
    look()
    expect(status()).toBe('online')
    pass(heartbeatMs * silenceFactor - tickMs)
    expect(status()).toBe('online')
  })

  it('puts no silence off that comes later', async () => {
    clockMs += 3_600_000
    await speak() // read before the watch saw the pause
    look()
    pass(heartbeatMs * silenceFactor + tickMs)
    expect(status()).toBe('unreachable')
  })
})

describe('a task under a lease', () => {
  const overMs = leaseOverAfterMs(leaseMs)
  const taskOf = (id: number) => cluster.task(id)
  const statusOf = (id: number) => taskOf(id)?.status

  /** A task that runs on n1. */
  async function begin(requeue = 1): Promise<number> {
    const [batchId, id] = [cluster.newId(), cluster.newId()]
    const task: Task = {
      id,
      batchId,
      owner: 'admin',
      spec: spec({ requeue }),
      target: { kind: 'any' },
      submittedAtMs: clockMs,
      attempt: 0,
      status: 'pending',
    }
    cluster.add(task)
    const batch = {
      id: batchId,
      owner: 'admin',
      submissionId: null,
      name: null,
      submittedAtMs: clockMs,
      answer: '',
    }
    await cluster.submit(batch, [id])
    await runner.heard('start')
    runner.started(String(id))
    await waitFor('it runs', () => statusOf(id) === 'running')
    return id
  }

  it('keeps its cores until the lease is over, and then waits for its next attempt', async () => {
    const id = await begin()
    runner.cut()
    await waitFor('the link is gone', () => !links.isLinked('n1'))
    pass(overMs)
    expect(statusOf(id)).toBe('unreachable')
    expect(cluster.ledger.freeOf('n1')?.coresHeld).toBe(1)
    pass(tickMs)
    expect(taskOf(id)).toMatchObject({
      status: 'pending',
      attempt: 1,
      requeuedFor: expect.stringContaining('lease ran out'),
    })
    expect(cluster.ledger.freeOf('n1')?.coresHeld).toBe(0)
    await cluster.settled()
    expect(await store.task(id)).toEqual(taskOf(id))
    runner = await dial()
    await runner.heard('start')
    expect(taskOf(id)).toMatchObject({ status: 'assigning', attempt: 2 })
    expect((await store.taskEvents(id)).map(({ type, attempt }) => `${type} ${attempt}`)).toEqual([
      'submitted 0',
      'placed 1',
      'started 1',
      'node_silent 1',
      'requeued 1',
      'placed 2',
    ])
  })

  it('is renewed by a heartbeat that was answered, and by nothing else', async () => {
    const id = await begin()
    pass(overMs - tickMs)
    const held = [{ taskId: String(id), attempt: 1, phase: 'running' as const, startedAtMs: 1_000 }]
    runner.beat(held, 7)
    expect(await runner.heard('heard')).toEqual({ type: 'heard', beat: 7 })
    for (let heard = 0; heard < overMs - tickMs; heard += heartbeatMs) pass(heartbeatMs)
    expect(statusOf(id)).toBe('unreachable')
    await speak()
    runner.beat(held)
    await waitFor('it is back', () => statusOf(id) === 'running')
    pass(2 * tickMs)
    expect(statusOf(id)).toBe('pending')
  })

  it('is not renewed by a runner that came with an empty disk', async () => {
    const id = await begin()
    pass(overMs / 2)
    runner.cut()
    await waitFor('the link is gone', () => !links.isLinked('n1'))
    runner = await dial({ runnerId: 'runner-2' })
    await waitFor('it is not there', () => statusOf(id) === 'unreachable')
    runner.beat([], 1)
    await runner.heard('heard')
    pass(overMs / 2 - tickMs)
    expect(statusOf(id)).toBe('unreachable')
    pass(2 * tickMs)
    expect(taskOf(id)).toMatchObject({ attempt: 1, status: 'pending' })
  })

  it('is killed where that was asked for before, and never starts again', async () => {
    const id = await begin()
    runner.cut()
    await waitFor('the link is gone', () => !links.isLinked('n1'))
    pass(overMs / 2)
    cluster.apply(id, { type: 'kill_requested', reason: 'asked' })
    pass(overMs / 2 - tickMs)
    expect(statusOf(id)).toBe('killing')
    pass(2 * tickMs)
    await cluster.settled()
    expect(await store.task(id)).toMatchObject({ status: 'killed', attempt: 1 })
  })

  it('stays unreachable in its last attempt, and without any: that one has no lease', async () => {
    const id = await begin(0)
    runner.cut()
    await waitFor('the link is gone', () => !links.isLinked('n1'))
    pass(10 * overMs)
    expect(statusOf(id)).toBe('unreachable')
  })
})
