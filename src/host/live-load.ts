/** What each node does, as text that is made once for all who look. */
import type { LiveLoad } from '../protocol/live.ts'
import type { Cluster, NodeState } from './cluster.ts'
import { instant } from './views.ts'

export class LiveLoads {
  private readonly cluster: Cluster
  /** Each node as it was told last. */
  private readonly texts = new Map<string, string>()

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  /** Looks at all nodes. @returns those that have changed, as JSON */
  look(): string[] {
    const { nodes } = this.cluster
    for (const name of this.texts.keys()) if (!nodes.has(name)) this.texts.delete(name)
    const changed: string[] = []
    for (const [name, node] of nodes) {
      const text = JSON.stringify(this.lineOf(node))
      if (this.texts.get(name) === text) continue
      this.texts.set(name, text)
      changed.push(text)
    }
    return changed
  }

  /** All nodes as of the last look, as JSON. */
  all(): string[] {
    return [...this.texts.values()]
  }

  private lineOf({ record, load }: NodeState): LiveLoad['nodes'][number] {
    const account = this.cluster.ledger.freeOf(record.name)
    return {
      name: record.name,
      status: record.status,
      lastSeenAt: instant(record.lastSeenMs),
      cpuPercent: load?.cpuPercent ?? null,
      memoryUsedBytes: load?.memoryUsedBytes ?? null,
      coresAllocated: account?.coresHeld ?? 0,
      memoryAllocatedBytes: account?.memoryHeldBytes ?? 0,
    }
  }
}
