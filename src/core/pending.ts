/**
 * The tasks that wait, in the order of their ids, in buckets of those that wait for the same thing: so that a
 * pass looks at the head of a bucket and only at buckets for which something has changed.
 */
import { type Needs, needsLease, needsSecrets } from './free-index.ts'
import { SortedList } from './sorted-list.ts'
import type { Target } from './target.ts'
import { addTo, deleteFrom, deleteKey, setKey, type UndoLog } from './undo.ts'

/** A waiting task as the scheduler sees it. Every `Task` is one. */
export interface PendingTask {
  readonly id: number
  readonly target: Target
  readonly spec: Needs
}

/** Tasks for the same node or NUMA node, or tasks for any node that need the same. */
export interface Bucket {
  readonly tasks: SortedList<PendingTask>
  /** null: any node. */
  readonly node: string | null
  readonly numaId: number | null
  /** The head by which the bucket is in the list of awake ones; null: asleep, nothing has changed for it. */
  awakeAs: number | null
  /**
   * `Ledger.shape` when no node could ever take its head: not worth keeping a node for. True whoever found it out, so
   * not taken back after a trial.
   */
  hopelessSince: number
}

/** What a named node's tasks wait in: those for the whole node under null, those for a NUMA node under its id. */
type NodeBuckets = Map<number | null, Bucket>

/** All waiting tasks. At most one bucket per node, NUMA node and kind of need. */
export class PendingQueue {
  readonly #tasks = new Map<number, { task: PendingTask; bucket: Bucket }>()
  readonly #named = new Map<string, NodeBuckets>()
  readonly #any = new Map<string, Bucket>()
  /** Named tasks that their node cannot take as it is now: set aside, so that they stop nobody. */
  readonly #aside = new Map<string, Set<number>>()
  readonly #awake = new SortedList<Bucket>((a, b) => (a.awakeAs ?? 0) - (b.awakeAs ?? 0))
  #left = new Set<string>()
  #kept: { taskId: number; node: string } | null = null
  #undo: UndoLog | null = null

  /** The oldest task for any node that waits, and the node that is kept for it. Set by the pass. */
  get kept(): { readonly taskId: number; readonly node: string } | null {
    return this.#kept
  }

  set kept(kept) {
    const before = this.#kept
    this.#kept = kept
    this.#undo?.push(() => {
      this.#kept = before
    })
  }

  /** From now on all changes are noted, so that they can be taken back (see `trial`); null: no longer. */
  noteIn(undo: UndoLog | null): void {
    this.#undo = undo
  }

  get size(): number {
    return this.#tasks.size
  }

  /** How many different needs the tasks for any node have. */
  get kinds(): number {
    return this.#any.size
  }

  get(taskId: number): PendingTask | null {
    return this.#tasks.get(taskId)?.task ?? null
  }

  /**
   * Adds a waiting task at the place of its id.
   * @throws Error where it waits already.
   */
  add(task: PendingTask): void {
    if (this.#tasks.has(task.id)) throw new Error(`task ${task.id} waits already`)
    const bucket = this.#bucketFor(task)
    this.#tasks.set(task.id, { task, bucket })
    bucket.tasks.add(task)
    this.#undo?.push(() => {
      this.#tasks.delete(task.id)
      bucket.tasks.delete(task)
    })
    // One that comes behind a head that waits cannot go before it.
    if (bucket.tasks.first() === task) this.wake(bucket)
  }

  /** Takes a task out (killed, or placed); false where it did not wait. Those behind it are looked at again. */
  remove(taskId: number): boolean {
    const found = this.#take(taskId)
    if (found === null) return false
    if (found.task.target.kind !== 'any') addTo(this.#undo, this.#left, found.task.target.node)
    return true
  }

  /** Takes out the head of a bucket because it was placed. */
  shift(bucket: Bucket): void {
    const head = bucket.tasks.first()
    if (head !== undefined) this.#take(head.id)
  }

  /** Sets a named task aside until its node changes: it stays in the queue, but stops nobody. */
  setAside(task: PendingTask, node: string): void {
    const found = this.#tasks.get(task.id)
    if (found === undefined) return
    const aside = obtain(this.#undo, this.#aside, node, () => new Set())
    addTo(this.#undo, aside, task.id)
    this.#drop(found.bucket, task)
  }

  /** Brings back what was set aside for the node. */
  bringBack(node: string): void {
    const aside = this.#aside.get(node)
    if (aside === undefined) return
    deleteKey(this.#undo, this.#aside, node)
    for (const taskId of aside) {
      const task = this.get(taskId)
      if (task === null) continue
      const bucket = this.#bucketFor(task)
      setKey(this.#undo, this.#tasks, taskId, { task, bucket })
      addTo(this.#undo, bucket.tasks, task)
    }
  }

  /** The bucket with the oldest head of those that are awake. */
  nextAwake(): Bucket | null {
    return this.#awake.first() ?? null
  }

  /** Puts the bucket before the next pass. */
  wake(bucket: Bucket): void {
    this.#setAwake(bucket, bucket.tasks.first()?.id ?? null)
  }

  /** Nothing to do for this bucket until something changes. */
  sleep(bucket: Bucket): void {
    this.#setAwake(bucket, null)
  }

  /** Wakes what waits for this node by name. */
  wakeNode(node: string): void {
    for (const bucket of this.#named.get(node)?.values() ?? []) this.wake(bucket)
  }

  /** Wakes the tasks for any node that need no more than this. */
  wakeAny(cores: number, memoryBytes: number): void {
    for (const bucket of this.#any.values()) {
      const spec = bucket.tasks.first()?.spec
      if (spec !== undefined && spec.cores <= cores && (spec.memoryBytes ?? 0) <= memoryBytes)
        this.wake(bucket)
    }
  }

  /** Wakes the bucket that the task waits in. */
  wakeTask(taskId: number): void {
    const found = this.#tasks.get(taskId)
    if (found !== undefined) this.wake(found.bucket)
  }

  /** The buckets of tasks that may run anywhere. */
  anyBuckets(): Iterable<Bucket> {
    return this.#any.values()
  }

  /** The oldest task that waits for the whole node (`numaId` null) or the NUMA node; null where none does. */
  headFor(node: string, numaId: number | null): PendingTask | null {
    return this.#named.get(node)?.get(numaId)?.tasks.first() ?? null
  }

  /** The nodes that a waiting task has left since the last call, so that others may go. */
  takeLeft(): Set<string> {
    const left = this.#left
    if (left.size === 0) return left
    this.#left = new Set()
    this.#undo?.push(() => {
      this.#left = left
    })
    return left
  }

  /** Puts the bucket in the list of awake ones at the place of its head; null: takes it out. */
  #setAwake(bucket: Bucket, head: number | null): void {
    const before = bucket.awakeAs
    if (before === head) return
    if (before !== null) this.#awake.delete(bucket)
    bucket.awakeAs = head
    if (head !== null) this.#awake.add(bucket)
    this.#undo?.push(() => this.#setAwake(bucket, before))
  }

  #take(taskId: number): { task: PendingTask; bucket: Bucket } | null {
    const found = this.#tasks.get(taskId)
    if (found === undefined) return null
    deleteKey(this.#undo, this.#tasks, taskId)
    this.#drop(found.bucket, found.task)
    const aside = found.bucket.node === null ? undefined : this.#aside.get(found.bucket.node)
    if (aside !== undefined) deleteFrom(this.#undo, aside, taskId)
    return found
  }

  /** Takes the task out of its bucket, and an empty bucket out of the queue. */
  #drop(bucket: Bucket, task: PendingTask): void {
    const wasHead = bucket.tasks.first() === task
    deleteFrom(this.#undo, bucket.tasks, task)
    if (wasHead) this.wake(bucket)
    if (bucket.tasks.size > 0) return
    if (bucket.node === null) {
      forget(this.#undo, this.#any, shapeOf(task.spec), bucket)
      return
    }
    const buckets = this.#named.get(bucket.node)
    if (buckets === undefined) return
    forget(this.#undo, buckets, bucket.numaId, bucket)
    if (buckets.size === 0) deleteKey(this.#undo, this.#named, bucket.node)
  }

  #bucketFor(task: PendingTask): Bucket {
    const { target } = task
    if (target.kind === 'any')
      return obtain(this.#undo, this.#any, shapeOf(task.spec), () => newBucket(null, null))
    const numaId = target.kind === 'numa' ? target.numaId : null
    const buckets = obtain(this.#undo, this.#named, target.node, (): NodeBuckets => new Map())
    return obtain(this.#undo, buckets, numaId, () => newBucket(target.node, numaId))
  }
}

function newBucket(node: string | null, numaId: number | null): Bucket {
  return { tasks: new SortedList((a, b) => a.id - b.id), node, numaId, awakeAs: null, hopelessSince: -1 }
}

/** What it needs, as a key: tasks of one shape fit in the same places. */
export function shapeOf(spec: Needs): string {
  const features = [spec.privateNetwork, spec.privatePids, needsLease(spec), needsSecrets(spec)]
  return `${spec.cores}/${spec.memoryBytes}/${features.join('/')}`
}

/** Unless another bucket took its place meanwhile. */
function forget<K>(undo: UndoLog | null, map: Map<K, Bucket>, key: K, bucket: Bucket): void {
  if (map.get(key) === bucket) deleteKey(undo, map, key)
}

function obtain<K, V>(undo: UndoLog | null, map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    setKey(undo, map, key, value)
  }
  return value
}
