/** What was, over time: load of nodes and of the cluster, and what tasks used. It stands beside the engine. */
import { isFinal } from '../../core/task.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Cluster } from '../cluster.ts'
import type { EventHub } from '../event-hub.ts'
import { HistoryFile } from '../store/history-file.ts'
import type { EventRecord } from '../store/rows.ts'
import { LoadHistory } from './load-history.ts'
import { TaskUsages } from './task-usage.ts'

export interface HistoryDeps {
  /** The file in which it is kept. */
  path: string
  cluster: Pick<Cluster, 'nodes' | 'ledger' | 'runningOn' | 'task'>
  hub: EventHub
  clock: Clock
  log: Log
  heartbeatMs: number
}

/** Between two writes of what tasks used. */
const saveMs = 5_000

export class History {
  readonly load: LoadHistory
  readonly usages: TaskUsages
  private readonly deps: HistoryDeps
  private readonly file: HistoryFile
  /** Takes back the next write. */
  private cancel = () => {}
  private readonly unsubscribe: () => void

  /** Opens its file, or does without one: nothing of it keeps a host from starting. */
  constructor(deps: HistoryDeps) {
    const { path, cluster, hub, clock, log, heartbeatMs } = deps
    this.deps = deps
    this.file = new HistoryFile(path, log)
    this.load = new LoadHistory({ file: this.file, clock, cluster, heartbeatMs })
    this.usages = new TaskUsages({ file: this.file, clock, task: (id) => cluster.task(id) })
    this.unsubscribe = hub.subscribe((events) => this.saw(events))
    this.saveLater()
  }

  /** Writes what is left, behind the last event. */
  close(): void {
    this.unsubscribe()
    this.cancel()
    this.load.close()
    this.usages.close()
    this.file.close()
  }

  private saw(events: readonly EventRecord[]): void {
    for (const event of events) {
      if (event.kind === 'task') {
        if (isFinal(event.status)) this.usages.end(event.taskId)
      } else if (event.type === 'removed' && !this.deps.cluster.nodes.has(event.node))
        this.load.forget(event.node)
    }
  }

  private saveLater(): void {
    this.cancel = this.deps.clock.after(saveMs, () => {
      this.usages.saveLive()
      this.saveAll()
    })
  }

  private saveAll(): void {
    if (this.usages.save()) this.cancel = this.deps.clock.soon(() => this.saveAll())
    else this.saveLater()
  }
}
