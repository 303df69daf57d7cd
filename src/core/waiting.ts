/** Why a task waits, and why a submit is refused, in words: from the same functions that place. */
import type { Ledger, NodeAccount } from './capacity.ts'
import { formatCores, leaseWords, neverFits, type Shortage, shortageOf } from './fit.ts'
import { type Needs, needsLease, needsSecrets } from './free-index.ts'
import type { ClusterNode } from './node.ts'
import type { PendingQueue, PendingTask } from './pending.ts'
import { inTheWayOf } from './placement.ts'
import { formatPlacement, numaIdOf, type Target } from './target.ts'
import { formatBytes } from './units.ts'

/** How many names a sentence lists before it says "and n more". */
const listed = 3

/** What a task is called in a sentence: "task 12". */
export type TaskName = (taskId: number) => string

/** What is looked at. */
interface View {
  queue: PendingQueue
  ledger: Ledger
  nameOf: TaskName
}

function taskName(taskId: number): string {
  return `task ${taskId}`
}

/**
 * Why the task waits: one sentence without capital and full stop ("needs 8 cores on n3: 6 free, 2 held by
 * task 12"). Never empty. What is silent is named without its age: the host knows since when.
 */
export function explainWait(
  task: PendingTask,
  queue: PendingQueue,
  ledger: Ledger,
  nameOf: TaskName = taskName,
): string {
  return blockOf(task, { queue, ledger, nameOf }) ?? 'is about to be placed'
}

/**
 * Why a task that may not queue cannot go at once, now; null where it can. Assumes that `refuseReason` has
 * nothing against it. Tasks that were let in but not yet placed are not counted: place them first.
 */
export function busyReason(
  spec: Needs,
  target: Target,
  queue: PendingQueue,
  ledger: Ledger,
  nameOf: TaskName = taskName,
): string | null {
  return blockOf({ id: Number.MAX_SAFE_INTEGER, target, spec }, { queue, ledger, nameOf })
}

/**
 * Why a task can never run on the node that it names, as the cluster stands; null where it can, now or later.
 * A task for any node is never refused: a node that can take it may join.
 */
export function refuseReason(spec: Needs, target: Target, ledger: Ledger): string | null {
  if (target.kind === 'any') return null
  const node = ledger.nodeOf(target.node)
  if (node === null) return unknownNode(target.node, ledger)
  return neverFits(node, numaIdOf(target), spec)
}

function blockOf(task: PendingTask, view: View): string | null {
  return task.target.kind === 'any'
    ? blockOfAny(task, view)
    : blockOfNamed(task, task.target.node, numaIdOf(task.target), view)
}

function blockOfNamed(task: PendingTask, name: string, numaId: number | null, view: View): string | null {
  const { queue, ledger, nameOf } = view
  const node = ledger.nodeOf(name)
  const account = ledger.freeOf(name)
  if (node === null || account === null) return `node ${name} is not known yet`
  if (node.status === 'closed') return `node ${name} takes no new tasks: ${node.problem ?? 'it is closed'}`
  if (node.status !== 'online') return `node ${name} is ${node.status}`
  const never = neverFits(node, numaId, task.spec)
  if (never !== null) return never
  const kept = inTheWayOf(task.id, ledger, name, numaId)
  if (kept?.chosen)
    return `waits behind ${nameOf(kept.taskId)}, which waits longer and for which node ${name} is kept`
  const ahead = kept?.taskId ?? queue.headFor(name, numaId)?.id
  const where = formatPlacement({ node: name, numaId: kept?.numaId ?? (kept === null ? numaId : null) })
  if (ahead !== undefined && ahead < task.id) return `waits behind ${nameOf(ahead)} for node ${where}`
  const shortage = shortageOf(account, numaId, task.spec)
  return shortage === null ? null : tellShortage(shortage, task.spec, account, numaId, view)
}

/** "needs 8 cores on n3: 6 free, 2 held by task 12". */
function tellShortage(
  shortage: Shortage,
  needs: Needs,
  account: NodeAccount,
  numaId: number | null,
  { ledger, nameOf }: View,
): string {
  const scope = account.numaNodes.find((numaNode) => numaNode.id === shortage.numaId) ?? account
  const needed =
    shortage.what === 'cores' ? formatCores(needs.cores) : `${formatBytes(needs.memoryBytes ?? 0)} of memory`
  const free = shortage.what === 'cores' ? `${shortage.free} free` : `${formatBytes(shortage.free)} free`
  const held = shortage.what === 'cores' ? `${scope.coresHeld}` : formatBytes(scope.memoryHeldBytes)
  const holders = ledger
    .holdersOf(account.name, shortage.numaId)
    .filter((hold) => (shortage.what === 'cores' ? hold.cores : hold.memoryBytes) > 0)
    .map((hold) => nameOf(hold.taskId))
  const where = formatPlacement({ node: account.name, numaId })
  const onNode = numaId !== null && shortage.numaId === null ? ' on the whole node' : ''
  return `needs ${needed} on ${where}: ${free}${onNode}, ${held} held by ${list(holders, 'tasks')}`
}

function blockOfAny(task: PendingTask, view: View): string | null {
  const { queue, ledger } = view
  const { spec } = task
  if (ledger.bestPlace(spec) !== null) return null
  const online = ledger.nodes().filter((node) => node.status === 'online')
  if (online.length === 0) return noNodeOnline(ledger)
  const able = online.filter((node) => neverFits(node, null, spec) === null)
  if (able.length === 0) return noNodeIsAble(online, spec)
  const free = able.flatMap((node) => ledger.freeOf(node.name) ?? [])
  const withRoom = free.find((account) => shortageOf(account, null, spec) === null)
  if (withRoom !== undefined) return tellKept(withRoom.name, task, view)
  return tellMostFree(free, spec, queue.kept?.taskId === task.id ? queue.kept.node : null)
}

function noNodeOnline(ledger: Ledger): string {
  const known = ledger.nodes().map((node) => node.name)
  if (known.length === 0) return 'no node has joined yet'
  const closed = ledger.nodes().find((node) => node.status === 'closed')
  if (closed !== undefined) {
    const others = known.length === 1 ? '' : '; no other node is online either'
    return `node ${closed.name} takes no new tasks: ${closed.problem ?? 'it is closed'}${others}`
  }
  const verb = known.length === 1 ? 'is' : 'are'
  return `no node is online: ${list(known.sort(), 'nodes')} ${verb} unreachable`
}

function noNodeIsAble(online: readonly ClusterNode[], spec: Needs): string {
  const network = spec.privateNetwork && !online.some((node) => node.executor.features.privateNetwork)
  if (network) return 'no node gives a private network'
  if (spec.privatePids && !online.some((node) => node.executor.features.privatePids))
    return 'no node gives private PIDs'
  if (needsLease(spec) && !online.some((node) => node.executor.features.lease === true))
    return `no node gives ${leaseWords}`
  if (needsSecrets(spec) && !online.some((node) => node.executor.features.secrets === true))
    return 'every runner that is online is too old for secrets: upgrade them'
  const mostCores = Math.max(...online.map((node) => node.capacity.cores))
  if (mostCores < spec.cores) return `no node has ${formatCores(spec.cores)}: the largest has ${mostCores}`
  const mostMemory = Math.max(...online.map((node) => node.capacity.memoryBytes))
  const memoryBytes = spec.memoryBytes ?? 0
  if (mostMemory < memoryBytes) {
    return `no node has ${formatBytes(memoryBytes)} of memory: the largest has ${formatBytes(mostMemory)}`
  }
  const asked = [formatCores(spec.cores)]
  if (memoryBytes > 0) asked.push(`${formatBytes(memoryBytes)} of memory`)
  if (spec.privateNetwork) asked.push('a private network')
  if (spec.privatePids) asked.push('private PIDs')
  if (needsLease(spec)) asked.push(leaseWords)
  if (needsSecrets(spec)) asked.push('a runner that takes secrets')
  return `no single node has ${asked.join(' and ')}`
}

/** The room is there, but for somebody else. */
function tellKept(name: string, task: PendingTask, { ledger, nameOf }: View): string {
  const kept = ledger.reservationsOf(name).map((reservation) => reservation.taskId)
  const ahead = kept.length === 0 ? null : Math.min(...kept)
  if (ahead === null || ahead === task.id) return 'is about to be placed'
  return `waits behind ${nameOf(ahead)}: node ${name} has room, but is kept for it`
}

function tellMostFree(free: readonly NodeAccount[], spec: Needs, kept: string | null): string {
  const most = free.reduce((best, account) => (account.coresFree > best.coresFree ? account : best))
  const keeping = kept === null ? '' : `; node ${kept} is kept for it`
  if (most.coresFree < spec.cores) {
    return `needs ${formatCores(spec.cores)}: the most that is free is ${most.coresFree} on ${most.name}${keeping}`
  }
  const memory = `${formatBytes(spec.memoryBytes ?? 0)} of memory`
  const roomy = free
    .filter((account) => account.coresFree >= spec.cores)
    .reduce((best, account) => (account.memoryFreeBytes > best.memoryFreeBytes ? account : best))
  const rest = `${formatBytes(roomy.memoryFreeBytes)} of memory on ${roomy.name}`
  return `needs ${formatCores(spec.cores)} and ${memory} on one node: the most that is free beside the cores is ${rest}${keeping}`
}

function unknownNode(name: string, ledger: Ledger): string {
  const known = ledger.nodes().map((node) => node.name)
  if (known.length === 0) return `there is no node ${name}: no node has joined yet`
  return `there is no node ${name}: the cluster has ${list(known.sort(), 'nodes')}`
}

/** "a", "a and b", "a, b, c and 4 more tasks". */
function list(names: readonly string[], what: string): string {
  const head = names.slice(0, listed)
  const more = names.length - head.length
  if (more > 0) return `${head.join(', ')} and ${more} more ${what}`
  const last = head.pop() ?? 'nobody'
  return head.length === 0 ? last : `${head.join(', ')} and ${last}`
}
