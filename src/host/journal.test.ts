import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pending, node as someNode } from '../core/builders.suite.ts'
import { AppError } from '../core/errors.ts'
import type { Task } from '../core/task.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import { TestStore } from './host.suite.ts'
import { Journal } from './journal.ts'
import type { EventRecord, NodeRecord } from './store/rows.ts'

const full = new AppError('store_full', 'cannot save: the disk of the host is full')
const batch = (id: number) => ({
  id,
  owner: 'admin',
  submissionId: null,
  name: null,
  submittedAtMs: 1,
  answer: '{}',
})

let dir: string
let store: TestStore
let journal: Journal
/** Everything that the journal told, in order. */
let told: string[]
let logged: string[]
let lastEventId: number

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-journal-'))
  store = new TestStore(join(dir, 'cluster.db'))
  told = []
  logged = []
  lastEventId = 0
  const note = (_: object, message: string) => logged.push(message)
  journal = new Journal({
    store,
    log: { ...silentLog, info: note, error: note },
    clock: systemClock,
    onBroken: (error) => told.push(`broken: ${String(error)}`),
    beforeCommit: () => {},
    onCommitted: (events) => {
      if (events.length > 0) told.push(`events ${events.map(({ id }) => id).join(' ')}`)
    },
  })
})
afterEach(async () => {
  store.failure = null
  store.gate = null
  await journal.close()
  await store.close()
  rmSync(dir, { recursive: true })
})

function event(task: Task | null): EventRecord {
  lastEventId += 1
  if (task === null)
    return { kind: 'node', id: lastEventId, atMs: 1, node: 'n1', type: 'joined', reason: null }
  const { id: taskId, batchId, attempt, status } = task
  const rest = { type: 'a test', node: null, exitCode: null, reason: null }
  return { kind: 'task', id: lastEventId, atMs: 1, taskId, batchId, attempt, status, ...rest }
}

/** Submits one task in a batch of its own; what comes of it is told. */
function submit(id: number): Promise<void> {
  const task = pending({ id, batchId: id })
  journal.added(task)
  journal.event(event(task))
  return journal
    .submit(batch(id), [id], () => told.push(`revert ${id}`))
    .then(
      () => void told.push(`taken ${id}`),
      (error: AppError) => void told.push(`refused ${id}: ${error.code}`),
    )
}

function record(name: string): NodeRecord {
  const { capacity, executor, identity } = someNode(name)
  return {
    name,
    ...identity,
    capacity,
    executor,
    runnerVersion: 'test',
    status: 'online',
    lastSeenMs: 1,
    drained: null,
  }
}

const killed = (id: number): Task => ({
  ...pending({ id, batchId: id }),
  status: 'killed',
  placement: null,
  startedAtMs: null,
  endedAtMs: 2,
  exitCode: null,
  signal: null,
  reason: null,
  cpuTimeMs: null,
  peakMemoryBytes: null,
})

/** A gate that commits wait at until it is opened. */
function closeGate(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  store.gate = promise
  return () => {
    store.gate = null
    resolve()
  }
}

describe('a commit', () => {
  it('comes before anybody is told: events, then answers, then orders', async () => {
    const open = closeGate()
    let isStored = false
    const done = submit(5)
    journal.after(() => {
      told.push('order')
      void store.task(5).then((task) => {
        isStored = task !== null
      })
    })
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect(told).toEqual([])
    expect(await store.task(5)).toBeNull()
    open()
    await done
    expect(told).toEqual(['events 1', 'order', 'taken 5'])
    await waitFor('it was there when the order went out', () => isStored)
  })

  it('takes all of one turn together', async () => {
    await Promise.all([submit(5), submit(6), journal.settled()])
    expect(store.commits).toBe(1)
    expect(told).toEqual(['events 1 2', 'taken 5', 'taken 6'])
  })

  it('calls back only the last of those with one key, each for what was there when it was asked', async () => {
    const key = {}
    const open = closeGate()
    journal.node(record('n1'))
    journal.after(() => told.push('ack 1'), key)
    journal.after(() => told.push('ack 2'), key)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    // the commit is under way: this belongs to the next
    journal.node(record('n2'))
    journal.after(() => told.push('ack 3'), key)
    const second = journal.settled()
    open()
    await waitFor('the first commit', () => told.length > 0)
    expect(told[0]).toBe('ack 2')
    await second
    expect(told).toEqual(['ack 2', 'ack 3'])
  })
})

describe('a disk that takes nothing', () => {
  it('row 10: refuses the submits, and keeps the rest until it works', async () => {
    store.failure = full
    journal.node(record('n1'))
    journal.event(event(null))
    journal.after(() => told.push('order'))
    await submit(5)
    await submit(6)
    expect(told).toEqual(['revert 5', 'refused 5: store_full', 'revert 6', 'refused 6: store_full'])
    expect(await store.nodes()).toEqual([])
    told = []
    store.failure = null
    await submit(7)
    expect(told).toEqual(['events 1 4', 'order', 'taken 7'])
    expect((await store.nodes()).map(({ name }) => name)).toEqual(['n1'])
    expect([await store.task(5), await store.batch(5), await store.taskEvents(5)]).toEqual([null, null, []])
    expect((await store.eventsAfter(0, 10)).map(({ id }) => id)).toEqual([1, 4])
  })

  it('is tried again by itself', async () => {
    store.failure = full
    journal.node(record('n1'))
    const saved = journal.settled()
    await waitFor('the first try', () => logged.length > 0)
    store.failure = null
    await saved
    expect(await store.nodes()).toHaveLength(1)
    expect(logged).toEqual(['Cannot save; new work is refused until it works', 'Saving works again'])
  })

  it('is not said to work while nothing was saved', async () => {
    store.failure = full
    await submit(5)
    await journal.settled()
    await submit(6)
    expect(logged).toEqual(['Cannot save; new work is refused until it works'])
  })

  it('leaves nothing of a submit whose tasks changed while it was being saved', async () => {
    const open = closeGate()
    const refused = submit(5)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    journal.changed(killed(5))
    journal.event(event(killed(5)))
    journal.after(() => told.push('order'))
    store.failure = full
    // the gate is passed before the failure is looked at
    open()
    await refused
    store.failure = null
    await journal.settled()
    await submit(6)
    expect(told).toEqual(['revert 5', 'refused 5: store_full', 'order', 'events 3', 'taken 6'])
    expect(await store.task(5)).toBeNull()
  })

  it('keeps the newest of what changed twice', async () => {
    await submit(5)
    store.failure = full
    journal.changed({ ...pending({ id: 5, batchId: 5 }), attempt: 1 })
    await waitFor('the first try', () => logged.length > 0)
    journal.changed(killed(5))
    store.failure = null
    await journal.settled()
    expect(await store.task(5)).toEqual(killed(5))
  })
})

describe('the end', () => {
  it('commits what is left, and takes nothing more', async () => {
    const last = submit(5)
    await journal.close()
    await last
    expect((await store.task(5))?.status).toBe('pending')
    await submit(6)
    expect(told).toEqual(['events 1', 'taken 5', 'revert 6', 'refused 6: unavailable'])
    expect(await store.task(6)).toBeNull()
  })

  it('is not spoiled by a submit that comes too late', async () => {
    const gate = Promise.withResolvers<void>()
    store.gate = gate.promise
    const first = submit(5)
    await new Promise(setImmediate)
    const closing = journal.close()
    journal.event(event(null))
    const late = submit(6)
    gate.resolve()
    await Promise.all([first, closing, late])
    expect((await store.eventsAfter(0, 10)).map(({ kind }) => kind)).toEqual(['task', 'node'])
    expect(told).toContain('refused 6: unavailable')
  })

  it('comes also while the disk takes nothing', async () => {
    store.failure = full
    const refused = submit(5)
    await journal.close()
    await refused
    expect(told).toEqual(['revert 5', 'refused 5: store_full'])
  })
})
