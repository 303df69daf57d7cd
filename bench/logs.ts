/** A log of 1 GB and ten million lines, in the shared directory and on a node: how soon a reader sees any part of it. */
import { join } from 'node:path'
import { logPath } from '../src/platform/log-paths.ts'
import { waitFor } from '../src/platform/wait.ts'
import { fillPath } from '../src/protocol/client.ts'
import { streamRoutes } from '../src/protocol/routes.ts'
import { bigLog, bigLogLine, bigLogLineBytes } from '../test/support/big-log.ts'
import { LocalCluster } from '../test/support/cluster.ts'
import { temporaryDir } from '../test/support/program.ts'
import { tellMemoryAfter } from './memory.ts'
import { atMost, percentile, round, told } from './report.ts'

const lineCount = 10_000_000
const pages = 500
/** Near the end, so that a search goes through all of it. */
const rareLine = lineCount - 7
const rare = 'ERROR out of memory'

export async function measureLogs(): Promise<void> {
  const shared = temporaryDir()
  try {
    for (const place of ['shared', 'node'] as const) {
      const hostArgs = place === 'shared' ? ['--shared-dir', shared.path] : []
      const cluster = await LocalCluster.start({ hostArgs, heartbeatSeconds: 5 })
      try {
        const id = await cluster.api.submit({ command: 'true' })
        await cluster.api.ended(id)
        const dir = place === 'shared' ? shared.path : join(cluster.dir, 'n1')
        const where = place === 'shared' ? 'in the shared directory' : 'on a node'
        const startMs = performance.now()
        bigLog(logPath(dir, 'stdout', Number(id)), lineCount, { [rareLine]: rare })
        const tookMs = performance.now() - startMs
        told(
          `log of ${lineCount} lines and ${bigLogLineBytes * lineCount} bytes, written`,
          `${round(tookMs)} ms`,
        )
        await measureLog(cluster, id, where)
        tellMemoryAfter(cluster, `a log of 1 GB ${where}`)
      } finally {
        await cluster.close()
      }
    }
  } finally {
    shared.remove()
  }
}

async function measureLog(cluster: LocalCluster, id: string, where: string): Promise<void> {
  const params = { id, stream: 'stdout' } as const
  const lines = (query: { from?: number; tail?: boolean; count?: number }) =>
    cluster.api.client.readLogLines({ params, query })
  const jump = async (line: number) => {
    for (;;) {
      const page = await lines({ from: line })
      if (page.items.length === 0 && page.countedBytes < page.size) continue
      if (page.items[0]?.text !== bigLogLine(line)) throw new Error(`line ${line} is not what was written`)
      return
    }
  }

  const pulse = startPulse(cluster)
  const openMs = await timed(async () => {
    const { items } = await lines({ tail: true })
    if (items.at(-1)?.text !== bigLogLine(lineCount)) throw new Error('the last line is another')
  })
  atMost(`log ${where}, opened at its end`, openMs, 1_000, 'ms')
  const allMs = await timed(async () => {
    for (;;) {
      const { countedBytes, size } = await lines({ from: lineCount, count: 1 })
      if (countedBytes === size) return
    }
  })
  told(`log ${where}, all lines counted`, `${round(allMs)} ms`)
  await pulse.stop(`log ${where}, 99 of 100 waits for /healthz while it is counted`)

  await cluster.restartHost('SIGTERM')
  await cluster.runner('n1').stop()
  cluster.startRunner('n1')
  const path = fillPath(streamRoutes.taskLog.path, { params, query: { limit: 1 } })
  await waitFor('the log can be read', async () => (await cluster.api.raw({ path })).status === 200)
  told(`log ${where}, line 5,000,000, uncounted`, `${round(await timed(() => jump(5_000_000)))} ms`)
  atMost(`log ${where}, line 5,000,001, counted`, await timed(() => jump(5_000_001)), 50, 'ms')
  while ((await lines({ from: lineCount, count: 1 })).items.length === 0);

  const waits: number[] = []
  for (let page = 0; page < pages; page += 1) {
    const line = 1 + ((page * 7_368_787) % (lineCount - 200))
    waits.push(await timed(() => jump(line)))
  }
  const detail = ` (half within ${round(percentile(waits, 0.5))} ms)`
  atMost(`log ${where}, 99 of 100 random pages of 200 lines`, percentile(waits, 0.99), 50, 'ms', detail)

  const searchPulse = startPulse(cluster)
  let calls = 0
  const searchMs = await timed(async () => {
    for (let offset: number | null = 0; offset !== null; calls += 1) {
      const found = await cluster.api.client.searchLog({ params, query: { q: rare.toLowerCase(), offset } })
      if (found.items.some(({ line }) => line === rareLine)) return
      offset = found.next
    }
    throw new Error('the search has not found it')
  })
  told(`log ${where}, searched through`, `${round(searchMs)} ms in ${calls + 1} calls`)
  await searchPulse.stop(`log ${where}, 99 of 100 waits for /healthz while it is searched`)
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

/** Asks the host for a sign of life, again and again, until `stop` tells how long that took. */
function startPulse(cluster: LocalCluster): { stop: (what: string) => Promise<void> } {
  let isOver = false
  const waits: number[] = []
  const beat = async () => {
    while (!isOver) {
      waits.push(await timed(() => cluster.api.client.health({}).then(() => {})))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const beating = beat()
  return {
    stop: async (what) => {
      isOver = true
      await beating
      atMost(what, percentile(waits, 0.99), 20, 'ms', ` (longest ${round(Math.max(...waits))} ms)`)
    },
  }
}
