/** Durable submits per second: each is answered after its commit is on disk. */
import type { Api } from '../test/support/api.ts'
import { atLeast } from './report.ts'

const callers = 16
const singles = 8_000
const batches = 60
const batchSize = 1_000

/** Tasks for a node that does not exist yet would be refused: these ask for more than any node has free. */
const spec = { command: 'true', arguments: ['of', 'the', 'benchmark'], cores: 100_000 }

export async function measureSubmits(api: Api): Promise<void> {
  await many(500, () => api.client.submitBatch({ body: { specs: [spec] } })) // warm
  const single = await many(singles, () => api.client.submitBatch({ body: { specs: [spec] } }))
  atLeast(`durable submits, single, ${callers} callers`, single, 2_000, 'submits/s')
  const specs = Array.from({ length: batchSize }, () => spec)
  const inBatches = await many(batches, () => api.client.submitBatch({ body: { specs } }), 4)
  atLeast(`durable submits, batches of ${batchSize}, 4 callers`, inBatches * batchSize, 30_000, 'tasks/s')
}

/** Runs the action `count` times with so many at once; answers with how many per second. */
async function many(count: number, action: () => Promise<unknown>, atOnce = callers): Promise<number> {
  let left = count
  const from = performance.now()
  const caller = async () => {
    while (left > 0) {
      left -= 1
      await action()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, caller))
  return (count * 1000) / (performance.now() - from)
}
