/** Programs that die at the worst moment, on a cluster of real processes: nothing is lost, nothing runs twice. */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import type { ClusterEvent } from '../../src/protocol/schemas.ts'
import { LocalCluster, type LocalClusterOptions } from '../support/cluster.ts'
import { processOf } from '../support/processes.ts'

describe('when programs die', () => {
  let cluster: LocalCluster
  const start = async (options: LocalClusterOptions = {}) => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25, ...options })
    return cluster
  }
  afterEach(() => cluster.close())

  /** A command that notes its start and its end, so that a second run would be seen. */
  const witness = (name: string, script: string) => {
    const dir = join(cluster.dir, 'witness')
    mkdirSync(dir, { recursive: true })
    chmodSync(dir, 0o777)
    const path = join(dir, name)
    return {
      path,
      spec: { command: 'sh', arguments: ['-c', `echo start >> "$0"; ${script}; echo end >> "$0"`, path] },
    }
  }

  it('row 1: keeps a submit that was answered when the host is killed right after', async () => {
    const { api } = await start()
    const { path, spec } = witness('after-submit', 'sleep 0.3')
    const id = await api.submit(spec)
    await cluster.restartHost('SIGKILL')
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'completed', exitCode: 0 })
    expect(readFileSync(path, 'utf8')).toBe('start\nend\n')
  })

  it('rows 1 and 20: answers a submit that is sent again as it did the first time', async () => {
    const { api } = await start()
    const body = { submissionId: 'the-same-submit', specs: [{ command: 'true' }, { command: 'true' }] }
    const [first, second] = await Promise.all([
      api.client.submitBatch({ body }),
      api.client.submitBatch({ body }),
    ])
    expect(second).toEqual(first)
    await cluster.restartHost('SIGKILL')
    expect(await cluster.api.client.submitBatch({ body })).toEqual(first)
    expect((await cluster.api.client.listTasks({ query: {} })).total).toBe(2)
  })

  it('row 3: knows the true end of a task that ran while the runner was dead', async () => {
    const { api } = await start()
    const { path, spec } = witness('while-dead', 'sleep 0.7; exit 5')
    const id = await api.submit(spec)
    const { startedAt } = await api.reached(id, 'running')
    await cluster.runner('n1').stop('SIGKILL')
    await waitFor('its process has ended', () => processOf(id) === null)
    expect(readFileSync(path, 'utf8')).toBe('start\n')
    cluster.startRunner('n1')
    const task = await api.ended(id)
    expect(task).toMatchObject({ status: 'failed', exitCode: 5, startedAt })
  })

  it('row 3: takes a running task over after the runner was killed, and again', async () => {
    const { api } = await start()
    const { path, spec } = witness('taken-over', `while [ ! -e "$0.go" ]; do sleep 0.05; done`)
    const id = await api.submit(spec)
    await api.reached(id, 'running')
    for (let round = 0; round < 2; round += 1) {
      await cluster.runner('n1').stop('SIGKILL')
      cluster.startRunner('n1')
      await waitFor('the node has linked again', () => /Linked/.test(cluster.runner('n1').stderr))
      expect(await api.task(id)).toMatchObject({ attempt: 1 })
    }
    await api.reached(id, 'running')
    await api.run({ command: 'touch', arguments: [`${path}.go`] })
    expect(await api.ended(id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(readFileSync(path, 'utf8')).toBe('start\nend\n')
  })

  it('row 5: calls a task unreachable while its node is silent, and running again when it is back', async () => {
    const { api } = await start()
    const id = await api.submit({ command: 'sleep', arguments: ['60'] })
    await api.reached(id, 'running')
    process.kill(cluster.runner('n1').pid, 'SIGSTOP')
    const silent = await api.reached(id, 'unreachable')
    expect(silent.reason).toMatch(/^node n1 was last heard at .*; the task may still be running$/)
    expect(await api.client.getNode({ params: { name: 'n1' } })).toMatchObject({
      status: 'unreachable',
      cpuPercent: null,
    })
    const waiting = await api.submit({ command: 'true' })
    expect(await api.task(waiting)).toMatchObject({
      status: 'pending',
      reason: 'no node is online: n1 is unreachable',
    })
    process.kill(cluster.runner('n1').pid, 'SIGCONT')
    expect(await api.reached(id, 'running')).toMatchObject({ attempt: 1 })
    expect(await api.ended(waiting)).toMatchObject({ status: 'completed' })
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.ended(id)).toMatchObject({ status: 'killed' })
  })

  it('row 7: kills a task whose node was away, once it is back', async () => {
    const { api } = await start()
    const id = await api.submit({ command: 'sleep', arguments: ['60'] })
    await api.reached(id, 'running')
    await cluster.runner('n1').stop('SIGKILL')
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.task(id)).toMatchObject({ status: 'killing' })
    cluster.startRunner('n1')
    expect(await api.ended(id)).toMatchObject({ status: 'killed' })
  })

  it('row 7: starts nothing any more of what was killed while its runner did not listen', async () => {
    const { api } = await start()
    const runner = cluster.runner('n1').child
    runner.kill('SIGSTOP')
    const { path, spec } = witness('killed-while-assigned', 'sleep 60')
    const id = await api.submit(spec)
    await api.reached(id, 'assigning')
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.task(id)).toMatchObject({ status: 'killing' })
    runner.kill('SIGCONT')
    expect(await api.ended(id)).toMatchObject({ status: 'killed' })
    expect(processOf(id)).toBeNull()
    // the start was on its way; behind the end there is none
    const begun = existsSync(path) ? readFileSync(path, 'utf8') : ''
    await api.run({ command: 'true' })
    expect(existsSync(path) ? readFileSync(path, 'utf8') : '').toBe(begun)
  })

  it('row 7: refuses the kill of what has ended, with its true status', async () => {
    const { api } = await start()
    const { id } = await api.run({ command: 'sh', arguments: ['-c', 'exit 4'] })
    await expect(api.client.killTask({ params: { id }, body: {} })).rejects.toMatchObject({
      code: 'conflict',
      message: `cannot kill task ${id}: it has ended (failed)`,
    })
    expect(await api.task(id)).toMatchObject({ status: 'failed', exitCode: 4 })
  })

  it('row 14: refuses a second runner under the name of one that is linked', async () => {
    const { api } = await start()
    const second = cluster.startRunner('n1', '--state-dir', join(cluster.dir, 'other'))
    await waitFor('the second runner is told', () => second.stderr.includes('another runner is linked as n1'))
    await second.stop()
    expect((await api.client.listNodes({})).items).toHaveLength(1)
    expect(await api.run({ command: 'true' })).toMatchObject({ status: 'completed' })
  })

  it('row 4: declares lost, with the evidence, what a wiped runner cannot know', async () => {
    const { api } = await start()
    const id = await api.submit({ command: 'sleep', arguments: ['60'] })
    await api.reached(id, 'running')
    await cluster.runner('n1').stop('SIGKILL')
    cluster.startRunner('n1', '--state-dir', join(cluster.dir, 'wiped'))
    const task = await api.ended(id)
    expect(task).toMatchObject({ status: 'lost', reason: 'n1 came back with an empty state directory' })
    process.kill(processOf(id) ?? 0, 'SIGKILL')
  })

  it('gives every event once and in order to a listener that comes back', async () => {
    const { api } = await start({ executor: 'fake' })
    const seen: ClusterEvent[] = []
    const listening = await api.events((event) => seen.push(event))
    const ids = await api.submitAll(Array.from({ length: 20 }, () => ({ command: 'true' })))
    await waitFor('some events', () => seen.length >= 10)
    listening.close()
    await cluster.restartHost('SIGKILL')
    for (const id of ids) await cluster.api.ended(id)
    await cluster.api.events((event) => seen.push(event), seen.at(-1)?.id)
    await waitFor(
      'all ends are told',
      () => seen.filter(({ type }) => type === 'exited').length === ids.length,
    )
    const eventIds = seen.map(({ id }) => id)
    expect(eventIds).toEqual([...eventIds].sort((a, b) => a - b))
    expect(new Set(eventIds).size).toBe(eventIds.length)
    for (const id of ids) {
      const types = seen.filter(({ taskId }) => taskId === id).map(({ type }) => type)
      expect(types).toEqual(['submitted', 'placed', 'started', 'exited'])
    }
  })

  it('row 23: stops in order: tasks go on, and a second host is refused meanwhile', async () => {
    const { api } = await start()
    const id = await api.submit({ command: 'sleep', arguments: ['0.5'] })
    await api.reached(id, 'running')
    const second = cluster.cli('host', '--state-dir', cluster.home, '--port', '0')
    expect(await second.ended).toMatchObject({ code: 1 })
    expect(second.stderr).toContain('another host is using')
    expect(await cluster.host.stop('SIGTERM')).toMatchObject({ code: 0 })
    expect(existsSync(join(cluster.home, 'host.json'))).toBe(false)
    await cluster.restartHost('SIGTERM')
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'completed' })
  })
})
