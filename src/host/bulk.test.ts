import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { waitFor } from '../platform/wait.ts'
import type { FromHost } from '../protocol/link.ts'
import { TestHost, type TestRunner } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

const task = (id: string) => host.client.getTask({ params: { id } })

async function submit(count: number, more: object = {}): Promise<{ batchId: string; ids: string[] }> {
  const specs = Array.from({ length: count }, (_, at) => ({
    command: 'work',
    arguments: [String(at)],
    ...more,
  }))
  const { batchId, tasks } = await host.client.submitBatch({ body: { specs } })
  return { batchId: batchId ?? '', ids: tasks.map(({ taskId }) => taskId ?? '') }
}

async function end(runner: TestRunner, id: string, exitCode = 0): Promise<void> {
  runner.exited(id, exitCode)
  await waitFor('it has ended', async () => (await task(id)).endedAt !== null)
}

describe('the kill of many tasks', () => {
  it('answers for each by itself, and ends what waits before what runs', async () => {
    const runner = await host.link({ cores: 2 })
    const { ids } = await submit(5)
    await runner.heard('start', 2)
    const [ended = '', running = '', ...waiting] = ids
    await end(runner, ended)
    await runner.heard('start', 3)
    const unknown = '12345'
    const { items } = await host.client.killTasks({
      body: { ids: [unknown, ...ids, running], reason: 'enough' },
    })
    const [second = '', ...rest] = waiting
    expect(items).toEqual([
      { id: unknown, isAsked: false, status: null, message: 'there is no task 12345' },
      {
        id: ended,
        isAsked: false,
        status: 'completed',
        message: `cannot kill task ${ended}: it has ended (completed)`,
      },
      { id: running, isAsked: true, status: 'killing', message: null },
      { id: second, isAsked: true, status: 'killing', message: null },
      ...rest.map((id) => ({ id, isAsked: true, status: 'killed', message: null })),
    ])
    expect(runner.all('start')).toHaveLength(3)
    expect((await task(rest[0] ?? '')).reason).toBe('enough')
    // again it is asked, and nothing is new
    const again = await host.client.killTasks({ body: { ids: [running, rest[0] ?? ''] } })
    expect(again.items.map(({ isAsked, status }) => [isAsked, status])).toEqual([
      [true, 'killing'],
      [false, 'killed'],
    ])
  })

  it('starts nothing of a batch in the place of what it has ended', async () => {
    const runner = await host.link({ cores: 500 })
    const { batchId, ids } = await submit(2_500)
    await runner.heard('start', 500)
    // as fast as a runner can
    runner.socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as FromHost
      if (message.type === 'kill') runner.exited(message.taskId, null, 'killed', 'SIGTERM')
    })
    const answer = await host.client.killBatch({ params: { id: batchId }, body: {} })
    expect(answer.killed).toEqual(ids)
    await waitFor('all have ended', async () => {
      const { counts } = await host.client.countTasks({ query: { batchId } })
      return counts.killed === 2_500
    })
    expect(runner.all('start')).toHaveLength(500)
    const again = await host.client.killBatch({ params: { id: batchId }, body: {} })
    expect(again.alreadyEnded).toEqual(ids)
  })

  it('is told only when it is on disk', async () => {
    await host.link({ cores: 1 })
    const { ids } = await submit(2)
    const open = Promise.withResolvers<void>()
    host.store.gate = open.promise
    let isTold = false
    const killing = host.client.killTasks({ body: { ids } }).then((answer) => {
      isTold = true
      return answer
    })
    const before = host.store.commits
    await waitFor('it was asked', async () => (await host.client.listNodes({})).items.length === 1)
    expect(isTold).toBe(false)
    host.store.gate = null
    open.resolve()
    expect((await killing).items.map(({ status }) => status)).toEqual(['killing', 'killed'])
    expect(host.store.commits).toBeGreaterThan(before)
  })
})

describe('a rerun', () => {
  it('makes one batch of the same specs on the same targets, and answers for each task by itself', async () => {
    const runner = await host.link({ cores: 3 })
    const specs = [
      { command: 'work', arguments: ['a b'], env: { KEY: 'v' }, name: 'one', cores: 2 },
      { command: 'true' },
    ]
    const { tasks } = await host.client.submitBatch({ body: { specs, targets: ['n1'] } })
    const [first = '', second = ''] = tasks.map(({ taskId }) => taskId ?? '')
    await runner.heard('start', 2)
    await end(runner, first, 3)
    const body = { ids: [second, '12345', first, first], submissionId: 'again-again', name: 'once more' }
    const { batchId, items } = await host.client.rerunTasks({ body })
    const made = items[2]?.taskId ?? ''
    expect(items).toEqual([
      {
        id: second,
        taskId: null,
        error: { code: 'conflict', message: `cannot run task ${second} again: it has not ended (assigning)` },
      },
      { id: '12345', taskId: null, error: { code: 'not_found', message: 'there is no task 12345' } },
      { id: first, taskId: made, error: null },
    ])
    const [old, renewed] = [await task(first), await task(made)]
    const { name, command, arguments: words, env, cores, target } = old
    expect(renewed).toMatchObject({
      name,
      command,
      arguments: words,
      env,
      cores,
      target,
      rerunOf: first,
      batchId,
    })
    expect(old.rerunOf).toBeNull()
    expect(await host.client.getBatch({ params: { id: batchId ?? '' } })).toMatchObject({
      name: 'once more',
      total: 1,
    })
    await runner.heard('start', 3)
    await end(runner, made)
    // the same id is the same rerun, also when more could be run again, and after a restart
    await end(runner, second)
    expect(await host.client.rerunTasks({ body })).toEqual({ batchId, items })
    await host.restart()
    expect(await host.client.rerunTasks({ body })).toEqual({ batchId, items })
    expect((await task(made)).rerunOf).toBe(first)
  })

  it('tells what cannot be taken, and makes no batch where nothing can', async () => {
    const runner = await host.link({ cores: 8 })
    const { ids } = await submit(2, { cores: 4 })
    await runner.heard('start', 2)
    for (const id of ids) await end(runner, id)
    const { tasks } = await host.client.submitBatch({
      body: { specs: [{ command: 'true', cores: 8 }], targets: ['n1'] },
    })
    const large = tasks[0]?.taskId ?? ''
    await runner.heard('start', 3)
    await end(runner, large)
    const smaller = await host.link({ cores: 4 })
    await smaller.heard('welcome')
    const { items } = await host.client.rerunTasks({ body: { ids: [...ids, large] } })
    expect(items.map(({ error }) => error?.code ?? null)).toEqual([null, null, 'unsatisfiable'])
    const none = await host.client.rerunTasks({ body: { ids: [large] } })
    expect(none).toMatchObject({ batchId: null, items: [{ id: large, taskId: null }] })
    expect((await host.client.listBatches({ query: {} })).total).toBe(3)
  })

  it('is refused while the disk is full, and works later under the same id', async () => {
    const runner = await host.link()
    const { ids } = await submit(1)
    await runner.heard('start')
    await end(runner, ids[0] ?? '')
    const body = { ids, submissionId: 'full-at-first' }
    host.store.failure = new AppError('store_full', 'cannot save: the disk of the host is full')
    await expect(host.client.rerunTasks({ body })).rejects.toMatchObject({ code: 'store_full' })
    host.store.failure = null
    const { items } = await host.client.rerunTasks({ body })
    expect(await task(items[0]?.taskId ?? '')).toMatchObject({ rerunOf: ids[0] })
    expect((await host.client.listTasks({ query: {} })).total).toBe(2)
  })

  it('and a submit do not take the answer of the other', async () => {
    const runner = await host.link()
    const body = { submissionId: 'used-twice', specs: [{ command: 'true' }] }
    const { tasks } = await host.client.submitBatch({ body })
    const id = tasks[0]?.taskId ?? ''
    await runner.heard('start')
    await end(runner, id)
    await expect(
      host.client.rerunTasks({ body: { ids: [id], submissionId: 'used-twice' } }),
    ).rejects.toMatchObject({ code: 'conflict' })
    const rerun = { ids: [id], submissionId: 'rerun-first' }
    await host.client.rerunTasks({ body: rerun })
    await expect(
      host.client.submitBatch({ body: { ...body, submissionId: 'rerun-first' } }),
    ).rejects.toMatchObject({ code: 'conflict' })
  })
})
