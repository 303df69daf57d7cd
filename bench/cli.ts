/** Start to exit of the command line over that of bare Node, one after the other in turns. */
import { spawnSync } from 'node:child_process'
import type { LocalCluster } from '../test/support/cluster.ts'
import { bundle } from '../test/support/program.ts'
import { atMost, percentile, round } from './report.ts'

const rounds = 40

export function measureCli(cluster: LocalCluster): void {
  const env = { ...process.env, HAKURIVER_HOME: cluster.home }
  const bare: number[] = []
  const nodes: number[] = []
  for (let i = 0; i < rounds; i += 1) {
    bare.push(timeOf(['-e', '0'], env))
    nodes.push(timeOf([bundle('hakuriver'), 'nodes'], env))
  }
  const [a, b] = [percentile(nodes, 0.5), percentile(bare, 0.5)]
  atMost(
    'hakuriver nodes, start to exit, over bare node -e 0',
    a / b,
    1.8,
    '×',
    ` (${round(a)} ms over ${round(b)} ms)`,
  )
}

function timeOf(args: string[], env: NodeJS.ProcessEnv): number {
  const from = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { env })
  if (status !== 0) throw new Error(`node ${args.join(' ')} failed: ${stderr.toString()}`)
  return performance.now() - from
}
