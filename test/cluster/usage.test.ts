/** What real tasks of real processes use, as the host tells it over time. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'

const MiB = 1024 ** 2
let cluster: LocalCluster
beforeAll(async () => {
  cluster = await LocalCluster.start()
})
afterAll(() => cluster.close())

const usageOf = (id: string) => cluster.api.client.getTaskUsage({ params: { id } })
const known = (values: (number | null)[]) => values.filter((value) => value !== null)

it('tells the CPU and the memory of a busy task while it runs, and when it has ended', async () => {
  const { api } = cluster
  // holds 64 MiB in a variable, and spins
  const script = 'held=$(head -c 67108864 /dev/zero | tr "\\0" x); while :; do :; done'
  const id = await api.submit({ command: 'sh', arguments: ['-c', script], memoryBytes: 256 * MiB })
  const idle = await api.submit({ command: 'sleep', arguments: ['600'] })
  await api.reached(id, 'running')
  await api.reached(idle, 'running')
  const usage = await waitFor(
    'two steps of it',
    async () => {
      const found = await usageOf(id)
      return known(found.cpuCores).length >= 2 && known(found.memoryBytes).length >= 2 ? found : null
    },
    { deadlineMs: 30_000 },
  )
  expect(usage).toMatchObject({ id, cores: 1, memoryLimitBytes: 256 * MiB, stepMs: 5_000, missing: null })
  const task = await api.client.getTask({ params: { id } })
  expect(Math.abs(Date.parse(usage.startAt ?? '') - Date.parse(task.startedAt ?? ''))).toBeLessThan(10)
  // others use this machine too: it may get less than it wants
  expect(Math.max(...known(usage.cpuCores))).toBeGreaterThan(0.2)
  expect(Math.max(...known(usage.cpuCores))).toBeLessThan(1.3)
  expect(Math.max(...known(usage.memoryBytes))).toBeGreaterThan(64 * MiB)
  expect(Math.max(...known(usage.memoryBytes))).toBeLessThan(400 * MiB)

  const { items } = await api.client.listUsage({ query: { ids: [idle, id, '1'] } })
  expect(items.map((item) => item.id)).toEqual([idle, id])
  expect(Math.max(...known(items[0]?.cpuCores ?? []))).toBeLessThan(0.1)

  await api.client.killTask({ params: { id }, body: {} })
  await api.ended(id)
  const kept = await usageOf(id)
  expect(known(kept.cpuCores).length).toBeGreaterThanOrEqual(2)
  await cluster.restartHost('SIGTERM')
  await cluster.allOnline()
  expect(await usageOf(id)).toEqual(kept)
  // what goes on is told of on
  const before = (await usageOf(idle)).startAt
  await waitFor(
    'more of what runs',
    async () => (await usageOf(idle)).cpuCores.length > items[0]!.cpuCores.length,
    {
      deadlineMs: 30_000,
    },
  )
  expect((await usageOf(idle)).startAt).toBe(before)
  await api.client.killTask({ params: { id: idle }, body: {} })
})

it('says why nothing is told of a task', async () => {
  const { api } = cluster
  const quick = await api.run({ command: 'true' })
  expect(await usageOf(quick.id)).toMatchObject({ cpuCores: [], missing: expect.stringContaining('before') })
  await expect(usageOf('1')).rejects.toMatchObject({ code: 'not_found' })
})

it('tells the load of the node and of the cluster', async () => {
  const { api } = cluster
  const last = <T>(values: T[]) => values.slice(-3)
  const history = await waitFor('some load', async () => {
    const found = await api.client.getNodeHistory({ params: { name: 'n1' }, query: {} })
    return known(last(found.cpuPercent)).length > 0 ? found : null
  })
  expect(history).toMatchObject({ range: 'hour', stepMs: 10_000 })
  expect(history.cpuPercent).toHaveLength(360)
  const { cores } = await api.client.getNode({ params: { name: 'n1' } })
  expect(known(history.cores).every((value) => value === cores)).toBe(true)
  const whole = await api.client.getHistory({ query: { range: 'day' } })
  expect(whole.cores.at(-1)).toBe(cores)
  expect(whole.cpuPercent).toHaveLength(1_440)
  const { items } = await api.client.listNodeHistories({ query: { range: 'month', points: 30 } })
  expect(items).toMatchObject([{ node: 'n1', cores }])
  expect(items[0]?.cpuPercent).toHaveLength(30)
  expect(known(items[0]?.cpuPercent ?? [])).toHaveLength(1)
})
