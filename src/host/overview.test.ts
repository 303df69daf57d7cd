import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

const overview = () => host.client.overview({})

describe('the overview', () => {
  it('of a new cluster is empty', async () => {
    expect(await overview()).toMatchObject({
      counts: {},
      nodes: { total: 0, online: 0, unreachable: 0, closed: 0 },
      cores: 0,
      memoryUsedBytes: null,
      cpuPercent: null,
    })
  })

  it('sums up nodes, what is allocated, and tasks', async () => {
    const runner = await host.link({ node: 'n1', cores: 4 })
    await host.link({ node: 'n2', runnerId: 'runner-2', cores: 12 })
    await host.client.drainNode({ params: { name: 'n2' }, body: {} })
    const body = { specs: [{ command: 'true', cores: 3, memoryBytes: 5 }], targets: ['n1', 'n1'] }
    await host.client.submitBatch({ body })
    await runner.heard('start')
    const seen = await waitFor('both have told their load', async () => {
      const now = await overview()
      return now.memoryUsedBytes === 2 && now
    })
    expect(seen).toMatchObject({
      counts: { pending: 1, assigning: 1 },
      nodes: { total: 2, online: 2, unreachable: 0, closed: 1 },
      cores: 16,
      coresAllocated: 3,
      memoryBytes: 2 * 2 ** 33,
      memoryAllocatedBytes: 5,
      cpuPercent: 5,
    })
  })

  it('keeps what is allocated on a silent node', async () => {
    const runner = await host.link({ cores: 4 })
    await host.client.submitBatch({ body: { specs: [{ command: 'true', cores: 3 }] } })
    await runner.heard('start')
    await host.restart('--heartbeat', '0.05')
    const silent = await waitFor('it is silent', async () => {
      const now = await overview()
      return now.nodes.unreachable === 1 && now
    })
    expect(silent).toMatchObject({
      nodes: { total: 1, online: 0 },
      cores: 0,
      coresAllocated: 3,
      cpuPercent: null,
    })
  })
})
