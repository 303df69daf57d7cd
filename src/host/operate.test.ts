/** What operators do about nodes and tasks: it holds over restarts, and nothing is given away twice. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start('--heartbeat', '0.2')
})
afterEach(() => host.close())

const submit = async (...targets: string[]) => {
  const body = { specs: [{ command: 'true', cores: 4 }], ...(targets.length > 0 ? { targets } : {}) }
  return (await host.client.submitBatch({ body })).tasks[0]?.taskId ?? ''
}
const task = (id: string) => host.client.getTask({ params: { id } })
const node = (name = 'n1') => host.client.getNode({ params: { name } })
const drain = (name: string, reason?: string) =>
  host.client.drainNode({ params: { name }, body: reason === undefined ? {} : { reason } })
const remove = (name: string, force = false) => host.client.removeNode({ params: { name }, body: { force } })
const reached = (id: string, status: string) =>
  waitFor(`${id} is ${status}`, async () => (await task(id)).status === status)
const silent = (name: string) =>
  waitFor(`${name} is silent`, async () => (await node(name)).status === 'unreachable')

describe('a drained node', () => {
  it('gets nothing new and says why; what runs there goes on', async () => {
    const runner = await host.link()
    const running = await submit()
    runner.started(running)
    await reached(running, 'running')
    expect(await drain('n1', 'kernel update')).toMatchObject({
      problem: 'drained by admin: kernel update',
      isDrained: true,
      tasksHeld: 1,
    })
    const waiting = await submit('n1')
    expect((await task(waiting)).reason).toContain('n1 takes no new tasks: drained by admin: kernel update')
    runner.exited(running)
    await reached(running, 'completed')
    expect(await task(waiting)).toMatchObject({ status: 'pending' })
    await host.client.resumeNode({ params: { name: 'n1' }, body: {} })
    await reached(waiting, 'assigning')
    expect(await node()).toMatchObject({ problem: null, isDrained: false })
  })

  it('stays so over a restart of the host and of its runner', async () => {
    await host.link()
    await drain('n1')
    await host.restart()
    await host.link({ bootId: 'boot-2' })
    const waiting = await submit('n1')
    expect(await node()).toMatchObject({ status: 'online', problem: 'drained by admin' })
    expect(await task(waiting)).toMatchObject({ status: 'pending' })
  })

  it('has to be one', async () => {
    await expect(drain('n9')).rejects.toMatchObject({ code: 'not_found', message: 'there is no node n9' })
  })
})

describe('a node that is removed', () => {
  it('may not be online, nor hold tasks unless that is forced', async () => {
    const runner = await host.link()
    const id = await submit()
    runner.started(id)
    await reached(id, 'running')
    await expect(remove('n1')).rejects.toMatchObject({ code: 'conflict', message: /it is online/ })
    runner.cut()
    await silent('n1')
    await expect(remove('n1')).rejects.toMatchObject({
      message: 'cannot remove n1: 1 task may still run there',
    })
    expect(await remove('n1', true)).toEqual({ removed: 'n1', lost: [id] })
    expect(await task(id)).toMatchObject({ status: 'lost', reason: 'admin removed its node n1' })
    expect((await host.client.listNodes({})).items).toEqual([])
    await host.restart()
    expect((await host.client.listNodes({})).items).toEqual([])
    const waiting = await submit()
    expect((await task(waiting)).reason).toContain('no node has joined yet')
    await host.link()
    await reached(waiting, 'assigning')
  })
})

describe('a task that is given up', () => {
  it('is lost, and is ended before its place is given away when its node comes back with it', async () => {
    const runner = await host.link()
    const id = await submit()
    runner.started(id)
    await reached(id, 'running')
    const forget = () => host.client.forgetTask({ params: { id }, body: {} })
    await expect(forget()).rejects.toMatchObject({ code: 'conflict', message: /its node n1 is online/ })
    runner.cut()
    await silent('n1')
    expect(await forget()).toMatchObject({
      status: 'lost',
      reason: 'admin gave it up: its node n1 was silent',
    })
    await expect(forget()).rejects.toMatchObject({ message: `cannot forget task ${id}: it has ended (lost)` })
    const waiting = await submit('n1')
    const held = [{ taskId: id, attempt: 1, phase: 'running' as const, startedAtMs: 1_000 }]
    const back = await host.link({ attempts: held })
    expect(await back.heard('kill')).toMatchObject({ taskId: id })
    expect((await node()).problem).toBe(
      `task ${id}, which has ended here, still runs there and is being ended`,
    )
    expect(await task(waiting)).toMatchObject({ status: 'pending' })
    back.exited(id, null, 'killed')
    back.beat([])
    await reached(waiting, 'assigning')
    expect(await task(id)).toMatchObject({ status: 'lost' })
  })

  it('has to be somewhere', async () => {
    const id = await submit()
    await expect(host.client.forgetTask({ params: { id }, body: {} })).rejects.toMatchObject({
      message: /not on any node/,
    })
  })
})
