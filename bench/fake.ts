/** Start to finish of many tasks through the host, with fake runners: what the host itself can carry. */
import { LocalCluster } from '../test/support/cluster.ts'
import { startFakeNodes } from '../test/support/fake-nodes.ts'
import { tellMemoryAfter } from './memory.ts'
import { atLeast, told } from './report.ts'

const tasks = 20_000
const batchSize = 1_000

export async function measureFake(): Promise<void> {
  const rates: number[] = []
  for (const nodes of [1, 10, 100, 1_000]) {
    const cluster = await LocalCluster.start({
      nodes: [],
      heartbeatSeconds: 5,
      hostArgs: ['--log-level', 'warn'],
    })
    const runners = await startFakeNodes(cluster, nodes, Math.max(4, Math.ceil(512 / nodes)))
    const rate = await runAll(cluster)
    rates.push(rate)
    atLeast(`start to finish, ${nodes} fake ${nodes === 1 ? 'node' : 'nodes'}`, rate, 3_000, 'tasks/s')
    if (nodes === 1) tellMemoryAfter(cluster, `${tasks} tasks`)
    await runners.stop()
    await cluster.close()
  }
  told('slowest over fastest of these', `${(Math.min(...rates) / Math.max(...rates)).toFixed(2)} ×`)
}

async function runAll({ api }: LocalCluster): Promise<number> {
  let ended = 0
  const done = Promise.withResolvers<number>()
  const events = await api.events(({ type, kind }) => {
    if (kind !== 'task' || type !== 'exited') return
    ended += 1
    if (ended === tasks) done.resolve(performance.now())
  })
  const specs = Array.from({ length: batchSize }, () => ({ command: 'true' }))
  const from = performance.now()
  for (let sent = 0; sent < tasks; sent += batchSize) await api.client.submitBatch({ body: { specs } })
  const until = await done.promise
  events.close()
  return (tasks * 1000) / (until - from)
}
