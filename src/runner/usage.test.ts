import { expect, it } from 'vitest'
import type { AttemptUsage, Executor } from './executors/executor.ts'
import { FakeExecutor, FakeMachine } from './executors/fake.ts'
import { UsageMeter } from './usage.ts'

/** An executor that runs everything, and keeps what it was asked. */
class Busy extends FakeExecutor {
  readonly asked: number[][] = []

  constructor() {
    const events = { onStarted: () => {}, onExit: () => {} }
    super(new FakeMachine(), { events, now: Date.now, bootId: 'b', runnerId: 'r', log: () => {} })
  }

  override async usage(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]> {
    this.asked.push(attempts.map(({ taskId }) => taskId))
    return attempts.map(({ taskId, attempt }) => ({ taskId, attempt, cpuTimeMs: taskId, memoryBytes: null }))
  }
}

const running = (executor: Executor, ...ids: number[]) =>
  ids.map((taskId) => ({ taskId, attempt: 1, executor }))

it('tells of all that runs, each asked of its own executor', async () => {
  const [one, other] = [new Busy(), new Busy()]
  // the methods of a class are not copied
  const silent = { ...new Busy() } as unknown as Executor
  const meter = new UsageMeter(() => [
    ...running(one, 1, 2),
    ...running(silent, 3),
    ...running(other, 4),
    ...running(one, 5),
  ])
  const told = await meter.measure()
  expect(told.map(({ taskId }) => taskId)).toEqual(['1', '2', '5', '4'])
  expect(told[0]).toEqual({ taskId: '1', attempt: 1, cpuTimeMs: 1, memoryBytes: null })
  expect([one.asked, other.asked]).toEqual([[[1, 2, 5]], [[4]]])
})

it('tells of so many at a time, and of all by and by', async () => {
  const executor = new Busy()
  let ids = [1, 2, 3, 4, 5]
  const meter = new UsageMeter(() => running(executor, ...ids), 2)
  for (let time = 0; time < 3; time += 1) await meter.measure()
  expect(executor.asked).toEqual([
    [1, 2],
    [3, 4],
    [5, 1],
  ])
  ids = [7, 8]
  await meter.measure()
  expect(executor.asked.at(-1)).toEqual([7, 8])
  ids = []
  expect(await meter.measure()).toEqual([])
})
