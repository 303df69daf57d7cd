/**
 * Chooses where waiting tasks go. The rules, in the order in which they decide:
 *
 * 1. Older tasks (lower ids) are looked at first.
 * 2. A task for a node or NUMA node goes exactly there. If it does not fit yet, that node is kept for it, and
 *    later tasks for the node wait behind it, so that small ones cannot keep a big one out for ever. A task for
 *    a NUMA node that lacks only that NUMA node's part keeps that part; the node's other NUMA nodes go on.
 * 3. A task for any node goes to the tightest memory domain that takes it whole (a NUMA node with CPUs and memory,
 *    or a node that has not several of those), else to the tightest node across its NUMA nodes; ties by name. It
 *    may overtake others wherever no node is kept for them.
 * 4. For the oldest of the waiting tasks for any node, the node with most free cores that can ever take it is
 *    kept too.
 *
 * Kept means that cores may idle while something bigger waits: the price of never starving a task where
 * nobody tells how long tasks run.
 */
import { isInTheWay, type Ledger, type Reservation } from './capacity.ts'
import { neverFits, shortageOf } from './fit.ts'
import type { Bucket, PendingQueue, PendingTask } from './pending.ts'
import type { Placement } from './target.ts'

/** A task that was placed: it has left the queue and holds its part in the ledger. */
export interface Decision {
  taskId: number
  placement: Placement
}

/**
 * Places what can be placed now, at most `limit` tasks; the rest of them follow in the next pass. Same queue
 * and ledger, same decisions. Touches only what has changed since the last pass, so one queue belongs to one
 * ledger. A caller that cannot carry a decision out gives it back: `ledger.release`, then `queue.add`.
 */
export function schedulePass(
  queue: PendingQueue,
  ledger: Ledger,
  limit = Number.POSITIVE_INFINITY,
): Decision[] {
  wakeChanged(queue, ledger)
  const decisions: Decision[] = []
  for (let bucket = queue.nextAwake(); bucket !== null; bucket = queue.nextAwake()) {
    if (decisions.length >= limit) return decisions
    const task = bucket.tasks.first()
    if (task === undefined) throw new Error('an empty bucket is awake')
    const placement =
      bucket.node === null ? placeAny(queue, ledger, bucket, task) : placeNamed(queue, ledger, bucket, task)
    if (placement === null) continue
    ledger.hold(task.id, placement, task.spec.cores, task.spec.memoryBytes)
    queue.shift(bucket)
    if (queue.kept?.taskId === task.id) giveUpKept(queue, ledger)
    decisions.push({ taskId: task.id, placement })
  }
  keepForOldest(queue, ledger)
  return decisions
}

/** The reservation that a task for this node or NUMA node has to wait behind; null where none. */
export function inTheWayOf(
  taskId: number,
  ledger: Ledger,
  node: string,
  numaId: number | null,
): Reservation | null {
  let oldest: Reservation | null = null
  for (const kept of ledger.reservationsOf(node)) {
    if (kept.taskId >= taskId || !isInTheWay(kept, numaId)) continue
    if (oldest === null || kept.taskId < oldest.taskId) oldest = kept
  }
  return oldest
}

function placeAny(queue: PendingQueue, ledger: Ledger, bucket: Bucket, task: PendingTask): Placement | null {
  const placement = ledger.bestPlace(task.spec)
  if (placement !== null) return placement
  // Whoever needs the same does not fit either.
  queue.sleep(bucket)
  if (bucket.hopelessSince !== ledger.shape) keepForOldest(queue, ledger, task.id)
  return null
}

/** Puts the bucket to sleep, or the task aside, where it cannot be placed. */
function placeNamed(
  queue: PendingQueue,
  ledger: Ledger,
  bucket: Bucket,
  task: PendingTask,
): Placement | null {
  const { numaId } = bucket
  const name = bucket.node ?? ''
  const account = ledger.freeOf(name)
  const node = ledger.nodeOf(name)
  if (account === null || node === null || node.status !== 'online') {
    queue.sleep(bucket)
    return null
  }
  if (neverFits(node, numaId, task.spec) !== null) {
    queue.setAside(task, name)
    return null
  }
  if (inTheWayOf(task.id, ledger, name, numaId) !== null) {
    queue.sleep(bucket)
    return null
  }
  const shortage = shortageOf(account, numaId, task.spec)
  if (shortage === null) return { node: name, numaId }
  ledger.reserve(name, { taskId: task.id, numaId: shortage.numaId, chosen: false })
  queue.sleep(bucket)
  return null
}

/** Wakes what may fit now that did not before. */
function wakeChanged(queue: PendingQueue, ledger: Ledger): void {
  const changes = ledger.takeChanges()
  for (const name of queue.takeLeft()) if (!changes.has(name)) changes.set(name, 'freed')
  let cores = 0
  let memoryBytes = 0
  for (const [name, change] of changes) {
    ledger.unreserve(name, (kept) => !kept.chosen)
    if (change === 'reshaped') queue.bringBack(name)
    queue.wakeNode(name)
    const account = ledger.freeOf(name)
    if (account?.status !== 'online') continue
    cores = Math.max(cores, account.coresFree)
    memoryBytes = Math.max(memoryBytes, account.memoryFreeBytes)
  }
  if (cores > 0) queue.wakeAny(cores, memoryBytes)
  if (mayGiveUpKept(queue, ledger)) giveUpKept(queue, ledger)
}

/** Is the task that a node is kept for gone, the node gone, or is there room for the task on it at last? */
function mayGiveUpKept(queue: PendingQueue, ledger: Ledger): boolean {
  if (queue.kept === null) return false
  const task = queue.get(queue.kept.taskId)
  const node = ledger.nodeOf(queue.kept.node)
  const account = ledger.freeOf(queue.kept.node)
  if (task === null || node === null || account === null || node.status !== 'online') return true
  return neverFits(node, null, task.spec) !== null || shortageOf(account, null, task.spec) === null
}

function giveUpKept(queue: PendingQueue, ledger: Ledger): void {
  if (queue.kept === null) return
  const { taskId, node } = queue.kept
  queue.kept = null
  ledger.unreserve(node, (kept) => kept.chosen)
  queue.wakeTask(taskId)
  queue.wakeNode(node)
  const account = ledger.freeOf(node)
  if (account?.status === 'online') queue.wakeAny(account.coresFree, account.memoryFreeBytes)
}

/**
 * Keeps a node for the oldest waiting task for any node, where there is one that could ever take it.
 * @param newestId Those after it have not been looked at yet.
 */
function keepForOldest(queue: PendingQueue, ledger: Ledger, newestId = Number.POSITIVE_INFINITY): void {
  if (queue.kept !== null) return
  for (let bucket = oldestHopeful(queue, ledger); bucket !== null; bucket = oldestHopeful(queue, ledger)) {
    const task = bucket.tasks.first()
    if (task === undefined || task.id > newestId) return
    if (
      ledger.nodes().some((node) => node.status === 'online' && neverFits(node, null, task.spec) === null)
    ) {
      const node = ledger.roomiest(task.spec, (candidate) => neverFits(candidate, null, task.spec) === null)
      // All that could take it are kept for named tasks: one of them will be free of that later.
      if (node === null) return
      ledger.reserve(node.name, { taskId: task.id, numaId: null, chosen: true })
      queue.kept = { taskId: task.id, node: node.name }
      return
    }
    bucket.hopelessSince = ledger.shape
  }
}

function oldestHopeful(queue: PendingQueue, ledger: Ledger): Bucket | null {
  let oldest: Bucket | null = null
  let oldestId = Number.POSITIVE_INFINITY
  for (const bucket of queue.anyBuckets()) {
    const id = bucket.tasks.first()?.id
    if (id === undefined || id >= oldestId || bucket.hopelessSince === ledger.shape) continue
    oldest = bucket
    oldestId = id
  }
  return oldest
}
