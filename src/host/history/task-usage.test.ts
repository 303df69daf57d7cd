import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identity, spec } from '../../core/builders.suite.ts'
import type { HeldTask, Task } from '../../core/task.ts'
import type { HistoryFile } from '../store/history-file.ts'
import { HandClock, TempHistory } from './history.suite.ts'
import { TaskUsages } from './task-usage.ts'

const second = 1_000
const startMs = 1_800_000_000_000
const { runnerId } = identity
const MiB = 2 ** 20

let temp: TempHistory
let file: HistoryFile
let clock: HandClock
let usages: TaskUsages
let tasks: Map<number, Task>

const begin = () => {
  file = temp.open()
  usages = new TaskUsages({ file, clock, task: (id) => tasks.get(id) ?? null })
}
const end = () => {
  usages.close()
  file.close()
}

beforeEach(() => {
  temp = new TempHistory()
  clock = new HandClock(startMs)
  tasks = new Map()
  begin()
})
afterEach(() => {
  end()
  temp.remove()
})

function run(id: number, given: Partial<HeldTask> = {}): void {
  tasks.set(id, {
    id,
    batchId: 1,
    spec: spec(),
    target: { kind: 'any' },
    submittedAtMs: startMs,
    status: 'running',
    attempt: 1,
    placement: { node: 'n1', numaId: null },
    dispatchedTo: identity,
    placedAtMs: startMs,
    startedAtMs: clock.now(),
    ...given,
  } as HeldTask)
}

/** Its runner tells of it, by a clock that is so much ahead of ours. */
function tell(
  id: number,
  cpuTimeMs: number | null,
  memoryBytes: number | null,
  aheadMs = 0,
  attempt = 1,
): void {
  usages.take(runnerId, {
    type: 'usage',
    atMs: clock.now() + aheadMs,
    items: [{ taskId: String(id), attempt, cpuTimeMs, memoryBytes }],
  })
}

const ended = (id: number) => {
  tasks.delete(id)
  usages.end(id)
}
const cpu = (id: number) => usages.seriesOf(id)?.values(0) ?? null
const memory = (id: number) => usages.seriesOf(id)?.values(1) ?? null

describe('what a task uses', () => {
  it('is told from its start on: CPU as cores, and memory', () => {
    run(7)
    for (const [cpuTimeMs, mib] of [
      [4_000, 10],
      [14_000, 20],
      [14_000, 30],
    ] as const) {
      clock.pass(5 * second)
      tell(7, cpuTimeMs, mib * MiB)
    }
    expect(usages.seriesOf(7)).toMatchObject({ startMs, stepMs: 5_000 })
    expect(cpu(7)).toEqual([expect.closeTo(0.8), 2, 0])
    expect(memory(7)).toEqual([10 * MiB, 20 * MiB, 30 * MiB])
  })

  it('is told by the clock of the host, as its start is', () => {
    const aheadMs = -86_400_000
    run(7)
    for (const cpuTimeMs of [5_000, 10_000]) {
      clock.pass(5 * second)
      tell(7, cpuTimeMs, MiB, aheadMs)
    }
    expect(usages.seriesOf(7)?.startMs).toBe(startMs)
    expect(cpu(7)).toEqual([1, 1])
  })

  it('does not jump with a clock that is set, nor with a message that is late', () => {
    run(7)
    clock.pass(5 * second)
    tell(7, 5_000, MiB)
    clock.pass(5 * second)
    tell(7, 10_000, MiB, 400 * 86_400_000)
    clock.pass(5 * second)
    tell(7, 15_000, MiB, -86_400_000)
    // measured 4 s after the one before, and 3 s under way
    clock.pass(7 * second)
    tell(7, 19_000, MiB, -86_400_000 - 3 * second)
    expect(usages.seriesOf(7)).toMatchObject({ startMs, stepMs: 5_000 })
    for (const value of cpu(7) ?? []) expect(value).toBeCloseTo(1, 2)
    expect(cpu(7)).toHaveLength(4)
  })

  it('is not known while nobody tells it', () => {
    run(7)
    clock.pass(5 * second)
    tell(7, 5_000, MiB)
    clock.pass(60 * second)
    tell(7, 9_000, 3 * MiB)
    clock.pass(5 * second)
    tell(7, 9_000, 3 * MiB)
    expect(cpu(7)).toEqual([1, ...new Array(12).fill(null), 0])
    expect(memory(7)).toEqual([MiB, ...new Array(11).fill(null), 3 * MiB, 3 * MiB])
  })

  it('is never less than nothing', () => {
    run(7)
    for (const cpuTimeMs of [5_000, 1_000, 2_000]) {
      clock.pass(5 * second)
      tell(7, cpuTimeMs, MiB)
    }
    expect(cpu(7)).toEqual([1, 0, expect.closeTo(0.2)])
  })

  it('goes on with the next attempt, from its own start on', () => {
    run(7)
    clock.pass(5 * second)
    tell(7, 5_000, MiB)
    clock.pass(20 * second)
    run(7, { attempt: 2 })
    clock.pass(5 * second)
    tell(7, 99, MiB) // of the attempt before, late
    tell(7, 10_000, 2 * MiB, 0, 2)
    clock.pass(5 * second)
    tell(7, 10_000, 2 * MiB, 0, 2)
    expect(cpu(7)).toEqual([1, null, null, null, null, 2, 0])
  })

  it('may be known in part', () => {
    run(7)
    for (const cpuTimeMs of [null, 2_000, 4_000]) {
      clock.pass(5 * second)
      tell(7, cpuTimeMs, null)
    }
    expect([cpu(7), memory(7)]).toEqual([[expect.closeTo(0.4)], [null]])
  })

  it('is not believed of what does not run, by a runner that does not run it, or of another attempt', () => {
    run(7)
    clock.pass(5 * second)
    tell(8, 1, MiB)
    tell(7, 1, MiB, 0, 2)
    usages.take('another', {
      type: 'usage',
      atMs: clock.now(),
      items: [{ taskId: '7', attempt: 1, cpuTimeMs: 1, memoryBytes: 1 }],
    })
    expect([usages.seriesOf(7), usages.seriesOf(8)]).toEqual([null, null])
  })

  it('of a long life is told in few steps', () => {
    run(7)
    for (let time = 1; time <= 5_000; time += 1) {
      clock.pass(5 * second)
      tell(7, time * 2_500, MiB)
    }
    expect(usages.seriesOf(7)?.length).toBeLessThanOrEqual(240)
    expect(usages.seriesOf(7)?.length).toBeGreaterThan(120)
    for (const value of cpu(7) ?? []) expect(value).toBeCloseTo(0.5, 3)
  })
})

describe('what a task used', () => {
  const live = (id: number, times = 2) => {
    run(id)
    for (let time = 1; time <= times; time += 1) {
      clock.pass(5 * second)
      tell(id, time * 5_000, MiB)
    }
  }

  it('is kept when it has ended, and over a restart', () => {
    live(7)
    ended(7)
    expect(cpu(7)).toEqual([1, 1])
    expect(usages.save()).toBe(false)
    end()
    begin()
    expect(cpu(7)).toEqual([1, 1])
  })

  it('is not kept where it is a single step', () => {
    live(7, 1)
    expect(cpu(7)).toEqual([1])
    ended(7)
    expect(usages.seriesOf(7)).toBeNull()
  })

  it('of one that still runs goes on after a restart, with a gap', () => {
    live(7)
    end()
    clock.pass(60 * second)
    begin()
    expect(cpu(7)).toEqual([1, 1])
    tell(7, 70_000, 2 * MiB)
    clock.pass(5 * second)
    tell(7, 70_000, 2 * MiB)
    expect(cpu(7)).toEqual([1, 1, ...new Array(12).fill(null), 0])
    expect(usages.seriesOf(7)?.startMs).toBe(startMs)
  })

  it('of those that run is on disk after a while, for the case of a crash', () => {
    for (const id of [7, 8, 9]) live(id)
    for (let round = 0; round < 6; round += 1) usages.saveLive()
    for (const id of [7, 8, 9]) expect(file.usageOf(id)).not.toBeNull()
  })

  it('is written a part at a time', () => {
    for (let id = 1; id <= 120; id += 1) run(id)
    for (const cpuTimeMs of [1, 2]) {
      clock.pass(5 * second)
      for (let id = 1; id <= 120; id += 1) tell(id, cpuTimeMs, MiB)
    }
    for (let id = 1; id <= 120; id += 1) ended(id)
    let rounds = 1
    while (usages.save()) rounds += 1
    expect(rounds).toBe(3)
    for (let id = 1; id <= 120; id += 1) expect(cpu(id)).toHaveLength(2)
  })

  it('is let go where its end was never told', () => {
    live(7)
    tasks.delete(7)
    for (let round = 0; round < 3; round += 1) usages.saveLive()
    usages.save()
    expect(file.usageOf(7)).not.toBeNull()
    expect(cpu(7)).toEqual([1, 1])
  })
})
