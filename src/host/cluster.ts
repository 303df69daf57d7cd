/**
 * The host's live picture: nodes, unfinished tasks, who holds what, who waits. Every change goes through
 * `transition` and then through the journal; ended tasks leave memory once they are on disk.
 */
import type { AuditEntry } from '../core/audit.ts'
import { Ledger } from '../core/capacity.ts'
import { isPlausibleId, nextId } from '../core/id.ts'
import type { ClusterNode, NodeLoad, NodeStatus } from '../core/node.ts'
import { PendingQueue } from '../core/pending.ts'
import { schedulePass } from '../core/placement.ts'
import type { HostAttempt } from '../core/reconcile.ts'
import {
  type Effect,
  type HeldTask,
  isFinal,
  isHeldTask,
  isLeased,
  type Task,
  type TaskEvent,
  transition,
} from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { withDeadline } from '../platform/wait.ts'
import { Backlog } from './backlog.ts'
import type { EventHub } from './event-hub.ts'
import { Journal } from './journal.ts'
import type { NodeRecord, TaskEventRecord } from './store/rows.ts'
import type { BatchRecord, Store } from './store/store.ts'

/** A node with what is only known while it is heard. */
export interface NodeState {
  record: NodeRecord
  load: NodeLoad | null
  /** When that was told, by the monotonic clock. */
  loadAtMs: number
  /** Attempts that its runner holds and this host does not know. */
  strangers: readonly { taskId: number; attempt: number }[]
}

/** Carries an order to a node's runner once it is committed; one that is not linked gets it when it links. */
export type Dispatcher = (effect: Effect['type'], task: Task) => void

export interface ClusterDeps {
  store: Store
  hub: EventHub
  log: Log
  clock: Clock
  /** Saving has failed in a way that trying again does not mend. */
  onBroken: (error: unknown) => void
}

/** Placements per commit: a burst of ten thousand does not keep everything else waiting. */
export const placedPerPass = 1_000
const saveDeadlineMs = 30_000

/** A machine runs with a copy of the node's state directory; a task of it cannot be ended. */
/** What an attempt takes of its node. */
export interface Takes {
  cores: number
  memoryBytes: number | null
  numaId: number | null
}

export type NodeProblem = 'runner' | 'drained' | 'copy' | 'stuck' | 'stray'

export type ApplyResult = { kind: 'changed' | 'ignored' } | { kind: 'illegal'; reason: string }

export class Cluster {
  readonly queue = new PendingQueue()
  readonly ledger = new Ledger()
  readonly backlog = new Backlog()
  readonly nodes = new Map<string, NodeState>()
  /** Why nothing new is placed on a node, by what found it. */
  private readonly problems = new Map<string, Map<NodeProblem, string>>()
  /** Tasks that this host does not believe in and whose part of a node is kept all the same, by node. */
  private readonly uncounted = new Map<string, Set<number>>()
  private readonly deps: ClusterDeps
  private readonly journal: Journal
  /** Tasks that have not ended, or whose end is not committed yet. */
  private readonly tasks = new Map<number, Task>()
  /** Ids of the tasks that hold a part of a node. */
  private readonly heldOn = new Map<string, Set<number>>()
  /** Ids of the held tasks that run under a lease. */
  private readonly leased = new Set<number>()
  /** Tasks that cannot be ended and what that is, by node. */
  private readonly stuckOn = new Map<string, ReadonlyMap<number, string>>()
  private lastId = 0
  private lastEventId = 0
  private dispatcher: Dispatcher = () => {}

  private constructor(deps: ClusterDeps) {
    this.deps = deps
    this.journal = new Journal({
      store: deps.store,
      log: deps.log,
      clock: deps.clock,
      onBroken: deps.onBroken,
      beforeCommit: () => this.schedule(),
      onCommitted: (events, tasks) => {
        // as they are on disk: one that has ended since is kept until that is there too
        for (const { id, status } of tasks) if (isFinal(status)) this.letGoOf(id)
        deps.hub.publish(events)
      },
    })
  }

  /** Builds the picture from the store. */
  static async load(deps: ClusterDeps): Promise<Cluster> {
    const cluster = new Cluster(deps)
    const lastIds = await deps.store.lastIds()
    cluster.lastId = lastIds.task
    cluster.lastEventId = lastIds.event
    for (const record of await deps.store.nodes()) {
      cluster.nodes.set(record.name, { record, load: null, loadAtMs: 0, strangers: [] })
      if (record.drained !== null) cluster.problems.set(record.name, new Map([['drained', record.drained]]))
      // nothing is sent there before its runner has linked again
      cluster.ledger.setNode({ ...clusterNode(record), status: 'unreachable' })
    }
    for (const task of await deps.store.unfinishedTasks()) cluster.takeIn(task)
    return cluster
  }

  /** Who sends orders to runners; set once, before anything is changed. */
  setDispatcher(dispatcher: Dispatcher): void {
    this.dispatcher = dispatcher
  }

  newId(): number {
    this.lastId = nextId(this.lastId, this.deps.clock.now())
    return this.lastId
  }

  /** An id that was seen somewhere is not given out again, whatever the store and the clock say. */
  avoidId(id: number): void {
    if (isPlausibleId(id)) this.lastId = Math.max(this.lastId, id)
  }

  /** The task as it is now; null where it has ended or never was. */
  task(id: number): Task | null {
    const task = this.tasks.get(id)
    return task === undefined || isFinal(task.status) ? null : task
  }

  /** Takes a new task in; the `submit` of its batch follows in the same turn. */
  add(task: Task): void {
    this.takeIn(task)
    this.journal.added(task)
    this.record(task, 'submitted')
  }

  /** Resolves when the batch and its tasks are on disk. @throws AppError `store_full`, `unavailable` */
  submit(batch: BatchRecord, taskIds: readonly number[], audit: AuditEntry | null = null): Promise<void> {
    const revert = () => {
      for (const id of taskIds) this.forget(id)
    }
    return this.journal.submit(batch, taskIds, revert, audit)
  }

  /** Resolves when the row of the log of who did what is on disk. @throws AppError `store_full`, `unavailable` */
  audit(entry: AuditEntry): Promise<void> {
    return this.journal.audit(entry)
  }

  /** Takes tasks of this turn out again, before their batch is submitted: as if they had never been. */
  withdraw(taskIds: readonly number[]): void {
    for (const id of taskIds) this.forget(id)
    this.journal.withdraw(taskIds)
  }

  /** Lets an event happen to a task. */
  apply(taskId: number, event: TaskEvent): ApplyResult {
    const before = this.tasks.get(taskId)
    if (before === undefined) return { kind: 'ignored' }
    const outcome = transition(before, event, this.deps.clock.now())
    if (outcome.kind !== 'changed') return outcome
    const { task } = outcome
    this.tasks.set(taskId, task)
    this.account(before, task)
    this.journal.changed(task)
    const type = isHeldTask(before) && task.status === 'pending' ? 'requeued' : event.type
    this.record(task, type, before)
    for (const effect of outcome.effects) this.journal.after(() => this.carryOut(effect))
    return { kind: 'changed' }
  }

  /** The tasks that the host believes to be on a node. */
  attemptsOn(node: string): HostAttempt[] {
    const ids = this.heldOn.get(node) ?? []
    return [...ids].flatMap((id) => {
      const task = this.tasks.get(id)
      if (task === undefined || !isHeldTask(task)) return []
      const { attempt, status, dispatchedTo } = task
      const startedAtMs = task.status === 'assigning' ? null : task.startedAtMs
      const leased = isLeased(task.spec, attempt)
      return [{ taskId: id, attempt, status, startedAtMs, dispatchedTo, isLeased: leased }]
    })
  }

  /** How many tasks run on a node, as far as is known. */
  runningOn(node: string): number {
    let count = 0
    for (const id of this.heldOn.get(node) ?? []) if (this.tasks.get(id)?.status === 'running') count += 1
    return count
  }

  /** What runs under a lease, and of which runner. */
  leasedAttempts(): { taskId: number; attempt: number; node: string; runnerId: string }[] {
    return [...this.leased].flatMap((taskId) => {
      const task = this.tasks.get(taskId)
      if (task === undefined || !isHeldTask(task)) return []
      const { attempt, placement, dispatchedTo } = task
      return [{ taskId, attempt, node: placement.node, runnerId: dispatchedTo.runnerId }]
    })
  }

  /** A runner has linked. */
  nodeLinked(record: NodeRecord, why: string | null): void {
    this.saveNode(record)
    this.ledger.setNode(this.withProblem(clusterNode(record)))
    if (why !== null) this.nodeEvent(record.name, why, null)
    this.journal.schedule()
  }

  /** Nothing new is placed on a node without a link; its tasks go on and keep what they hold. */
  nodeUnlinked(name: string): void {
    this.ledger.setNodeStatus(name, 'unreachable')
    this.journal.schedule()
  }

  /** Nothing new is placed on the node for this reason, until it is taken back by null. */
  setProblem(name: string, kind: NodeProblem, reason: string | null): void {
    const problems = this.problems.get(name) ?? new Map<NodeProblem, string>()
    if ((problems.get(kind) ?? null) === reason) return
    const wasClosed = problems.size > 0
    if (reason === null) problems.delete(kind)
    else problems.set(kind, reason)
    this.problems.set(name, problems)
    if (reason !== null || (wasClosed && problems.size === 0))
      this.nodeEvent(name, reason === null ? 'opened' : 'closed', reason)
    const node = this.ledger.nodeOf(name)
    if (node !== null && node.status !== 'unreachable')
      this.ledger.setNode(this.withProblem({ ...node, status: 'online' }))
    this.journal.schedule()
  }

  /** An operator closes a node to new tasks, or (null) opens it again; that outlives a restart. */
  setDrained(name: string, reason: string | null): void {
    const node = this.nodes.get(name)
    if (node === undefined || node.record.drained === reason) return
    this.saveNode({ ...node.record, drained: reason })
    this.setProblem(name, 'drained', reason)
  }

  /** As if it had never been there. Nothing may be held on it. */
  removeNode(name: string, reason: string): void {
    this.setUncounted(name, [])
    this.uncounted.delete(name)
    this.nodes.delete(name)
    this.problems.delete(name)
    this.stuckOn.delete(name)
    this.ledger.removeNode(name)
    this.journal.removed(name)
    this.nodeEvent(name, 'removed', reason)
  }

  /**
   * Takes note of what a node's runner holds beyond what this host believes, as after the restore of an old backup: what
   * that takes is given to nobody. Left out of the next call: it has ended.
   */
  setUncounted(node: string, attempts: readonly { taskId: number; takes?: Takes }[]): void {
    const before = this.uncounted.get(node) ?? new Set<number>()
    const now = new Set<number>()
    for (const { taskId, takes } of attempts) {
      if (takes === undefined) continue
      if (!before.has(taskId)) {
        if (this.ledger.holdOf(taskId) !== null) continue
        this.ledger.hold(taskId, { node, numaId: takes.numaId }, takes.cores, takes.memoryBytes)
      }
      now.add(taskId)
    }
    for (const taskId of before) if (!now.has(taskId)) this.ledger.release(taskId)
    this.uncounted.set(node, now)
    if (before.size > 0 || now.size > 0) this.journal.schedule()
  }

  /** Takes note of the tasks of a node that cannot be ended: it gets no new ones while there are any. */
  setStuck(node: string, attempts: readonly { taskId: number; attempt: number; stuck?: string }[]): void {
    const now = new Map(
      attempts.flatMap(({ taskId, attempt, stuck }) =>
        stuck !== undefined && this.tasks.get(taskId)?.attempt === attempt ? [[taskId, stuck] as const] : [],
      ),
    )
    const [first] = now
    this.stuckOn.set(node, now)
    const more = now.size > 1 ? `, and ${now.size - 1} more tasks` : ''
    this.setProblem(node, 'stuck', first === undefined ? null : `task ${first[0]}: ${first[1]}${more}`)
  }

  /** What of a task cannot be ended, in words; null: nothing that is known. */
  stuckOf(taskId: number): string | null {
    const task = this.tasks.get(taskId)
    if (task === undefined || !isHeldTask(task)) return null
    return this.stuckOn.get(task.placement.node)?.get(taskId) ?? null
  }

  /** Why nothing new is placed on the node although it is online; null: nothing is wrong. */
  problemOf(name: string): string | null {
    return [...(this.problems.get(name)?.values() ?? [])].join('; ') || null
  }

  private withProblem(node: ClusterNode): ClusterNode {
    const problem = this.problemOf(node.name)
    return problem === null || node.status !== 'online' ? node : { ...node, status: 'closed', problem }
  }

  /** The silence has lasted too long: its tasks are `unreachable`, nothing more is known of them. */
  nodeSilent(name: string, reason: string): void {
    const node = this.nodes.get(name)
    if (node === undefined || node.record.status === 'unreachable') return
    node.load = null
    this.saveNode({ ...node.record, status: 'unreachable' })
    this.ledger.setNodeStatus(name, 'unreachable')
    this.nodeEvent(name, 'unreachable', reason)
    for (const { taskId } of this.attemptsOn(name)) this.apply(taskId, { type: 'node_silent' })
  }

  /** Keeps when a node was last heard, so that its age survives a restart of the host. */
  saveNode(record: NodeRecord): void {
    const { load = null, loadAtMs = 0, strangers = [] } = this.nodes.get(record.name) ?? {}
    this.nodes.set(record.name, { record, load, loadAtMs, strangers })
    this.journal.node(record)
  }

  nodeEvent(node: string, type: string, reason: string | null): void {
    this.lastEventId += 1
    this.journal.event({
      kind: 'node',
      id: this.lastEventId,
      atMs: this.deps.clock.now(),
      node,
      type,
      reason,
    })
  }

  /** Calls back when everything so far is on disk; of those with the same key in one commit, only the last. */
  afterCommit(action: () => void, key?: unknown): void {
    this.journal.after(action, key)
  }

  /** Resolves when everything so far is on disk. @throws AppError `timeout` where the disk takes nothing */
  settled(): Promise<void> {
    return withDeadline(this.journal.settled(), saveDeadlineMs, 'saving to disk', this.deps.clock.after)
  }

  /** Places what can be placed now. For a caller that must know what is free at this moment. */
  schedule(): void {
    const decisions = schedulePass(this.queue, this.ledger, placedPerPass)
    for (const { taskId, placement } of decisions) {
      const task = this.tasks.get(taskId)
      const node = this.nodes.get(placement.node)
      if (task === undefined || node === undefined)
        throw new Error(`task ${taskId} was placed without being known`)
      const { runnerId, bootId } = node.record
      const dispatchedTo = { runnerId, bootId }
      this.apply(taskId, { type: 'placed', attempt: task.attempt + 1, placement, dispatchedTo })
    }
    if (decisions.length === placedPerPass) this.journal.schedule()
  }

  close(): Promise<void> {
    return this.journal.close()
  }

  private carryOut(effect: Effect): void {
    const task = this.tasks.get(effect.taskId)
    if (task !== undefined && task.attempt === effect.attempt && !isFinal(task.status)) {
      this.dispatcher(effect.type, task)
    }
  }

  /** From the store or a submit. */
  private takeIn(task: Task): void {
    this.tasks.set(task.id, task)
    this.backlog.add(task)
    if (task.status === 'pending') this.queue.add(task)
    if (!isHeldTask(task)) return
    this.ledger.hold(task.id, task.placement, task.spec.cores, task.spec.memoryBytes)
    this.holdOn(task)
  }

  /** Queue and ledger after a change of status. A placed task was moved from one to the other by the pass. */
  private account(before: Task, after: Task): void {
    this.backlog.change(before, after)
    if (isHeldTask(after)) {
      if (!isHeldTask(before)) this.holdOn(after)
      return
    }
    if (before.status === 'pending') this.queue.remove(before.id)
    if (isHeldTask(before)) this.letGo(before.id, before.placement.node)
    if (after.status === 'pending') this.queue.add(after)
  }

  private forget(id: number): void {
    const task = this.letGoOf(id)
    if (task?.status === 'pending') this.queue.remove(id)
    if (task !== undefined && isHeldTask(task)) this.letGo(id, task.placement.node)
  }

  private letGoOf(id: number): Task | undefined {
    const task = this.tasks.get(id)
    if (task !== undefined) this.backlog.remove(task)
    this.tasks.delete(id)
    return task
  }

  private letGo(id: number, node: string): void {
    this.ledger.release(id)
    this.heldOn.get(node)?.delete(id)
    this.leased.delete(id)
  }

  private holdOn(task: HeldTask): void {
    this.heldIdsOf(task.placement.node).add(task.id)
    if (isLeased(task.spec, task.attempt)) this.leased.add(task.id)
  }

  private heldIdsOf(node: string): Set<number> {
    let ids = this.heldOn.get(node)
    if (ids === undefined) {
      ids = new Set()
      this.heldOn.set(node, ids)
    }
    return ids
  }

  /** `before`: as it was, where that tells its node. */
  private record(task: Task, type: TaskEventRecord['type'], before: Task = task): void {
    this.lastEventId += 1
    this.journal.event({
      kind: 'task',
      id: this.lastEventId,
      atMs: this.deps.clock.now(),
      taskId: task.id,
      batchId: task.batchId,
      attempt: task.attempt,
      type,
      status: task.status,
      node: nodeOf(task) ?? nodeOf(before),
      exitCode: 'exitCode' in task ? task.exitCode : null,
      reason: 'reason' in task ? task.reason : ('requeuedFor' in task && task.requeuedFor) || null,
    })
  }
}

function nodeOf(task: Task): string | null {
  return 'placement' in task ? (task.placement?.node ?? null) : null
}

function clusterNode(record: NodeRecord): ClusterNode {
  const { name, capacity, executor, runnerId, bootId } = record
  const status: NodeStatus = record.status
  return { name, status, capacity, executor, identity: { runnerId, bootId } }
}
