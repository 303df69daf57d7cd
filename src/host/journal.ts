/**
 * Group commit: what one turn of the event loop changes becomes durable in one transaction, and only then is it
 * told to anybody (answers, acknowledgements, orders to runners, the event stream).
 */
import type { AuditEntry } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { EventRecord, NodeRecord } from './store/rows.ts'
import type { BatchRecord, Store } from './store/store.ts'

/** A submit that is not committed yet: it can still be refused as a whole. */
export interface OpenSubmit {
  batch: BatchRecord
  taskIds: readonly number[]
  /** Takes its tasks out of memory again. */
  revert: () => void
  resolve: () => void
  reject: (error: Error) => void
  /** The row of the log of who did what, which goes into the same commit. */
  audit: AuditEntry | null
}

/** A row of that log for what was done before, or refused. */
interface OpenRow {
  entry: AuditEntry
  resolve: () => void
  reject: (error: Error) => void
}

export interface JournalDeps {
  store: Store
  log: Log
  clock: Clock
  /** A commit failed, and not because the disk is full: what is in memory cannot be saved any more. */
  onBroken: (error: unknown) => void
  /** Called before each commit: what it changes goes into the same one. */
  beforeCommit: () => void
  /** Told after each commit, in the order of their ids. */
  onCommitted: (events: readonly EventRecord[], tasks: readonly Task[]) => void
}

/** While the disk takes nothing, it is tried again so often. */
const retryMs = 1_000

class Group {
  submits: OpenSubmit[] = []
  rows: OpenRow[] = []
  newTasks = new Map<number, Task>()
  changedTasks = new Map<number, Task>()
  nodes = new Map<string, NodeRecord>()
  removedNodes = new Set<string>()
  events: EventRecord[] = []
  after = new Map<unknown, () => void>()
}

export class Journal {
  private readonly deps: JournalDeps
  private group = new Group()
  private isScheduled = false
  private isFailing = false
  private running: Promise<void> = Promise.resolve()
  /** Takes back the next try. */
  private retry: (() => void) | null = null
  private isClosed = false

  constructor(deps: JournalDeps) {
    this.deps = deps
  }

  /** Keeps a new task; its `submit` follows in the same turn. */
  added(task: Task): void {
    this.group.newTasks.set(task.id, task)
  }

  /**
   * Resolves when the batch and its tasks are on disk.
   * @throws AppError `store_full`, `unavailable` where the host stops; nothing of it is left then
   */
  submit(
    batch: BatchRecord,
    taskIds: readonly number[],
    revert: () => void,
    audit: AuditEntry | null = null,
  ): Promise<void> {
    if (this.isClosed) {
      revert()
      this.withdraw(taskIds) // or the last commit would hold tasks without their batch
      return Promise.reject(new AppError('unavailable', 'the host stops: try again later'))
    }
    return new Promise((resolve, reject) => {
      this.group.submits.push({ batch, taskIds, revert, resolve, reject, audit })
      this.schedule()
    })
  }

  /**
   * Resolves when the row is on disk.
   * @throws AppError `store_full`, `unavailable` where the host stops: it is not written then, and nothing may be told
   */
  audit(entry: AuditEntry): Promise<void> {
    if (this.isClosed) return Promise.reject(new AppError('unavailable', 'the host stops: try again later'))
    return new Promise((resolve, reject) => {
      this.group.rows.push({ entry, resolve, reject })
      this.schedule()
    })
  }

  /** Forgets new tasks of this turn and all that has happened to them. */
  withdraw(taskIds: readonly number[]): void {
    const withdrawn = new Set(taskIds)
    for (const id of taskIds) this.group.newTasks.delete(id)
    this.group.events = this.group.events.filter(
      (event) => event.kind === 'node' || !withdrawn.has(event.taskId),
    )
  }

  /** Keeps a task as it is now. */
  changed(task: Task): void {
    const isNew = this.group.newTasks.has(task.id)
    const tasks = isNew ? this.group.newTasks : this.group.changedTasks
    tasks.set(task.id, task)
    this.schedule()
  }

  /** Forgets a node. */
  removed(name: string): void {
    this.group.nodes.delete(name)
    this.group.removedNodes.add(name)
    this.schedule()
  }

  node(record: NodeRecord): void {
    this.group.removedNodes.delete(record.name)
    this.group.nodes.set(record.name, record)
    this.schedule()
  }

  event(event: EventRecord): void {
    this.group.events.push(event)
    this.schedule()
  }

  /** Calls back when everything so far is on disk; of those with the same key in one commit, only the last. */
  after(action: () => void, key: unknown = action): void {
    this.group.after.set(key, action)
    this.schedule()
  }

  /** Resolves when everything so far is on disk. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.after(resolve))
  }

  /** Makes a commit in this turn, also where nothing has changed yet. */
  schedule(): void {
    if (this.isScheduled || this.isClosed) return
    this.isScheduled = true
    this.deps.clock.soon(() => {
      this.isScheduled = false
      if (this.isClosed) return // `close` has committed it
      this.running = this.running.then(() => this.flush())
    })
  }

  /** Commits what is left and takes no more. */
  async close(): Promise<void> {
    this.isClosed = true
    this.retry?.()
    this.running = this.running.then(() => this.flush())
    await this.running
  }

  private async flush(): Promise<void> {
    this.deps.beforeCommit()
    const { group } = this
    this.group = new Group()
    try {
      if (hasChanges(group)) {
        await this.deps.store.commit({
          batches: group.submits.map(({ batch }) => batch),
          newTasks: [...group.newTasks.values()],
          changedTasks: [...group.changedTasks.values()],
          nodes: [...group.nodes.values()],
          removedNodes: [...group.removedNodes],
          events: group.events,
          audit: auditOf(group),
        })
        if (this.isFailing) this.deps.log.info({}, 'Saving works again')
        this.isFailing = false
      }
    } catch (error) {
      this.failed(group, error)
      return
    }
    this.deps.onCommitted(group.events, [...group.newTasks.values(), ...group.changedTasks.values()])
    for (const submit of group.submits) submit.resolve()
    for (const row of group.rows) row.resolve()
    for (const action of group.after.values()) action()
  }

  /** Refuses the submits of the group; what has happened in the world stays to be saved. */
  private failed(group: Group, error: unknown): void {
    if (!this.isFailing)
      this.deps.log.error({ error: String(error) }, 'Cannot save; new work is refused until it works')
    this.isFailing = true
    if (!(error instanceof AppError)) this.deps.onBroken(error)
    const refusal =
      error instanceof AppError ? error : new AppError('internal', 'cannot save', { cause: error })
    const reverted = new Set(group.submits.flatMap(({ taskIds }) => taskIds))
    const refused = group.submits
    const unwritten = group.rows
    for (const submit of refused) submit.revert()
    const next = this.group
    this.group = group
    group.submits = next.submits
    group.rows = next.rows
    for (const id of reverted) {
      group.newTasks.delete(id)
      next.changedTasks.delete(id)
    }
    for (const [id, task] of next.newTasks) group.newTasks.set(id, task)
    for (const [id, task] of next.changedTasks) group.changedTasks.set(id, task)
    for (const name of next.removedNodes) {
      group.nodes.delete(name)
      group.removedNodes.add(name)
    }
    for (const [name, node] of next.nodes) {
      group.removedNodes.delete(name)
      group.nodes.set(name, node)
    }
    group.events = [...group.events, ...next.events].filter(
      (event) => event.kind === 'node' || !reverted.has(event.taskId),
    )
    for (const [key, action] of next.after) group.after.set(key, action)
    for (const open of [...refused, ...unwritten]) open.reject(refusal)
    if (this.isClosed) return
    this.retry ??= this.deps.clock.after(retryMs, () => {
      this.retry = null
      this.schedule()
    })
  }
}

function auditOf({ submits, rows }: Group): AuditEntry[] {
  return [...submits.flatMap(({ audit }) => audit ?? []), ...rows.map(({ entry }) => entry)]
}

function hasChanges(group: Group): boolean {
  return (
    group.submits.length > 0 ||
    group.rows.length > 0 ||
    group.newTasks.size > 0 ||
    group.changedTasks.size > 0 ||
    group.nodes.size > 0 ||
    group.removedNodes.size > 0 ||
    group.events.length > 0
  )
}
