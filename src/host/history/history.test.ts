import { afterEach, beforeEach, expect, it } from 'vitest'
import { identity, spec } from '../../core/builders.suite.ts'
import type { Status } from '../../core/task.ts'
import { EventHub } from '../event-hub.ts'
import type { EventRecord } from '../store/rows.ts'
import { HandClock, HandNodes, TempHistory } from './history.suite.ts'
import { History } from './history.ts'

const second = 1_000
const startMs = 1_800_000_000_000
let temp: TempHistory
let clock: HandClock
let nodes: HandNodes
let hub: EventHub
let history: History

const begin = () => {
  history = new History({
    path: temp.path,
    cluster: nodes,
    hub,
    clock,
    log: temp.log,
    heartbeatMs: 5 * second,
  })
}
beforeEach(() => {
  temp = new TempHistory()
  clock = new HandClock(startMs)
  nodes = new HandNodes(clock)
  hub = new EventHub()
  nodes.add('n1')
  begin()
})
afterEach(() => {
  history.close()
  temp.remove()
})

function run(id: number): void {
  nodes.tasks.set(id, {
    id,
    batchId: 1,
    owner: 'admin',
    spec: spec(),
    target: { kind: 'any' },
    submittedAtMs: startMs,
    status: 'running',
    attempt: 1,
    placement: { node: 'n1', numaId: null },
    dispatchedTo: identity,
    placedAtMs: startMs,
    startedAtMs: clock.now(),
  })
}

/** So long, with all that is told in it. */
function live(times: number): void {
  for (let time = 0; time < times; time += 1) {
    clock.pass(5 * second, () => nodes.tell('n1', { cpuPercent: 10, memoryUsedBytes: 1 }))
    const items = [...nodes.tasks.keys()].map((id) => ({
      taskId: String(id),
      attempt: 1,
      cpuTimeMs: clock.monotonic(),
      memoryBytes: 1,
    }))
    history.usages.take(identity.runnerId, { type: 'usage', atMs: clock.now(), items })
  }
}

const taskEvent = (taskId: number, status: Status): EventRecord => ({
  kind: 'task',
  id: 1,
  atMs: clock.now(),
  taskId,
  batchId: 1,
  attempt: 1,
  type: 'exited',
  status,
  node: 'n1',
  exitCode: 0,
  reason: null,
})
const removed: EventRecord = { kind: 'node', id: 2, atMs: startMs, node: 'n1', type: 'removed', reason: null }
const knownCores = () => history.load.read('day', 'n1').values.cores.filter((value) => value !== null).length

it('keeps what a task used from its end on', () => {
  for (const id of [1, 2, 3]) run(id)
  live(3)
  hub.publish([taskEvent(1, 'running'), taskEvent(2, 'completed'), taskEvent(3, 'lost')])
  for (const id of [2, 3]) nodes.tasks.delete(id)
  clock.pass(5 * second)
  history.close()
  begin()
  for (const id of [1, 2, 3]) expect(history.usages.seriesOf(id)?.length).toBe(3)
})

it('forgets a node that is removed, but not one that has come back since', () => {
  live(20)
  expect(knownCores()).toBeGreaterThan(0)
  hub.publish([removed])
  expect(knownCores()).toBeGreaterThan(0)
  nodes.nodes.delete('n1')
  hub.publish([removed])
  expect(knownCores()).toBe(0)
})

it('writes as much as there is, and nothing after its end', () => {
  for (let id = 1; id <= 200; id += 1) run(id)
  live(2)
  hub.publish([...nodes.tasks.keys()].map((id) => taskEvent(id, 'completed')))
  nodes.tasks.clear()
  clock.pass(6 * second)
  const other = temp.open()
  for (let id = 1; id <= 200; id += 1) expect(other.usageOf(id)).not.toBeNull()
  other.close()
  history.close()
  hub.publish([removed])
  clock.pass(60 * second)
  expect(temp.said).toEqual([])
  begin()
})
