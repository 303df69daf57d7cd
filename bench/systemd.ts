/** One real systemd node of the lab: latency and throughput, each over what systemd does alone in the same machine. */
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../src/platform/wait.ts'
import { Lab } from '../test/lab/lab.ts'
import { labProblem } from '../test/lab/require.ts'
import type { Api } from '../test/support/api.ts'
import { LocalCluster } from '../test/support/cluster.ts'
import { atLeast, atMost, percentile, round, told } from './report.ts'

const node = '/opt/node/bin/node'
const bench = '/opt/hakuriver/bench'
const blocks = 4
const perBlock = 50
const parallel = 16
const units = 400

export async function measureSystemd(): Promise<void> {
  const problem = labProblem()
  if (problem !== null) return told('one systemd node', `not measured: ${problem}`)
  const lab = await Lab.start({ nodes: 1, id: 'hb', net: '10.77.9' })
  const cluster = await LocalCluster.start({
    nodes: [],
    heartbeatSeconds: 5,
    hostArgs: ['--bind', lab.address, '--tls', 'off', '--log-level', 'warn'],
  })
  try {
    await joinNode(lab, cluster)
    await measureLatency(lab, cluster.api)
    await measureThroughput(lab, cluster.api)
    await measureLogs(cluster.api)
  } finally {
    await cluster.close()
    await lab.close()
  }
}

async function joinNode(lab: Lab, cluster: LocalCluster): Promise<void> {
  const token = join(lab.sharedDir, 'join-token')
  copyFileSync(join(cluster.home, 'join-token'), token)
  chmodSync(token, 0o644)
  const argv = ['--host', cluster.api.url, '--name', 'node1', '--join-token-file', '/shared/join-token']
  const dirs = ['--state-dir', '/scratch/state', '--local-temp-dir', '/scratch/tmp']
  const command = [node, `${bench}/lab-runner.ts`, String(parallel), ...argv, ...dirs]
  const service = await lab.service('node1', 'hakuriver-runner', command, ['KillMode=process'])
  await waitFor('node1 is online', async () => (await cluster.api.client.listNodes({})).items.length === 1, {
    deadlineMs: 20_000,
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${await service.log()}`)
  })
}

async function bare<T>(lab: Lab, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await lab.exec('node1', node, `${bench}/bare-units.ts`, ...args)
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as T // printed by bare-units.ts
}

/** Ends of tasks, as the event stream tells them. */
async function listen(api: Api): Promise<{ ended: (id: string) => Promise<number>; close: () => void }> {
  const at = new Map<string, number>()
  const waiting = new Map<string, (at: number) => void>()
  const { close } = await api.events(({ type, taskId }) => {
    if (type !== 'exited' || taskId === null) return
    at.set(taskId, performance.now())
    waiting.get(taskId)?.(performance.now())
  })
  const ended = (id: string) =>
    new Promise<number>((resolve) => {
      const known = at.get(id)
      if (known === undefined) waiting.set(id, resolve)
      else resolve(known)
    })
  return { ended, close }
}

/** In turns, so that both see the same machine. */
async function measureLatency(lab: Lab, api: Api): Promise<void> {
  const ours: number[] = []
  const alone: number[] = []
  const events = await listen(api)
  for (let block = 0; block < blocks; block += 1) {
    alone.push(...(await bare<number[]>(lab, 'wait', String(perBlock))))
    for (let i = 0; i < perBlock; i += 1) {
      const from = performance.now()
      const id = await api.submit({ command: 'true' })
      ours.push((await events.ended(id)) - from)
    }
  }
  events.close()
  const [a, b] = [percentile(ours, 0.5), percentile(alone, 0.5)]
  atMost(
    'submit → end seen, p50, over systemd-run --wait true',
    a / b,
    0.75,
    '×',
    ` (${round(a)} ms over ${round(b)} ms)`,
  )
  told(
    'submit → end seen, p99',
    `${round(percentile(ours, 0.99))} ms (systemd-run: ${round(percentile(alone, 0.99))} ms)`,
  )
}

async function measureThroughput(lab: Lab, api: Api): Promise<void> {
  const ours: number[] = []
  const alone: number[] = []
  const events = await listen(api)
  const specs = Array.from({ length: units }, () => ({ command: 'true' }))
  for (let block = 0; block < blocks; block += 1) {
    alone.push(await bare<number>(lab, 'units', String(units), String(parallel)))
    const from = performance.now()
    const ids = await api.submitAll(specs)
    const ends = await Promise.all(ids.map(events.ended))
    ours.push((units * 1000) / (Math.max(...ends) - from))
  }
  events.close()
  const [a, b] = [percentile(ours, 0.5), percentile(alone, 0.5)]
  atLeast(
    `tasks per second, one systemd node, over bare units, ${parallel} at a time`,
    a / b,
    0.8,
    '×',
    ` (${round(a)}/s over ${round(b)}/s)`,
  )
}

/** From a line's write on the node to its arrival at a follower. Both clocks are the same kernel's. */
async function measureLogs(api: Api): Promise<void> {
  const lines = 60
  const script = `i=0; while [ $i -lt ${lines} ]; do date +%s%N; sleep 0.05; i=$((i+1)); done`
  const id = await api.submit({ command: 'sh', arguments: ['-c', script] })
  const delays: number[] = []
  await api.follow(id, (data) => {
    const nowMs = performance.timeOrigin + performance.now()
    for (const line of data.toString().trim().split('\n')) delays.push(nowMs - Number(line) / 1e6)
  }).done
  atMost(
    'log: line written → seen by a follower, p99',
    percentile(delays, 0.99),
    100,
    'ms',
    ` (p50 ${round(percentile(delays, 0.5))})`,
  )
}
