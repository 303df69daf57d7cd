import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { waitFor } from '../platform/wait.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

const specs = [{ command: 'true' }]

describe('a submit', () => {
  it('rows 1 and 20: with the same id is one submit, also at the same time and after a restart', async () => {
    const body = { submissionId: 'twice-the-same', specs: [...specs, ...specs] }
    const answers = await Promise.all([1, 2, 3].map(() => host.client.submitBatch({ body })))
    expect(answers[1]).toEqual(answers[0])
    expect(answers[2]).toEqual(answers[0])
    await host.host.close()
    await host.boot()
    expect(await host.client.submitBatch({ body })).toEqual(answers[0])
    expect((await host.client.listTasks({ query: {} })).total).toBe(2)
  })

  it('row 10: is refused while the disk is full, leaves nothing behind, and works later under the same id', async () => {
    const runner = await host.link({ cores: 2 })
    const body = { submissionId: 'full-at-first', specs }
    host.store.failure = new AppError('store_full', 'cannot save: the disk of the host is full')
    await expect(host.client.submitBatch({ body })).rejects.toMatchObject({ code: 'store_full' })
    expect((await host.client.listTasks({ query: {} })).total).toBe(0)
    expect(await host.client.getNode({ params: { name: 'n1' } })).toMatchObject({ coresAllocated: 0 })
    host.store.failure = null
    const { tasks } = await host.client.submitBatch({ body })
    expect(await runner.heard('start')).toMatchObject({ taskId: tasks[0]?.taskId })
    expect(runner.all('start')).toHaveLength(1)
  })

  it('goes on with what was promised before while the disk is full', async () => {
    const runner = await host.link({ cores: 2 })
    const { tasks } = await host.client.submitBatch({ body: { specs } })
    const id = tasks[0]?.taskId ?? ''
    await runner.heard('start')
    host.store.failure = new AppError('store_full', 'cannot save: the disk of the host is full')
    runner.exited(id)
    await expect(host.client.submitBatch({ body: { specs } })).rejects.toMatchObject({ code: 'store_full' })
    host.store.failure = null
    await waitFor(
      'its end is saved',
      async () => (await host.client.getTask({ params: { id } })).status === 'completed',
    )
  })

  it('is told nobody before it is on disk', async () => {
    const runner = await host.link()
    const before = host.store.commits
    await host.client.submitBatch({ body: { specs } })
    expect(host.store.commits).toBe(before + 1) // submitted and placed go together
    await runner.heard('start')
    expect(host.store.commits).toBe(before + 1)
  })

  it('gives ids that grow, for a batch and its tasks', async () => {
    const first = await host.client.submitBatch({ body: { specs, targets: ['any', 'any'] } })
    const second = await host.client.submitBatch({ body: { specs } })
    const ids = [
      first.batchId,
      ...first.tasks.map(({ taskId }) => taskId),
      second.batchId,
      second.tasks[0]?.taskId,
    ]
    const numbers = ids.map(Number)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(new Set(numbers).size).toBe(5)
  })

  it('that is to run at once is refused where its node is busy, after all that came before', async () => {
    await host.link({ cores: 1 })
    await host.client.submitBatch({ body: { specs, targets: ['n1'] } })
    const now = { specs: [{ command: 'true', queue: false }], targets: ['n1'] }
    await expect(host.client.submitBatch({ body: now })).rejects.toMatchObject({ code: 'unsatisfiable' })
    const both = await host.client
      .submitBatch({ body: { ...now, targets: ['any', 'n1'] } })
      .catch((error: unknown) => error)
    expect(both).toMatchObject({
      code: 'unsatisfiable',
      details: { tasks: [{ target: 'any' }, { target: 'n1' }] },
    })
  })

  it('that is to run at once finds taken what the same submit has taken', async () => {
    const runner = await host.link({ cores: 2 })
    const now = { command: 'true', queue: false }
    const { tasks } = await host.client.submitBatch({ body: { specs: [now, now, now], targets: ['n1'] } })
    expect(tasks.map(({ error }) => error?.code ?? null)).toEqual([null, null, 'unsatisfiable'])
    expect(tasks[2]?.error?.message).toContain(
      `held by task ${tasks[0]?.taskId} and task ${tasks[1]?.taskId}`,
    )
    await runner.heard('start', 2)
    expect((await host.client.listTasks({ query: {} })).total).toBe(2)
  })

  it('answers for each spec and target by itself, in their order', async () => {
    await host.link({ cores: 2 })
    const body = { specs: [{ command: 'a' }, { command: 'b', cores: 3 }], targets: ['any', 'n1', 'n9'] }
    const { tasks } = await host.client.submitBatch({ body })
    expect(tasks.map(({ specIndex, target, error }) => [specIndex, target, error?.code ?? null])).toEqual([
      [0, 'any', null],
      [0, 'n1', null],
      [0, 'n9', 'unsatisfiable'],
      [1, 'any', null], // a node that can take it may join
      [1, 'n1', 'unsatisfiable'],
      [1, 'n9', 'unsatisfiable'],
    ])
    expect((await host.client.listTasks({ query: {} })).total).toBe(3)
  })

  it('of all or nothing makes none where one is refused, and leaves no trace', async () => {
    const runner = await host.link({ cores: 2 })
    const some = { specs, targets: ['n1', 'any', 'n9'] }
    const failure = await host.client
      .submitBatch({ body: { ...some, allOrNothing: true } })
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'unsatisfiable',
      message: expect.stringContaining('1 of 3 refused: there is no node n9'),
      details: {
        tasks: [
          { target: 'n1', taskId: null, error: { message: expect.stringContaining('all or nothing') } },
          { target: 'any', taskId: null },
          { target: 'n9', taskId: null, error: { message: expect.stringContaining('n9') } },
        ],
      },
    })
    // those that may not wait were placed one by one before the last was refused
    const now = { specs: [{ command: 'true', queue: false }], targets: ['n1', 'n1', 'n1'] }
    await expect(host.client.submitBatch({ body: { ...now, allOrNothing: true } })).rejects.toMatchObject({
      code: 'unsatisfiable',
    })
    expect((await host.client.listTasks({ query: {} })).total).toBe(0)
    expect((await host.client.listBatches({ query: {} })).total).toBe(0)
    expect(await host.client.getNode({ params: { name: 'n1' } })).toMatchObject({ coresAllocated: 0 })
    const whole = { specs, targets: ['n1', 'any'], allOrNothing: true }
    const { tasks } = await host.client.submitBatch({ body: whole })
    await runner.heard('start', 2)
    expect(runner.all('start').map(({ taskId }) => taskId)).toEqual(tasks.map(({ taskId }) => taskId))
  })

  it('that was placed and then refused gives its place to the next', async () => {
    const runner = await host.link({ cores: 1 })
    const open = Promise.withResolvers<void>()
    host.store.gate = open.promise
    const refused = host.client.submitBatch({ body: { submissionId: 'refused-first', specs } })
    const again = host.client.submitBatch({ body: { submissionId: 'refused-first', specs } })
    const outcomes = Promise.allSettled([refused, again])
    await waitFor('it is placed', async () => {
      const { coresAllocated } = await host.client.getNode({ params: { name: 'n1' } })
      return coresAllocated === 1
    })
    host.store.failure = new AppError('store_full', 'cannot save: the disk of the host is full')
    host.store.gate = null
    open.resolve()
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    host.store.failure = null
    const body = { submissionId: 'refused-first', specs }
    const { tasks } = await host.client.submitBatch({ body })
    expect(await runner.heard('start')).toMatchObject({ taskId: tasks[0]?.taskId })
    await host.client.getTask({ params: { id: tasks[0]?.taskId ?? '' } })
    expect(runner.all('start')).toHaveLength(1)
  })
})
