/** Runners inside the test's own process, each with a machine of any size: everything but their hardware is real. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Capacity, NumaNode } from '../../src/core/node.ts'
import { silentLog } from '../../src/platform/log.ts'
import { createRunner } from '../../src/runner/app.ts'
import { loadRunnerConfig } from '../../src/runner/config.ts'

export interface MadeUpNode {
  name: string
  cores: number
  memoryGiB: number
  /** Number of NUMA nodes that share them; default: the machine tells of none. */
  numaNodes?: number
  executor?: 'fake' | 'process'
}

const GiB = 1024 ** 3

/** Links the nodes to a host. `dir` keeps their state. */
export async function startRunners(
  host: { url: string; home: string; dir: string },
  nodes: readonly MadeUpNode[],
): Promise<Map<string, { close(): Promise<void> }>> {
  const tokenFile = join(host.home, 'join-token')
  const started = nodes.map(async (node) => {
    const state = [
      '--state-dir',
      join(host.dir, node.name),
      '--local-temp-dir',
      join(host.dir, `${node.name}-tmp`),
    ]
    const token = existsSync(tokenFile) ? ['--join-token-file', tokenFile] : []
    const user = process.getuid?.() === 0 ? ['--task-user', 'nobody'] : []
    const argv = [
      ...user,
      '--host',
      host.url,
      '--name',
      node.name,
      '--executor',
      node.executor ?? 'fake',
      ...token,
      ...state,
    ]
    const config = loadRunnerConfig({ argv, env: {} })
    return [node.name, await createRunner({ config, log: silentLog, capacity: capacityOf(node) })] as const
  })
  return new Map(await Promise.all(started))
}

/** The cores and the memory, parted evenly; two NUMA nodes of one socket are nearer than others. */
function capacityOf({ cores, memoryGiB, numaNodes = 0 }: MadeUpNode): Capacity {
  const each = Math.floor(cores / Math.max(1, numaNodes))
  const parts = Array.from({ length: numaNodes }, (_, id): NumaNode => {
    const distances = Array.from({ length: numaNodes }, (_, other) => [
      String(other),
      id === other ? 10 : id >> 1 === other >> 1 ? 12 : 21,
    ])
    return {
      id,
      cpus: Array.from({ length: each }, (_, at) => id * each + at),
      memoryBytes: (memoryGiB * GiB) / numaNodes,
      distances: Object.fromEntries(distances) as Record<string, number>,
    }
  })
  return { cores, memoryBytes: memoryGiB * GiB, numaNodes: parts }
}
