import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LoadField, levels } from '../../core/load-history.ts'
import type { HistoryFile } from '../store/history-file.ts'
import { HandClock, HandNodes, TempHistory } from './history.suite.ts'
import { LoadHistory } from './load-history.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** Begins a half hour. */
const startMs = Date.UTC(2027, 4, 3, 10)

let temp: TempHistory
let file: HistoryFile
let clock: HandClock
let nodes: HandNodes
let history: LoadHistory
/** What the nodes tell at each heartbeat. */
let load: Record<string, { cpuPercent: number; memoryUsedBytes?: number }>

const begin = () => {
  file = temp.open()
  history = new LoadHistory({ file, clock, cluster: nodes, heartbeatMs: 5 * second })
}
const end = () => {
  history.close()
  file.close()
}
const beat = () => {
  for (const [name, told] of Object.entries(load)) nodes.tell(name, { memoryUsedBytes: 2 ** 30, ...told })
}
const pass = (ms: number) => clock.pass(ms, beat)
const last = (field: LoadField, count: number, node?: string, range: 'hour' | 'day' | 'month' = 'hour') =>
  history.read(range, node).values[field].slice(-count)

beforeEach(() => {
  temp = new TempHistory()
  clock = new HandClock(startMs)
  nodes = new HandNodes(clock)
  nodes.add('n1')
  nodes.add('n2', 24)
  load = { n1: { cpuPercent: 10 }, n2: { cpuPercent: 50 } }
  begin()
})
afterEach(() => {
  end()
  temp.remove()
})

describe('what was', () => {
  it('is told of each node and of the whole cluster, in steps that end now', () => {
    nodes.ledger.hold(7, { node: 'n1', numaId: null }, 3, 2 ** 20)
    nodes.running.set('n1', 1)
    pass(25 * second)
    expect(history.read('hour', 'n1')).toMatchObject({
      startMs: startMs + 30 * second - hour,
      stepMs: 10_000,
    })
    expect(last('cpuPercent', 4, 'n1')).toEqual([null, 10, 10, 10])
    expect(last('coresAllocated', 1, 'n1')).toEqual([3])
    expect(last('memoryAllocatedBytes', 1, 'n1')).toEqual([2 ** 20])
    expect(last('tasksRunning', 1, 'n1')).toEqual([1])
    // by cores: (10 × 8 + 50 × 24) / 32
    expect(last('cpuPercent', 2)).toEqual([40, 40])
    expect(last('cores', 4)).toEqual([null, 32, 32, 32])
    expect(last('memoryUsedBytes', 1)).toEqual([2 ** 31])
    expect(last('memoryBytes', 1)).toEqual([2 ** 35])
    expect(last('tasksRunning', 1)).toEqual([1])
  })

  it('is a mean of what was heard in each step, at every length of steps', () => {
    for (const cpuPercent of [10, 20, 60]) {
      load.n1 = { cpuPercent }
      pass(30 * minute)
    }
    // the last has just begun
    const months = last('cpuPercent', 4, 'n1', 'month')
    expect(months.map((value) => Math.round(value ?? 0))).toEqual([10, 20, 60, 60])
    expect(last('cpuPercent', 60, 'n1', 'day').slice(0, 6)).toEqual([20, 20, 20, 20, 20, 20])
    expect(last('cpuPercent', 6, 'n1', 'day')).toEqual([60, 60, 60, 60, 60, 60])
    expect(last('cpuPercent', 360, 'n1').filter((value) => value === null)).toEqual([])
  })

  it('is a gap where a node was silent, and nobody stands in for it', () => {
    pass(30 * second)
    nodes.fallSilent('n1')
    delete load.n1
    pass(30 * second)
    expect(last('cpuPercent', 7, 'n1')).toEqual([10, 10, 10, 10, null, null, null])
    expect(last('cores', 1)).toEqual([24])
    expect(last('cpuPercent', 1)).toEqual([50])
    nodes.fallSilent('n2')
    delete load.n2
    pass(20 * second)
    expect([last('cores', 1), last('cpuPercent', 1)]).toEqual([[0], [null]])
  })

  it('is a gap from soon after the last heartbeat on, though the node does not count as silent yet', () => {
    pass(30 * second)
    delete load.n1
    pass(60 * second)
    expect(last('cpuPercent', 4, 'n1')).toEqual([null, null, null, null])
  })

  it('of the cluster begins when the nodes that are to be there were heard', () => {
    end()
    load = {}
    nodes.add('n1')
    nodes.add('n2', 24)
    begin()
    load.n1 = { cpuPercent: 10 }
    pass(5 * second)
    expect([last('cores', 1), last('cores', 1, 'n1')]).toEqual([[null], [8]])
    // one that does not come is not waited for
    pass(10 * second)
    expect(last('cores', 1)).toEqual([8])
  })
})

describe('what is kept', () => {
  it('outlives a restart', () => {
    pass(5 * minute)
    const before = { node: history.read('hour', 'n1'), whole: history.read('day') }
    end()
    begin()
    expect({ node: history.read('hour', 'n1'), whole: history.read('day') }).toEqual(before)
    clock.pass(3 * minute)
    beat()
    pass(minute)
    expect(last('cpuPercent', 5, 'n1', 'day')).toEqual([10, null, null, 10, 10])
  })

  it('is on disk after about a minute, without a stop', () => {
    pass(10 * minute)
    const other = temp.open()
    const [, middle] = levels
    const block = Math.floor(startMs / middle.stepMs / middle.blockSteps)
    for (const node of ['n1', 'n2', '']) {
      const [found] = other.loadOf(middle, node, block, block)
      const counts = Array.from({ length: 8 }, (_, at) => found?.steps[at * 8])
      expect(counts).toEqual([11, 12, 12, 12, 12, 12, 12, 12])
    }
    other.close()
  })

  it('is forgotten when it is old, and no sooner', () => {
    pass(20 * minute)
    const [fine, middle] = levels
    const blockOf = (level: (typeof levels)[number], ms: number) =>
      Math.floor(ms / level.stepMs / level.blockSteps)
    pass(hour)
    const kept = file.blocksOf(fine)
    expect(kept?.first).toBeLessThanOrEqual(blockOf(fine, clock.now() - hour))
    expect(kept?.first).toBeGreaterThanOrEqual(blockOf(fine, clock.now() - hour) - 2)
    expect(file.blocksOf(middle)?.first).toBe(blockOf(middle, startMs))
    expect(last('cpuPercent', 360, 'n1').filter((value) => value === null)).toEqual([])
  })

  it('of a node that is removed goes, and of the others stays', () => {
    pass(2 * minute)
    nodes.nodes.delete('n1')
    delete load.n1
    history.forget('n1')
    expect(last('cores', 5, 'n1', 'day')).toEqual([null, null, null, null, null])
    expect(last('cores', 2, 'n2', 'day')).toEqual([24, 24])
    pass(2 * minute)
    end()
    begin()
    expect(last('cores', 5, 'n1', 'day')).toEqual([null, null, null, null, null])
  })

  it('of many nodes is seen in turns', () => {
    for (let number = 3; number <= 200; number += 1) {
      nodes.add(`n${number}`)
      load[`n${number}`] = { cpuPercent: 10 }
    }
    pass(2 * minute)
    expect(last('cores', 1)).toEqual([8 * 199 + 24])
    expect(last('cores', 3, 'n200', 'day')).toEqual([8, 8, 8])
  })
})

describe('a clock that is set', () => {
  const known = (node: string, range: 'hour' | 'day' | 'month') =>
    history.read(range, node).values.cpuPercent.filter((value) => value !== null).length

  it('forth and back again costs nothing that was there', () => {
    pass(20 * minute)
    clock.set(startMs + 400 * day)
    pass(5 * minute)
    expect(known('n1', 'day')).toBe(6)
    clock.set(startMs + 25 * minute)
    pass(5 * minute)
    expect(known('n1', 'day')).toBe(21 + 6)
  })

  it('back adds to what was there', () => {
    pass(10 * minute)
    clock.set(startMs)
    load.n1 = { cpuPercent: 30 }
    pass(10 * minute)
    const values = last('cpuPercent', 8, 'n1', 'day')
    for (const value of values) expect(value).toBeCloseTo(20, 0)
  })

  it('to the beginning of time, or again and again, breaks nothing', () => {
    clock.set(0)
    pass(2 * minute)
    expect(known('n1', 'day')).toBe(3)
    for (let time = 0; time < 50; time += 1) {
      clock.set(startMs + time * 7 * day)
      pass(5 * second)
    }
    clock.set(startMs)
    pass(hour)
    expect(known('n1', 'hour')).toBe(360)
    // what lies in the future is forgotten, as what is old
    pass(hour)
    expect(file.blocksOf(levels[2])?.last).toBeLessThanOrEqual(
      Math.ceil(clock.now() / levels[2].stepMs / levels[2].blockSteps),
    )
  })
})

describe('all nodes at once', () => {
  it('are told by name, thinned, with what is not on disk yet', async () => {
    nodes.add('n10')
    load.n10 = { cpuPercent: 90 }
    nodes.ledger.hold(7, { node: 'n2', numaId: null }, 12, null)
    pass(2 * hour)
    const { startMs: from, stepMs, rows } = await history.readAll('hour', 12)
    expect([...rows.keys()]).toEqual(['n1', 'n2', 'n10'])
    expect(stepMs).toBe(5 * minute)
    expect(from % stepMs).toBe(0)
    expect(rows.get('n10')?.cpuPercent).toEqual(new Array(12).fill(90))
    expect(rows.get('n2')?.coresAllocated).toEqual(new Array(12).fill(12))
    const few = await history.readAll('month', 3)
    expect(few.rows.get('n1')?.cpuPercent).toEqual([null, null, 10])
  })

  it('get fewer steps where they are many, and the same question is answered once', async () => {
    for (let number = 0; number < 3_000; number += 1) nodes.add(`m${number}`)
    pass(10 * second)
    const [one, two] = [history.readAll('day', 200), history.readAll('day', 200)]
    expect(two).toBe(one)
    const { rows } = await one
    expect(rows.size).toBe(3_002)
    expect(rows.size * (rows.get('n1')?.cpuPercent.length ?? 0)).toBeLessThanOrEqual(200_000)
  })

  it('are not read by any number of callers at a time', async () => {
    const asked = Array.from({ length: 8 }, (_, index) => history.readAll('day', index + 1))
    expect(() => history.readAll('day', 100)).toThrow('too many histories')
    await Promise.all(asked)
    expect((await history.readAll('day', 100)).rows.size).toBe(2)
  })
})

it('what was seen last is told also where no file can be used', () => {
  end()
  temp.remove()
  begin()
  pass(20 * second)
  expect(temp.said).toEqual(['No histories are kept: the file cannot be used'])
  expect(last('cpuPercent', 2, 'n1')).toEqual([10, 10])
})
