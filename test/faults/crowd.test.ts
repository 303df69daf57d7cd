/** Many at once: nodes that all come back, and tasks that all wait. The host answers meanwhile, and its memory is bounded. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { Program, root } from '../support/program.ts'

const heartbeatSeconds = 5
/** An answer that takes longer would be felt. */
const answerMs = 2_000

let cluster: LocalCluster
afterEach(() => cluster.close())

it('row 16: of two hundred nodes that come back at once all are there within two heartbeats, none called silent', async () => {
  cluster = await LocalCluster.start({ nodes: [], heartbeatSeconds, hostArgs: ['--log-level', 'warn'] })
  const dir = mkdtempSync(join(tmpdir(), 'hakuriver-crowd-'))
  const args = [cluster.api.url, join(cluster.home, 'join-token'), dir, '200', '4']
  const runners = new Program(process.execPath, [join(root, 'bench/fake-runners.ts'), ...args])
  try {
    const online = async () => {
      const { items } = await cluster.api.client.listNodes({})
      return items.filter(({ status }) => status === 'online').length
    }
    await waitFor('all nodes have joined', async () => (await online()) === 200, { deadlineMs: 60_000 })
    const ids = await cluster.api.submitAll(
      Array.from({ length: 200 }, () => ({ command: 'sleep', arguments: ['600'], cores: 4 })),
    )
    const running = async () => (await cluster.api.client.listTasks({ query: { status: ['running'] } })).total
    await waitFor('all tasks run', async () => (await running()) === 200, { deadlineMs: 60_000 })
    await cluster.restartHost('SIGKILL')
    const began = performance.now()
    let slowest = 0
    await waitFor(
      'all nodes are back',
      async () => {
        const asked = performance.now()
        const count = await online()
        slowest = Math.max(slowest, performance.now() - asked)
        return count === 200
      },
      { deadlineMs: 60_000 },
    )
    expect(performance.now() - began).toBeLessThan(2 * heartbeatSeconds * 1_000)
    expect(slowest).toBeLessThan(answerMs)
    expect(await running()).toBe(200)
    const events = (await cluster.api.client.listTaskEvents({ params: { id: ids[0] ?? '' } })).items
    expect(events.map(({ type }) => type)).not.toContain('node_silent')
  } finally {
    await runners.stop()
    rmSync(dir, { recursive: true, force: true })
  }
})

it('row 17: a hundred thousand waiting tasks take bounded memory, are shown page by page, and can be killed', async () => {
  cluster = await LocalCluster.start({ nodes: [], heartbeatSeconds, hostArgs: ['--log-level', 'warn'] })
  const { client } = cluster.api
  const before = residentBytes(cluster.host.pid)
  const specs = Array.from({ length: 10_000 }, () => ({ command: 'true' }))
  let last = ''
  for (let batch = 0; batch < 10; batch += 1)
    last = (await client.submitBatch({ body: { specs } })).batchId ?? ''
  expect(residentBytes(cluster.host.pid) - before).toBeLessThan(400 * 1024 ** 2)
  const asked = performance.now()
  const page = await client.listTasks({ query: { status: ['pending'], limit: 100 } })
  expect(performance.now() - asked).toBeLessThan(answerMs)
  expect(page.total).toBe(100_000)
  expect(page.items).toHaveLength(100)
  expect(page.items[0]?.reason).toContain('no node has joined yet')
  const { killed } = await client.killBatch({ params: { id: last }, body: {} })
  expect(killed).toHaveLength(10_000)
  expect((await client.listTasks({ query: { status: ['pending'], limit: 1 } })).total).toBe(90_000)
})

function residentBytes(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}
