import { Check } from 'typebox/value'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { waitFor } from '../platform/wait.ts'
import { linkMessageBytes } from '../protocol/link.ts'
import { FromHostV1 } from '../protocol/link-v1.suite.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

const submit = async (...targets: string[]) => {
  const body = { specs: [{ command: 'true' }], ...(targets.length > 0 ? { targets } : {}) }
  const { tasks } = await host.client.submitBatch({ body })
  return tasks[0]?.taskId ?? ''
}
const task = (id: string) => host.client.getTask({ params: { id } })
const reached = (id: string, status: string) =>
  waitFor(`${id} is ${status}`, async () => {
    const found = await task(id)
    return found.status === status ? found : null
  })
const node = (name = 'n1') => host.client.getNode({ params: { name } })

describe('who is let in', () => {
  it.each([
    ['row 15: another version', { version: 7 }, 'version'],
    ['a name that no node can have', { node: 'any' }, 'invalid_request'],
  ])('not %s', async (_, hello, code) => {
    const runner = await host.dial()
    runner.hello(hello)
    expect(await runner.heard('refused')).toMatchObject({ code, retry: false })
    await runner.closed()
  })

  it('not a second runner under the name of one that is linked; the same one again takes over', async () => {
    const first = await host.link()
    const second = await host.dial()
    second.hello({ runnerId: 'runner-2' })
    expect(await second.heard('refused')).toMatchObject({ code: 'conflict' })
    const again = await host.link()
    await first.closed()
    expect(again.all('welcome')).toHaveLength(1)
    expect(await node()).toMatchObject({ status: 'online' })
  })

  it('row 6: not a connection whose hello comes when its runner has a newer one', async () => {
    const now = await host.link()
    const id = await submit()
    await now.heard('start')
    now.started(id)
    await reached(id, 'running')
    const late = await host.dial()
    late.answersWelcome = false
    late.hello()
    await late.heard('welcome')
    now.beat([{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1_000 }], 7)
    await waitFor('the runner is heard as before', () => now.all('heard').length > 0)
    expect(await task(id)).toMatchObject({ status: 'running' })
  })

  it('row 6: not what an older connection still says after a report on the newer one', async () => {
    const old = await host.link()
    const id = await submit()
    await old.heard('start')
    const now = await host.dial()
    now.answersWelcome = false
    now.hello({ attempts: [{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1_000 }] })
    await now.heard('welcome')
    now.started(id)
    await reached(id, 'running')
    old.beat([], 7)
    now.beat([{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1_000 }])
    await old.closed()
    expect(await task(id)).toMatchObject({ status: 'running' })
  })

  it('nobody who speaks before the hello, twice, or something else', async () => {
    const rude = await host.dial()
    rude.beat()
    await rude.closed()
    const twice = await host.link()
    twice.hello()
    await twice.closed()
    const foreign = await host.link({ node: 'n2', runnerId: 'runner-2' })
    foreign.socket.send('{"type":"report","seq":"one"}')
    await foreign.closed()
    const huge = await host.link({ node: 'n3', runnerId: 'runner-3' })
    huge.socket.send('x'.repeat(linkMessageBytes + 1))
    await huge.closed()
    expect((await host.client.listNodes({})).items).toHaveLength(3)
  })
})

describe('a runner of the version before', () => {
  it('row 15: is told everything in words that it knows, and given nothing that it cannot do', async () => {
    let before = await host.link({ node: 'before' })
    const specs = [{ command: 'true', cores: 2, requeue: 1 }]
    const targets = ['before']
    const leased = await host.client.submitBatch({ body: { specs, targets } })
    await before.heard('start')
    // its node has gone back to the version before
    before = await host.link({ node: 'before', version: 1 })
    expect(await before.heard('start')).toMatchObject({ taskId: leased.tasks[0]?.taskId })
    const refused = await host.client.submitBatch({ body: { specs, targets } }).catch((error: Error) => error)
    expect(String(refused)).toContain('does not give the lease that --requeue needs')
    const killed = await submit('before')
    await before.heard('start', 2)
    await host.client.killTask({ params: { id: killed }, body: {} })
    await before.heard('kill')
    before.exited(killed, null, 'killed')
    before.beat([], 3)
    await before.heard('ack')
    for (const message of before.messages)
      expect(Check(FromHostV1, message), JSON.stringify(message)).toBe(true)
    expect(before.all('welcome')).toEqual([{ type: 'welcome', version: 1, heartbeatMs: 60_000 }])
  })
})

describe('what tasks use', () => {
  const usageOf = (id: string) => host.client.getTaskUsage({ params: { id } })
  const running = async (runner: Awaited<ReturnType<TestHost['link']>>, startedAtMs: number) => {
    const id = await submit()
    await waitFor('its start', () => runner.all('start').some(({ taskId }) => taskId === id))
    runner.started(id, startedAtMs)
    await reached(id, 'running')
    return id
  }

  it('is asked of every runner, and told of its tasks', async () => {
    const runner = await host.link()
    expect((await runner.heard('welcome')).usageMs).toBe(5_000)
    const id = await running(runner, Date.now())
    const { startedAt } = await task(id)
    expect(await usageOf(id)).toMatchObject({
      startAt: null,
      missing: expect.stringContaining('nothing of it yet'),
    })
    await waitFor('a moment of its life', () => Date.now() > Date.parse(startedAt ?? ''))
    const tell = (atMs: number, cpuTimeMs: number) =>
      runner.send({
        type: 'usage',
        atMs,
        items: [
          { taskId: '1', attempt: 1, cpuTimeMs: 9, memoryBytes: 9 },
          { taskId: id, attempt: 1, cpuTimeMs, memoryBytes: 2 ** 20 },
        ],
      })
    // by the clock of the node, which is another
    tell(105_000, 0)
    tell(110_000, 10_000)
    tell(115_000, 20_000)
    const usage = await waitFor('three steps', async () => {
      const found = await usageOf(id)
      return found.cpuCores.length === 3 && found
    })
    expect(usage).toEqual({
      id,
      startAt: startedAt,
      stepMs: 5_000,
      cpuCores: [expect.any(Number), 2, 2],
      memoryBytes: [2 ** 20, 2 ** 20, 2 ** 20],
      cores: 1,
      memoryLimitBytes: null,
      missing: null,
    })
    runner.exited(id)
    await reached(id, 'completed')
    expect(await usageOf(id)).toEqual(usage)
    await host.restart()
    expect(await usageOf(id)).toEqual(usage)
    expect(await host.client.listUsage({ query: { ids: ['1', id, id] } })).toEqual({ items: [usage] })
  })

  it('is not believed of another, or of a time that cannot be', async () => {
    const runner = await host.link()
    const id = await running(runner, 100_000)
    const other = await host.link({ node: 'n2', runnerId: 'runner-2' })
    const items = [{ taskId: id, attempt: 1, cpuTimeMs: 1, memoryBytes: 1 }]
    other.send({ type: 'usage', atMs: 105_000, items })
    other.beat([], 7)
    await other.heard('heard')
    expect((await usageOf(id)).startAt).toBeNull()
    other.send({ type: 'usage', atMs: 9e15, items })
    await other.closed()
    const third = await host.link({ node: 'n3', runnerId: 'runner-3' })
    third.send({ type: 'usage', atMs: 1, items: new Array(4_097).fill(items[0]) })
    await third.closed()
  })
})

describe('orders', () => {
  it('are sent once per link, and again on a new one', async () => {
    const first = await host.link()
    const id = await submit()
    expect(await first.heard('start')).toMatchObject({ taskId: id, attempt: 1 })
    first.beat() // it does not have it yet: the order is on its way
    first.beat()
    await waitFor('the load is known', async () => (await node()).cpuPercent === 5)
    expect(first.all('start')).toHaveLength(1)
    first.cut()
    const second = await host.link()
    expect(await second.heard('start')).toMatchObject({ taskId: id, attempt: 1 })
    second.exited(id)
    expect(await reached(id, 'completed')).toMatchObject({ attempt: 1, exitCode: 0 })
  })

  it('are sent to a node that links after the host was started again', async () => {
    const first = await host.link()
    const id = await submit()
    await first.heard('start')
    await host.host.close()
    await host.boot()
    const second = await host.link()
    expect(await second.heard('start')).toMatchObject({ taskId: id, attempt: 1 })
  })

  it('row 7: to kill are sent again on a new link until it is true', async () => {
    const first = await host.link()
    const id = await submit()
    await first.heard('start')
    first.started(id)
    await reached(id, 'running')
    first.cut()
    await host.client.killTask({ params: { id }, body: {} })
    const attempts = [{ taskId: id, attempt: 1, phase: 'running' as const, startedAtMs: 1_000 }]
    const second = await host.link({ attempts })
    expect(await second.heard('kill')).toMatchObject({ taskId: id, attempt: 1 })
    expect((await task(id)).status).toBe('killing')
  })

  it('never go to a node that has no link', async () => {
    const first = await host.link()
    first.cut()
    await waitFor('its link is gone', async () =>
      (await task(await submit())).reason?.includes('no node is online'),
    )
    expect((await host.client.listTasks({ query: { status: ['pending'] } })).total).toBeGreaterThan(0)
  })
})

describe('reports', () => {
  it('are acknowledged together, after the commit', async () => {
    const runner = await host.link({ cores: 8 })
    const ids = await Promise.all([submit(), submit(), submit()])
    await runner.heard('start', 3)
    host.store.failure = new AppError('store_full', 'the disk is full')
    const last = ids.map((id) => runner.exited(id)).at(-1)
    runner.beat()
    await waitFor('the reports were read', async () => (await node()).cpuPercent === 5)
    expect(runner.all('ack')).toEqual([])
    expect((await task(ids[0] ?? '')).status).toBe('assigning') // what is told is what is on disk
    host.store.failure = null
    await waitFor('the acknowledgement', () => runner.all('ack').at(-1)?.seq === last)
    for (const id of ids) expect((await task(id)).status).toBe('completed')
  })

  it('row 6: that come again, late or of nobody are acknowledged and change nothing', async () => {
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    runner.exited(id, 3)
    await reached(id, 'failed')
    runner.exited(id, 0)
    runner.started(id)
    const seq = runner.exited('999')
    await waitFor('the acknowledgement', () => runner.all('ack').at(-1)?.seq === seq)
    expect(await task(id)).toMatchObject({ status: 'failed', exitCode: 3 })
    expect((await host.client.listTaskEvents({ params: { id } })).items.map(({ type }) => type)).toEqual([
      'submitted',
      'placed',
      'exited',
    ])
  })
})

describe("row 14: a machine with a copy of another one's state directory", () => {
  const nodes = async () => (await host.client.listNodes({})).items

  it('is refused while the other is linked, whatever its name; what runs there goes on, and it gets no new tasks', async () => {
    const first = await host.link()
    const running = await submit()
    await first.heard('start')
    first.started(running)
    await reached(running, 'running')
    for (const hello of [{ bootId: 'boot-2' }, { node: 'n2', bootId: 'boot-3' }]) {
      const copy = await host.dial()
      copy.hello(hello)
      expect(await copy.heard('refused')).toMatchObject({
        retry: false,
        message: expect.stringContaining('copy of this state directory (as n1)'),
      })
    }
    expect((await nodes()).find(({ name }) => name === 'n1')).toMatchObject({
      status: 'online',
      problem: expect.stringContaining('another machine runs with a copy of its state directory'),
    })
    const waiting = await submit()
    expect(await host.client.getTask({ params: { id: waiting } })).toMatchObject({
      status: 'pending',
      reason: expect.stringContaining('node n1 takes no new tasks: another machine'),
    })
    expect(await host.client.getTask({ params: { id: running } })).toMatchObject({ status: 'running' })
    first.exited(running)
    await reached(running, 'completed')
  })

  it('is found when they take turns: no machine goes back to an earlier boot', async () => {
    const first = await host.link({ bootId: 'boot-1' })
    first.cut()
    const second = await host.link({ bootId: 'boot-2' })
    second.cut()
    const again = await host.dial()
    again.hello({ bootId: 'boot-1' })
    expect(await again.heard('refused')).toMatchObject({ code: 'conflict' })
    expect((await nodes())[0]?.problem).toContain('copy of its state directory')
  })

  it('is not seen in a reboot, also where the old link was never closed', async () => {
    const first = await host.link({ bootId: 'boot-1' })
    first.socket.pause()
    await host.link({ bootId: 'boot-2' })
    expect((await nodes())[0]).toMatchObject({ status: 'online', problem: null })
  })
})

describe('what a node holds', () => {
  it('is believed: a running attempt is running, one that is missing was rebooted away', async () => {
    const first = await host.link()
    const [kept, gone] = [await submit(), await submit()]
    await first.heard('start', 2)
    first.cut()
    const startedAtMs = Date.now()
    const attempts = [{ taskId: kept, attempt: 1, phase: 'running' as const, startedAtMs }]
    const second = await host.link({ bootId: 'boot-1', attempts })
    expect(await reached(kept, 'running')).toMatchObject({
      startedAt: new Date(startedAtMs).toISOString(),
    })
    second.cut()
    await host.link({ bootId: 'boot-2' })
    expect(await reached(gone, 'lost')).toMatchObject({ reason: 'n1 rebooted' })
    expect(await reached(kept, 'lost')).toMatchObject({ reason: 'n1 rebooted' })
  })

  it('row 12: and nobody knows is told once and left alone; what has ended is killed', async () => {
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    runner.exited(id)
    await reached(id, 'completed')
    const stray = (taskId: string) => ({ taskId, attempt: 1, phase: 'running' as const, startedAtMs: 1 })
    for (let i = 0; i < 3; i += 1) runner.beat([stray('777'), stray(id)])
    expect(await runner.heard('kill')).toMatchObject({ taskId: id })
    const events = await host.store.eventsAfter(0, 1000)
    expect(events.filter(({ type }) => type === 'unknown_task')).toHaveLength(1)
    expect(runner.all('kill').every(({ taskId }) => taskId === id)).toBe(true)
  })
})

describe('row 10: a runner that can start nothing', () => {
  it('gets nothing until it says otherwise, and what waits for it says why', async () => {
    const runner = await host.link()
    const load = { cpuPercent: 5, memoryUsedBytes: 1, numaNodes: [] }
    const problem = 'the disk for its output (/logs) is full'
    runner.send({ type: 'heartbeat', load, attempts: [], problem })
    await waitFor('it is closed', async () => (await node()).problem === problem)
    const waiting = await submit('n1')
    expect(await task(waiting)).toMatchObject({
      status: 'pending',
      reason: `node n1 takes no new tasks: ${problem}`,
    })
    runner.beat([])
    expect(await runner.heard('start')).toMatchObject({ taskId: waiting })
    expect(await node()).toMatchObject({ problem: null })
  })
})

describe('row 12: what nobody knows', () => {
  const unknown = {
    taskId: '777',
    attempt: 1,
    phase: 'running' as const,
    startedAtMs: 1,
    takes: { cores: 3, memoryBytes: 2 ** 30, numaId: null },
  }
  const submitWide = async () => {
    const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true', cores: 2 }] } })
    return tasks[0]?.taskId ?? ''
  }

  it('keeps its part of the node, from before anything new is placed there until it has ended', async () => {
    const waiting = await submitWide()
    const runner = await host.link({ attempts: [unknown] })
    await waitFor('it is shown', async () => (await node()).unknownTasks.length > 0)
    expect(await node()).toMatchObject({ coresAllocated: 3, coresFree: 1, memoryAllocatedBytes: 2 ** 30 })
    expect(runner.all('start')).toEqual([])
    expect(await task(waiting)).toMatchObject({ status: 'pending' })
    runner.cut()
    const again = await host.link({ attempts: [unknown] })
    await reached(waiting, 'pending')
    expect(again.all('start')).toEqual([])
    again.beat([])
    expect(await again.heard('start')).toMatchObject({ taskId: waiting })
    expect(await node()).toMatchObject({ coresAllocated: 2, memoryAllocatedBytes: 0, unknownTasks: [] })
  })

  it('can be ended by an operator, where its node is there', async () => {
    const endUnknown = () => host.client.endUnknownTasks({ params: { name: 'n1' }, body: {} })
    await expect(endUnknown()).rejects.toMatchObject({ code: 'not_found' })
    const runner = await host.link({ attempts: [unknown] })
    await waitFor('it is shown', async () => (await node()).unknownTasks.length > 0)
    expect(await endUnknown()).toEqual({ ended: ['777'] })
    expect(await runner.heard('kill')).toMatchObject({ taskId: '777', attempt: 1 })
    runner.exited('777', null, 'killed')
    runner.beat([])
    await waitFor('it is gone', async () => (await node()).coresAllocated === 0)
    expect(await endUnknown()).toEqual({ ended: [] })
    runner.cut()
    await waitFor('its link is gone', async () => {
      try {
        await endUnknown()
        return false
      } catch (error) {
        return (error as { code?: string }).code === 'unavailable'
      }
    })
  })
})

describe('silence', () => {
  it('makes a node unreachable, and a word makes it online again, over the same link', async () => {
    await host.restart('--heartbeat', '0.2')
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    runner.started(id)
    await reached(id, 'running')
    const silent = await reached(id, 'unreachable')
    expect(silent.unreachableSince).not.toBeNull()
    expect(await node()).toMatchObject({ status: 'unreachable', cpuPercent: null })
    runner.beat([{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1_000 }])
    expect(await reached(id, 'running')).toMatchObject({ startedAt: silent.startedAt })
    expect(await node()).toMatchObject({ status: 'online' })
  })

  it('before a restart of the host is not forgotten', async () => {
    await host.restart('--heartbeat', '0.2')
    const runner = await host.link()
    runner.cut()
    await waitFor('it is unreachable', async () => (await node()).status === 'unreachable')
    const { lastSeenAt } = await node()
    await host.host.close()
    await host.boot()
    expect(await node()).toMatchObject({ status: 'unreachable', lastSeenAt })
  })
})

describe('a link that hangs', () => {
  it('gives way to another runner once its node is silent', async () => {
    await host.restart('--heartbeat', '0.2')
    const first = await host.link()
    const id = await submit()
    await first.heard('start')
    await reached(id, 'unreachable')
    await host.link({ runnerId: 'runner-2', bootId: 'boot-2' })
    await first.closed()
    expect(await reached(id, 'lost')).toMatchObject({ reason: 'n1 came back with an empty state directory' })
    expect(await node()).toMatchObject({ status: 'online' })
    const events = await host.store.eventsAfter(0, 100)
    expect(events.flatMap(({ kind, type }) => (kind === 'node' ? [type] : []))).toEqual([
      'joined',
      'unreachable',
      'replaced',
    ])
  })

  it('takes no more words after one that does not fit', async () => {
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    runner.socket.send('{}')
    runner.exited(id)
    await runner.closed()
    const again = await host.link({
      attempts: [{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1 }],
    })
    await reached(id, 'running')
    again.exited(id, 3)
    expect(await reached(id, 'failed')).toMatchObject({ exitCode: 3 })
  })

  it.each([
    ['a time that cannot be', 'startedAtMs', 1e17],
    ['a number that cannot be', 'cpuTimeMs', 1e300],
  ])('names %s: nothing of it is kept', async (_, field, value) => {
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const exit = {
      cause: 'exited',
      exitCode: 0,
      signal: null,
      startedAtMs: null,
      endedAtMs: 5,
      cpuTimeMs: null,
      peakMemoryBytes: null,
      reason: null,
      [field]: value,
    }
    const report = { type: 'report', seq: 1, taskId: id, attempt: 1, event: { type: 'exited', exit } }
    runner.socket.send(JSON.stringify(report))
    await runner.closed()
    expect((await task(id)).status).toBe('assigning')
    const again = await host.link()
    again.exited(id)
    await reached(id, 'completed')
  })
})

describe('a slow disk', () => {
  it('keeps an acknowledgement back until what it says is saved', async () => {
    const runner = await host.link({ cores: 8 })
    const [first, second] = [await submit(), await submit()]
    await runner.heard('start', 2)
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    host.store.gate = gates[0]?.promise ?? null
    runner.exited(first)
    await waitFor('its commit is under way', async () => (await node()).coresAllocated === 1)
    // only now, so that it has to go with the next commit
    await new Promise((resolve) => setImmediate(resolve))
    host.store.gate = gates[1]?.promise ?? null
    runner.exited(second)
    await waitFor('the second was read', async () => (await node()).coresAllocated === 0)
    gates[0]?.resolve()
    await runner.heard('ack')
    expect((await task(second)).status).toBe('assigning')
    expect(runner.all('ack').map(({ seq }) => seq)).toEqual([1])
    host.store.gate = null
    gates[1]?.resolve()
    await waitFor('the second acknowledgement', () => runner.all('ack').at(-1)?.seq === 2)
    expect((await task(second)).status).toBe('completed')
  })

  it('makes no crowd of the orders that every heartbeat repeats', async () => {
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    await host.client.killTask({ params: { id }, body: {} })
    await runner.heard('kill')
    const before = runner.all('kill').length
    host.store.failure = new AppError('store_full', 'the disk is full')
    runner.exited('999') // something to save
    for (let i = 0; i < 50; i += 1) runner.beat()
    await waitFor('they were read', async () => (await node()).cpuPercent === 5)
    host.store.failure = null
    runner.exited(id)
    await reached(id, 'completed')
    expect(runner.all('kill').length - before).toBeLessThan(5)
  })
})

describe('who speaks of what', () => {
  it('row 12: the runner that it was sent to, also where another holds the same attempt after a restored backup', async () => {
    const right = await host.link()
    const id = await submit('n1')
    await right.heard('start')
    const wrong = await host.link({ node: 'n2', runnerId: 'runner-2' })
    const seq = wrong.exited(id, 7)
    await waitFor('the acknowledgement', () => wrong.all('ack').at(-1)?.seq === seq)
    expect((await task(id)).status).toBe('assigning')
    wrong.beat([{ taskId: id, attempt: 1, phase: 'running', startedAtMs: 1 }])
    expect(await wrong.heard('kill')).toMatchObject({ taskId: id })
    right.exited(id)
    expect(await reached(id, 'completed')).toMatchObject({ exitCode: 0 })
  })

  it('also after its node was given another name', async () => {
    const before = await host.link()
    const id = await submit()
    await before.heard('start')
    before.cut()
    const renamed = await host.link({ node: 'n7' })
    renamed.exited(id, 3)
    expect(await reached(id, 'failed')).toMatchObject({ exitCode: 3, node: 'n1' })
  })
})
