/** A million ended tasks in the store: how soon a host is up, and how long any part of its lists takes. */
import { join } from 'node:path'
import type { Input } from '../src/protocol/host-api.ts'
import { LocalCluster } from '../test/support/cluster.ts'
import { type Seeded, seedTasks } from '../test/support/seed.ts'
import { tellMemoryAfter } from './memory.ts'
import { atMost, percentile, round, told } from './report.ts'

const tasks = 1_000_000
const nodes = 50
const requests = 300
const budgetMs = 20

export async function measureStore(): Promise<void> {
  const cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--log-level', 'warn'] })
  try {
    await cluster.host.stop('SIGTERM')
    const seedMs = performance.now()
    const seeded = seedTasks(join(cluster.home, 'cluster.db'), tasks, { nodes })
    told(`${tasks} ended tasks, written`, `${round((performance.now() - seedMs) / 1000)} s`)
    const startMs = performance.now()
    await cluster.startHost()
    atMost('start of the host on them', (performance.now() - startMs) / 1000, 2, 's')
    await measureLists(cluster, seeded)
    await measureSearch(cluster)
    tellMemoryAfter(cluster, `lists of ${tasks} ended tasks`)
  } finally {
    await cluster.close()
  }
}

type Query = Input<'listTasks'>['query']

const lists: [string, Query][] = [
  ['all', {}],
  ['by status', { status: ['failed', 'lost'] }],
  ['by node', { node: 'n7' }],
  ['by status and node', { status: ['failed', 'lost'], node: 'n7' }],
  ['all, by end', { sort: 'ended' }],
  [
    'by status and node, by end, oldest first',
    { status: ['failed'], node: 'n7', sort: 'ended', order: 'asc' },
  ],
]

async function measureLists({ api }: LocalCluster, seeded: Seeded): Promise<void> {
  const { client } = api
  for (const [what, query] of lists) {
    await measure(`list ${what}: first page`, () => client.listTasks({ query }))
    const cursor = await deepCursor(client, query)
    await measure(`list ${what}: a page deep inside`, () => client.listTasks({ query: { ...query, cursor } }))
  }
  await measure('counts', () => client.countTasks({ query: {} }))
  await measure('counts of a node', () => client.countTasks({ query: { node: 'n7' } }))
  await measure('overview', () => client.overview({}))
  const batchId = String(seeded.newestBatchId)
  await measure('a batch by duration', () => client.listTasks({ query: { batchId, sort: 'duration' } }))
  await measure('batches', () => client.listBatches({ query: {} }))
  await measure('an id in a search', () =>
    client.listTasks({ query: { q: String(seeded.oldestTaskId), limit: 1 } }),
  )
  await measure('open a task and its history', async () => {
    const params = { id: String(seeded.newestTaskId) }
    await Promise.all([client.getTask({ params }), client.listTaskEvents({ params })])
  })
}

/** Where a list stands after a thousand pages, or half of it where it has fewer. */
async function deepCursor(client: LocalCluster['api']['client'], query: Query): Promise<string> {
  const { total } = await client.listTasks({ query: { ...query, limit: 1 } })
  const pages = Math.ceil(Math.min(100_000, (total ?? 0) / 2) / 1_000)
  let cursor: string | undefined
  for (let page = 0; page < pages; page += 1) {
    const { next } = await client.listTasks({
      query: { ...query, limit: 1_000, ...(cursor !== undefined && { cursor }) },
    })
    cursor = next ?? cursor
  }
  if (cursor === undefined) throw new Error('the list has no second page')
  return cursor
}

/** A search through everything, and what it does to who asks for something else meanwhile. */
async function measureSearch({ api }: LocalCluster): Promise<void> {
  const { client } = api
  let isOver = false
  const others: number[] = []
  const ask = async () => {
    while (!isOver) others.push(await timed(() => client.countTasks({ query: {} })))
  }
  const asking = ask()
  const from = performance.now()
  const pages: number[] = []
  let cursor: string | null = null
  do {
    const query: Query = { q: 'nothing is called so', ...(cursor !== null && { cursor }) }
    pages.push(
      await timed(async () => {
        cursor = (await client.listTasks({ query })).next
      }),
    )
  } while (cursor !== null)
  told(`search through all tasks, ${pages.length} pages`, `${round((performance.now() - from) / 1000)} s`)
  isOver = true
  await asking
  atMost('a page of it, p99', percentile(pages, 0.99), 300, 'ms')
  tellTimes('counts while it searches', others, 100)
}

async function measure(what: string, action: () => Promise<unknown>): Promise<void> {
  for (let warm = 0; warm < 20; warm += 1) await action()
  const times: number[] = []
  for (let at = 0; at < requests; at += 1) times.push(await timed(action))
  tellTimes(what, times, budgetMs)
}

function tellTimes(what: string, times: number[], budget: number): void {
  atMost(`${what}, p99`, percentile(times, 0.99), budget, 'ms', ` (p50 ${round(percentile(times, 0.5))})`)
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await action()
  return performance.now() - from
}
