/** Many fake nodes in a process of their own: everything but the processes of tasks is real. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/platform/wait.ts'
import type { LocalCluster } from './cluster.ts'
import { Program, root } from './program.ts'

/** Links them to a cluster without others, as `fake1`, `fake2`, …; resolves when all are online. */
export async function startFakeNodes(
  cluster: LocalCluster,
  nodes: number,
  cores: number,
): Promise<{ stop: () => Promise<void> }> {
  // in memory: a thousand machines do not share one disk with each other and with the host
  const dir = mkdtempSync('/dev/shm/hakuriver-fake-')
  const args = [cluster.api.url, join(cluster.home, 'join-token'), dir, String(nodes), String(cores)]
  const runners = new Program(process.execPath, [join(root, 'bench/fake-runners.ts'), ...args])
  const stop = async () => {
    await runners.stop()
    rmSync(dir, { recursive: true })
  }
  const isUp = async () => {
    if (runners.child.exitCode !== null) throw new Error('they ended')
    const { items } = await cluster.api.client.listNodes({})
    return items.filter(({ status }) => status === 'online').length === nodes
  }
  try {
    await waitFor(`${nodes} fake nodes`, isUp, { deadlineMs: 120_000, everyMs: 200 })
  } catch (error) {
    await stop()
    throw new Error(`${String(error)}: ${runners.stderr}`)
  }
  return { stop }
}
