/** One host and two nodes of real processes: what becomes of tasks, as a user sees it. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'

describe('a cluster of two nodes', () => {
  let cluster: LocalCluster

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
  })
  afterAll(() => cluster.close())

  it('runs a command to its end and keeps its output', async () => {
    const task = await cluster.api.run({ command: 'echo', arguments: ['hello', 'river'] })
    expect(task).toMatchObject({ status: 'completed', exitCode: 0, signal: null, reason: null, attempt: 1 })
    expect(Date.parse(task.endedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(task.startedAt ?? ''))
    expect(await cluster.api.log(task.id)).toBe('hello river\n')
  })

  it('tells exit codes, missing programs, signals and missing directories apart', async () => {
    const cases = [
      { spec: { command: 'sh', arguments: ['-c', 'exit 7'] }, wanted: { status: 'failed', exitCode: 7 } },
      { spec: { command: 'no-such-program' }, wanted: { status: 'failed', exitCode: 127 } },
      {
        spec: { command: 'sh', arguments: ['-c', 'kill -KILL $$'] },
        wanted: { status: 'failed', exitCode: null, signal: 'SIGKILL' },
      },
      {
        spec: { command: 'true', cwd: '/no/such/place' },
        wanted: { status: 'failed', exitCode: null, startedAt: null },
      },
    ]
    for (const { spec, wanted } of cases) expect(await cluster.api.run(spec)).toMatchObject(wanted)
  })

  it('ends a task at its time limit', async () => {
    const task = await cluster.api.run({ command: 'sleep', arguments: ['60'], timeoutMs: 200 })
    expect(task).toMatchObject({ status: 'timed_out', reason: expect.stringContaining('0.2 s') })
  })

  it('kills on request, and says who asked', async () => {
    const { api } = cluster
    const id = await api.submit({ command: 'sleep', arguments: ['60'] })
    await api.reached(id, 'running')
    const answer = await api.client.killTask({ params: { id }, body: { reason: 'not needed any more' } })
    expect(['killing', 'killed']).toContain(answer.status)
    expect(await api.ended(id)).toMatchObject({ status: 'killed', reason: 'not needed any more' })
    await expect(api.client.killTask({ params: { id }, body: {} })).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  it('runs one submit on several targets, and answers for each', async () => {
    const { api } = cluster
    const body = { specs: [{ command: 'true' }], targets: ['n1', 'n2', 'n9', 'n1:77'] }
    const { batchId, tasks } = await api.client.submitBatch({ body })
    expect(tasks.map(({ target, taskId }) => [target, taskId !== null])).toEqual([
      ['n1', true],
      ['n2', true],
      ['n9', false],
      ['n1:77', false],
    ])
    expect(tasks[2]?.error?.message).toBe('there is no node n9: the cluster has n1 and n2')
    expect(tasks[3]?.error?.message).toContain('77')
    for (const { target, taskId } of tasks) {
      if (taskId !== null)
        expect(await api.ended(taskId)).toMatchObject({ status: 'completed', node: target })
    }
    expect(await api.client.getBatch({ params: { id: batchId ?? '' } })).toMatchObject({
      total: 2,
      counts: { completed: 2 },
      isFinal: true,
    })
  })

  it('makes no task where none can run', async () => {
    const body = { specs: [{ command: 'true', cores: 5000 }], targets: ['n1'] }
    const refusal = cluster.api.client.submitBatch({ body })
    await expect(refusal).rejects.toMatchObject({
      code: 'unsatisfiable',
      message: expect.stringContaining('5000 cores'),
    })
  })

  it('queues what does not fit yet, says why, and starts it in order', async () => {
    const { api } = cluster
    const node = await api.client.getNode({ params: { name: 'n1' } })
    const all = { cores: node.cores }
    const holder = await api.submit({ command: 'sleep', arguments: ['60'], ...all }, 'n1')
    await api.reached(holder, 'running')
    const waiting = await api.submit({ command: 'true', ...all }, 'n1')
    expect(await api.task(waiting)).toMatchObject({
      status: 'pending',
      reason: expect.stringContaining(`held by task ${holder}`),
    })
    const refused = api.client.submitBatch({
      body: { specs: [{ command: 'true', queue: false }], targets: ['n1'] },
    })
    await expect(refused).rejects.toMatchObject({ code: 'unsatisfiable' })
    expect(await api.client.getNode({ params: { name: 'n1' } })).toMatchObject({
      coresAllocated: node.cores,
      tasksRunning: 1,
    })
    await api.client.killTask({ params: { id: holder }, body: {} })
    expect(await api.ended(waiting)).toMatchObject({ status: 'completed' })
    expect(await api.client.getNode({ params: { name: 'n1' } })).toMatchObject({ coresAllocated: 0 })
  })

  it('kills a whole batch, waiting tasks too', async () => {
    const { api } = cluster
    const specs = Array.from({ length: 12 }, () => ({ command: 'sleep', arguments: ['60'] }))
    const { batchId, tasks } = await api.client.submitBatch({ body: { specs } })
    const { killed } = await api.client.killBatch({ params: { id: batchId ?? '' }, body: {} })
    expect(killed).toHaveLength(12)
    for (const { taskId } of tasks) expect(await api.ended(taskId ?? '')).toMatchObject({ status: 'killed' })
  })

  it('gives the task its environment, directory and place', async () => {
    const { api } = cluster
    const cwd = join(cluster.dir, 'work here')
    mkdirSync(cwd, { mode: 0o777 })
    const script = 'pwd; echo "$COLOUR"; echo "$HAKURIVER_TASK_ID"; echo "$HAKURIVER_NODE"'
    const env = { COLOUR: 'blue $HOME "quoted"\nsecond line' }
    const task = await api.run({ command: 'sh', arguments: ['-c', script], cwd, env }, 'n2')
    expect(task.status).toBe('completed')
    expect((await api.log(task.id)).split('\n').slice(0, 4)).toEqual([
      cwd,
      'blue $HOME "quoted"',
      'second line',
      task.id,
    ])
  })

  it('lists by status, node and batch, page by page', async () => {
    const { api } = cluster
    const ids = await api.submitAll(
      Array.from({ length: 5 }, () => ({ command: 'true' })),
      ['n2'],
    )
    for (const id of ids) await api.ended(id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = {
        node: 'n2',
        status: ['completed' as const],
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      }
      const page = await api.client.listTasks({ query })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
    expect(seen.slice(0, 5)).toEqual([...ids].reverse())
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('tells the history of a task', async () => {
    const { api } = cluster
    const task = await api.run({ command: 'true' })
    const { items } = await api.client.listTaskEvents({ params: { id: task.id } })
    expect(items.map(({ type, status }) => `${type}: ${status}`)).toEqual([
      'submitted: pending',
      'placed: assigning',
      'started: running',
      'exited: completed',
    ])
  })

  it('reads parts of a log, from the end too, and follows one from before its start', async () => {
    const { api } = cluster
    const id = await api.submit({
      command: 'sh',
      arguments: ['-c', 'printf 0123456789; sleep 0.2; printf end'],
    })
    let followed = ''
    const { done } = api.follow(id, (data) => {
      followed += data.toString()
    })
    await done
    expect(followed).toBe('0123456789end')
    await api.ended(id)
    const part = await api.raw({ path: `/api/v1/tasks/${id}/logs/stdout?offset=2&limit=3` })
    expect([part.text, part.headers['x-log-offset'], part.headers['x-log-size']]).toEqual(['234', '2', '13'])
    const tail = await api.raw({ path: `/api/v1/tasks/${id}/logs/stdout?offset=-3` })
    expect([tail.text, tail.headers['x-log-ended']]).toEqual(['end', 'true'])
  })

  it('keeps its tokens from others', () => {
    for (const name of ['admin-token', 'join-token', 'host.json', 'cluster.db']) {
      expect(readFileSync(join(cluster.home, name)).length).toBeGreaterThan(0)
    }
  })
})
