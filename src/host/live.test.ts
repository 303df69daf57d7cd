import { get, type IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { Check } from 'typebox/value'
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../platform/clock.ts'
import { waitFor } from '../platform/wait.ts'
import {
  type LiveDigest as Digest,
  digestNodes,
  digestTasks,
  LiveDigest,
  LiveHello,
  LiveLoad,
} from '../protocol/live.ts'
import type { Cluster } from './cluster.ts'
import { EventHub } from './event-hub.ts'
import { TestHost } from './host.suite.ts'
import { LiveFeed, maxMissed } from './live.ts'
import { LiveChanges } from './live-changes.ts'
import { type EventChannel, ListenerLimit } from './sse.ts'
import type { EventRecord } from './store/rows.ts'

const schemas = { hello: LiveHello, digest: LiveDigest, load: LiveLoad }

interface Message {
  event: keyof typeof schemas
  id: number | null
  // biome-ignore lint/suspicious/noExplicitAny: whatever it is, the schema has checked it
  data: any
}

/** The messages in a text of server-sent events, each checked against the contract. */
function messagesIn(text: string): Message[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .filter((block) => !block.startsWith(':'))
    .map((block) => {
      const fields = new Map(
        block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]),
      )
      const event = fields.get('event') as Message['event']
      const data = JSON.parse(fields.get('data') ?? '')
      expect(Check(schemas[event], data), `${event} ${JSON.stringify(data)}`).toBe(true)
      const id = fields.get('id')
      return { event, id: id === undefined ? null : Number(id), data }
    })
}

const taskEvent = (
  id: number,
  taskId: number,
  status: Digest['tasks'][number]['status'] = 'running',
): EventRecord => ({
  kind: 'task',
  id,
  atMs: 1,
  taskId,
  batchId: 1,
  attempt: 1,
  type: 'a test',
  status,
  node: 'n1',
  exitCode: null,
  reason: null,
})
const nodeEvent = (id: number, node: string): EventRecord => ({
  kind: 'node',
  id,
  atMs: 1,
  node,
  type: 'a test',
  reason: null,
})

describe('a digest', () => {
  it('names each task once, as it is after the last event, the newest last, whatever happens', () => {
    const event = fc.record({ task: fc.integer({ min: 1, max: 8 }), isEnd: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event), (drawn) => {
        const changes = new LiveChanges()
        const events = drawn.map(({ task, isEnd }, at) =>
          taskEvent(at + 1, task, isEnd ? 'failed' : 'running'),
        )
        for (const each of events) changes.add([each])
        const { tasks, hasMore } = changes.told()
        const lastOf = new Map<number, number>()
        for (const [at, { task }] of drawn.entries()) lastOf.set(task, at)
        const wanted = [...lastOf].sort((a, b) => a[1] - b[1])
        expect(tasks.map(({ id, status }) => [id, status])).toEqual(
          wanted.map(([task, at]) => [String(task), drawn[at]?.isEnd ? 'failed' : 'running']),
        )
        expect(hasMore).toBe(false)
        expect(changes.isEmpty).toBe(drawn.length === 0)
      }),
    )
  })

  it('is bounded, and says so', () => {
    const changes = new LiveChanges()
    changes.add(Array.from({ length: digestTasks }, (_, at) => taskEvent(at + 1, at + 1)))
    expect(changes.told().hasMore).toBe(false)
    changes.add([taskEvent(1_000, 1_000)])
    const { tasks, hasMore } = changes.told()
    expect([tasks.length, tasks[0]?.id, tasks.at(-1)?.id, hasMore]).toEqual([digestTasks, '2', '1000', true])
    const nodes = new LiveChanges()
    nodes.add(Array.from({ length: digestNodes + 1 }, (_, at) => nodeEvent(at + 1, `n${at}`)))
    expect(nodes.told()).toMatchObject({ hasMore: true, nodes: { length: digestNodes, 0: 'n1' } })
  })
})

/** A feed on a clock that the test turns, with listeners that keep what they are sent. */
async function makeFeed(stored: EventRecord[] = [], heartbeatMs = 5_000) {
  let nowMs = 0
  let timers: { atMs: number; run: () => void }[] = []
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, run) => {
      const timer = { atMs: nowMs + delayMs, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((each) => each !== timer)
      }
    },
    soon: systemClock.soon,
  }
  let counted = 0
  const hub = new EventHub()
  const nodes = new Map<string, unknown>()
  const setNode = (name: string, cpuPercent: number) =>
    nodes.set(name, {
      record: { name, status: 'online', lastSeenMs: nowMs },
      load: { cpuPercent, memoryUsedBytes: 1 },
    })
  const cluster = {
    nodes,
    ledger: { freeOf: () => ({ coresHeld: 1, memoryHeldBytes: 2 }) },
  } as unknown as Cluster
  const store = {
    lastIds: async () => ({ task: 0, event: stored.at(-1)?.id ?? 0 }),
    eventsAfter: async (after: number, limit: number) =>
      stored.filter(({ id }) => id > after).slice(0, limit),
    countByStatus: async () => {
      counted += 1
      return new Map([['running' as const, counted]])
    },
  }
  const feed = await LiveFeed.open({ hub, store, cluster, clock, heartbeatMs })
  const listen = async (from: number | null = null, wantsLoad = false) => {
    const gone = new AbortController()
    let text = ''
    let isCut = false
    const sent: (string | Buffer)[] = []
    const channel = {
      send: (messages: string | Buffer) => {
        sent.push(messages)
        text += messages.toString()
      },
      cut: () => {
        isCut = true
        gone.abort()
      },
    } as EventChannel
    const joined = feed.join(channel, gone.signal, { from, wantsLoad })
    await joined
    return { messages: () => messagesIn(text), sent, isCut: () => isCut, leave: () => gone.abort() }
  }
  /** Lets the time go on, and all that is due happen. */
  const turn = async (ms: number) => {
    const endMs = nowMs + ms
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      timers = timers.filter((each) => each !== next)
      nowMs = Math.max(nowMs, next.atMs)
      next.run()
    }
    nowMs = endMs
  }
  const commit = (...events: EventRecord[]) => {
    stored.push(...events)
    hub.publish(events)
  }
  return {
    feed,
    listen,
    turn,
    commit,
    setNode,
    nodes,
    store,
    counted: () => counted,
    timers: () => timers.length,
  }
}

describe('the feed', () => {
  it('says hello with the counts, and then tells what changes, twice a second at most', async () => {
    const { listen, turn, commit } = await makeFeed([taskEvent(7, 1)])
    const { messages } = await listen()
    expect(messages()).toMatchObject([
      { event: 'hello', id: null, data: { isResync: false, version: expect.any(String) } },
      { event: 'digest', id: 7, data: { tasks: [], nodes: [], hasMore: false, counts: { running: 1 } } },
    ])
    commit(taskEvent(8, 2), nodeEvent(9, 'n3'))
    await turn(0)
    // the first at once
    expect(messages().slice(2)).toMatchObject([
      {
        event: 'digest',
        id: 9,
        data: { tasks: [{ id: '2', batchId: '1', status: 'running', node: 'n1' }], nodes: ['n3'] },
      },
    ])
    for (let id = 10; id < 110; id += 1) {
      commit(taskEvent(id, 3))
      await turn(20)
    }
    await turn(500)
    // in two seconds and a half
    expect(messages().length).toBeLessThanOrEqual(3 + 5)
    expect(messages().at(-1)).toMatchObject({ id: 109, data: { tasks: [{ id: '3' }] } })
    const before = messages().length
    await turn(60_000)
    expect(messages().length).toBe(before)
  })

  it('makes each text once for all who listen, and counts once', async () => {
    const { listen, turn, commit, counted } = await makeFeed()
    const listeners = []
    for (let at = 0; at < 100; at += 1) listeners.push(await listen())
    expect(counted()).toBe(1)
    commit(taskEvent(1, 1))
    await turn(1_000)
    expect(counted()).toBe(2)
    expect(new Set(listeners.map(({ sent }) => sent.at(-1))).size).toBe(1)
    for (const { leave } of listeners) leave()
    commit(taskEvent(2, 1))
    await turn(1_000)
    expect(counted()).toBe(2)
  })

  it('tells who comes back what was missed, or that it is too much', async () => {
    const all = Array.from({ length: maxMissed + 10 }, (_, at) => taskEvent(at + 1, (at % 3) + 1))
    const { listen } = await makeFeed(all)
    const last = all.length
    const resumed = async (from: number) => (await listen(from)).messages()
    expect(await resumed(last)).toMatchObject([
      { data: { isResync: false } },
      { id: last, data: { tasks: [] } },
    ])
    expect(await resumed(last - 2)).toMatchObject([
      { data: { isResync: false } },
      {
        id: last,
        data: { tasks: [{ id: String(((last - 2) % 3) + 1) }, { id: String(((last - 1) % 3) + 1) }] },
      },
    ])
    expect(await resumed(10)).toMatchObject([
      { data: { isResync: false } },
      { data: { tasks: { length: 3 } } },
    ])
    // one more than is told
    expect(await resumed(9)).toMatchObject([{ data: { isResync: true } }, { id: last, data: { tasks: [] } }])
    expect(await resumed(0)).toMatchObject([{ data: { isResync: true } }, {}])
    // of a later database than this one
    expect(await resumed(last + 1)).toMatchObject([{ data: { isResync: true } }, { id: last }])
  })

  it('does not take a point for known that a restored database has passed over', async () => {
    const { listen } = await makeFeed([taskEvent(5, 1), taskEvent(901, 1)])
    expect((await listen(900)).messages()[0]).toMatchObject({ data: { isResync: true } })
    expect((await listen(5)).messages()).toMatchObject([{ data: { isResync: false } }, { id: 901 }])
    expect((await listen(0)).messages()).toMatchObject([{ data: { isResync: false } }, { id: 901 }])
  })

  it('loses nothing that is committed while a listener is taken in', async () => {
    const { listen, turn, commit, store } = await makeFeed([taskEvent(1, 1)])
    const gate = Promise.withResolvers<void>()
    const { eventsAfter } = store
    store.eventsAfter = async (after, limit) => {
      const events = await eventsAfter(after, limit)
      await gate.promise
      return events
    }
    const joining = listen(0)
    commit(taskEvent(2, 2))
    await turn(600)
    commit(taskEvent(3, 3))
    await turn(600)
    gate.resolve()
    const { messages } = await joining
    expect(messages()[0]?.event).toBe('hello')
    const named = messages().flatMap(({ data }) => (data.tasks ?? []).map(({ id }: { id: string }) => id))
    expect(named).toEqual(['1', '2', '3'])
  })

  it('tells later what is committed while a digest is being made', async () => {
    const { listen, turn, commit, store } = await makeFeed()
    const { messages } = await listen()
    const gate = Promise.withResolvers<void>()
    const { countByStatus } = store
    store.countByStatus = async () => {
      await gate.promise
      return countByStatus()
    }
    commit(taskEvent(1, 1))
    await turn(600)
    commit(taskEvent(2, 2))
    await turn(600)
    expect(messages()).toHaveLength(2)
    gate.resolve()
    await turn(0)
    expect(messages().slice(2)).toMatchObject([{ id: 1, data: { tasks: [{ id: '1' }] } }])
    await turn(500)
    expect(messages().slice(3)).toMatchObject([{ id: 2, data: { tasks: [{ id: '2' }] } }])
  })

  it('cuts off those who wait where the store cannot be read, and goes on', async () => {
    const { listen, turn, commit, store } = await makeFeed()
    const there = await listen()
    const { countByStatus } = store
    store.countByStatus = () => Promise.reject(new Error('no disk'))
    commit(taskEvent(1, 1))
    await turn(600)
    expect(there.isCut()).toBe(true)
    expect((await listen()).isCut()).toBe(true)
    store.countByStatus = countByStatus
    expect((await listen()).isCut()).toBe(false)
  })

  it('sends the load of all nodes, and then of those that have changed', async () => {
    const { listen, turn, setNode, nodes, timers } = await makeFeed()
    setNode('n1', 10)
    setNode('n2', 20)
    const first = await listen(null, true)
    const loads = (of: typeof first) =>
      of
        .messages()
        .filter(({ event }) => event === 'load')
        .map(({ data }) =>
          data.nodes.map(({ name, cpuPercent }: Record<string, unknown>) => [name, cpuPercent]),
        )
    expect(loads(first)).toEqual([[['n1', 10], ['n2', 20]]]) // biome-ignore format: a table
    setNode('n2', 30)
    const second = await listen(null, true)
    const third = await listen()
    await turn(4_900)
    expect(loads(first)).toHaveLength(1)
    await turn(200)
    expect(loads(first).at(-1)).toEqual([['n2', 30]])
    expect(loads(second).at(-1)).toEqual([['n2', 30]])
    expect(loads(third)).toEqual([])
    nodes.delete('n1')
    await turn(20_000)
    // nothing has changed
    expect(loads(first)).toHaveLength(2)
    expect(loads(await listen(null, true))).toEqual([[['n2', 30]]])
    first.leave()
    second.leave()
    third.leave()
    await turn(60_000)
    // `await listen` above is still there
    expect(timers()).toBe(1)
  })

  it('sends load no faster than every two seconds', async () => {
    const { listen, turn, setNode } = await makeFeed([], 10)
    setNode('n1', 0)
    const { messages } = await listen(null, true)
    for (let at = 1; at <= 100; at += 1) {
      setNode('n1', at)
      await turn(100)
    }
    expect(messages().filter(({ event }) => event === 'load')).toHaveLength(1 + 5)
  })
})

it('listeners are bounded, and make room when they go', () => {
  const limit = new ListenerLimit(2, 'a test')
  const [first, second] = [new AbortController(), new AbortController()]
  limit.take(first.signal)
  limit.take(second.signal)
  const { signal } = new AbortController()
  expect(() => limit.take(signal)).toThrow('too many listen to a test: try again later')
  first.abort()
  expect(() => limit.take(signal)).not.toThrow()
})

describe('over the network', () => {
  let host: TestHost
  const answers: IncomingMessage[] = []
  afterEach(async () => {
    for (const answer of answers.splice(0)) answer.destroy()
    await host.close()
  })

  async function open(query = '', headers: Record<string, string> = {}) {
    let text = ''
    let isClosed = false
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      get(
        `${host.host.url}/api/v1/live${query}`,
        { headers: { authorization: `Bearer ${host.token('admin')}`, ...headers } },
        resolve,
      ).on('error', reject),
    )
    answers.push(answer)
    answer.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    answer.on('error', () => {})
    answer.on('close', () => {
      isClosed = true
    })
    expect(answer.headers['content-type']).toBe('text/event-stream')
    const messages = () => messagesIn(text)
    await waitFor('the first digest', () => messages().length >= 2)
    return { messages, isClosed: () => isClosed }
  }

  it('tells of a task from its submit to its end, and of its node', async () => {
    host = await TestHost.start()
    const { messages } = await open('?load=true')
    const runner = await host.link()
    const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    const id = tasks[0]?.taskId ?? ''
    await runner.heard('start')
    runner.started(id)
    runner.exited(id)
    const last = await waitFor('its end', () =>
      messages().find(({ data }) =>
        data.tasks?.some((task: { status: string }) => task.status === 'completed'),
      ),
    )
    expect(last.data.counts).toEqual({ completed: 1 })
    expect(last.data.tasks.filter((task: { id: string }) => task.id === id)).toHaveLength(1)
    expect(messages().some(({ data }) => data.nodes?.includes?.('n1'))).toBe(true)
    expect((await host.client.listTasks({ query: {} })).items[0]?.status).toBe('completed')
  })

  it('resumes over a restart of the host, by the header before the query', async () => {
    host = await TestHost.start()
    const submit = () => host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    await submit()
    const first = await open()
    const resumeAt = first.messages().at(-1)?.id
    await host.restart()
    await waitFor('it is closed', first.isClosed)
    const { tasks } = await submit()
    for (const [query, headers] of [
      [`?after=${resumeAt}`, {}],
      ['?after=0', { 'last-event-id': String(resumeAt) }],
    ] as [string, Record<string, string>][]) {
      const { messages } = await open(query, headers)
      expect(messages()).toMatchObject([
        { data: { isResync: false } },
        { data: { tasks: [{ id: tasks[0]?.taskId }], counts: { pending: 2 } } },
      ])
    }
    expect((await open('?after=999999')).messages()[0]).toMatchObject({ data: { isResync: true } })
  })

  it('sends the load that a heartbeat has brought', async () => {
    host = await TestHost.start('--heartbeat', '1', '--requeue-after', '300')
    const runner = await host.link()
    const { messages } = await open('?load=true')
    runner.beat()
    const load = await waitFor('the load', () =>
      messages().find(({ event, data }) => event === 'load' && data.nodes[0]?.cpuPercent === 5),
    )
    expect(load.data.nodes).toMatchObject([
      { name: 'n1', status: 'online', memoryUsedBytes: 1, coresAllocated: 0 },
    ])
  })
})
