/** What a stretch of events has changed, in few words: each task once as it is now, and the nodes. */
import { digestNodes, digestTasks, type LiveDigest } from '../protocol/live.ts'
import type { EventRecord } from './store/rows.ts'

type Changed = Pick<LiveDigest, 'tasks' | 'nodes' | 'hasMore'>

export class LiveChanges {
  /** The newest changes last. */
  private readonly tasks = new Map<number, LiveDigest['tasks'][number]>()
  private readonly nodes = new Set<string>()
  private hasMore = false

  get isEmpty(): boolean {
    return this.tasks.size === 0 && this.nodes.size === 0
  }

  /** Takes events in, in their order. Of too many tasks or nodes the oldest changes are no longer named. */
  add(events: readonly EventRecord[]): void {
    for (const event of events) {
      if (event.kind === 'node') {
        this.nodes.delete(event.node)
        this.nodes.add(event.node)
        this.drop(this.nodes, digestNodes)
        continue
      }
      const { taskId, batchId, status, node } = event
      this.tasks.delete(taskId)
      this.tasks.set(taskId, { id: String(taskId), batchId: String(batchId), status, node })
      this.drop(this.tasks, digestTasks)
    }
  }

  /** What was taken in, for a digest. */
  told(): Changed {
    return { tasks: [...this.tasks.values()], nodes: [...this.nodes], hasMore: this.hasMore }
  }

  private drop<K>(named: Map<K, unknown> | Set<K>, max: number): void {
    if (named.size <= max) return
    const [oldest] = named.keys()
    if (oldest !== undefined) named.delete(oldest)
    this.hasMore = true
  }
}
