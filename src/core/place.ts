/**
 * Where a waiting task goes, and in words why it cannot go yet. Both come from the same functions, so what is
 * said is what is done.
 */
import type { Ledger, Need } from './ledger.ts'
import { AppError } from './errors.ts'
import type { ClusterNode } from './node.ts'
import { formatTarget, type Placement, type Target } from './target.ts'
import type { TaskSpec } from './task.ts'
import { formatBytes } from './units.ts'

/** What placement looks at of a task. */
export interface Wanted {
  taskId: number
  target: Target
  spec: Pick<TaskSpec, 'cores' | 'memoryBytes' | 'privateNetwork' | 'privatePids'>
}

/** Why it does not fit now; null: it fits. */
type Obstacle = string | null

/**
 * Where the task can go now.
 * @param isReserved Is the node kept free for a task that waits longer? Then it is not for this one.
 * @returns null where nothing fits
 */
export function place(
  wanted: Wanted,
  ledger: Ledger,
  isReserved: (node: string) => boolean = () => false,
): Placement | null {
  const { target, spec } = wanted
  if (target.kind !== 'any') {
    const numaId = target.kind === 'numa' ? target.numaId : null
    return obstacleOn(ledger, target.node, numaId, spec) === null ? { node: target.node, numaId } : null
  }
  for (const name of ledger.onlineWithFreeCores(spec.cores)) {
    if (isReserved(name) || obstacleOn(ledger, name, null, spec) !== null) continue
    return { node: name, numaId: bestNumaNode(ledger, name, spec) }
  }
  return null
}

/**
 * The NUMA node to bind a task to whose target left the choice: the fullest that takes it whole. Only where
 * its memory need is known, because a bound task cannot use the memory of the others.
 */
function bestNumaNode(ledger: Ledger, name: string, spec: Wanted['spec']): number | null {
  const node = ledger.node(name)
  if (node === undefined || spec.memoryBytes === null) return null
  if (node.capacity.numaNodes.length < 2 || !node.executor.features.numa) return null
  const fitting = node.capacity.numaNodes
    .map(({ id }) => ({ id, free: ledger.free(name, id) }))
    .filter(({ free }) => shortage(free, spec) === null)
    .sort((a, b) => a.free.cores - b.free.cores || a.id - b.id)
  return fitting[0]?.id ?? null
}

function obstacleOn(ledger: Ledger, name: string, numaId: number | null, spec: Wanted['spec']): Obstacle {
  const node = ledger.node(name)
  if (node === undefined) return `${name} has not joined`
  if (node.status !== 'online') return `${name} cannot be reached`
  const feature = missingFeature(node, numaId, spec)
  if (feature !== null) return feature
  const short = shortage(ledger.free(name, numaId), spec)
  return short === null ? null : `${short.needs} on ${where(name, numaId)}: ${short.free} free${heldBy(ledger, name, numaId)}`
}

function shortage(free: { cores: number; memoryBytes: number }, need: Need): { needs: string; free: string } | null {
  if (need.cores > free.cores) return { needs: `needs ${cores(need.cores)}`, free: `${free.cores}` }
  if (need.memoryBytes !== null && need.memoryBytes > free.memoryBytes) {
    return { needs: `needs ${formatBytes(need.memoryBytes)} of memory`, free: formatBytes(free.memoryBytes) }
  }
  return null
}

function heldBy(ledger: Ledger, name: string, numaId: number | null): string {
  const holds = ledger.holdsOf(name).filter((hold) => numaId === null || hold.numaId === null || hold.numaId === numaId)
  if (holds.length === 0) return ''
  const shown = holds.slice(0, 2).map((hold) => `${hold.cores} held by task ${hold.taskId}`)
  const more = holds.length > 2 ? `, and ${holds.length - 2} more tasks` : ''
  return `, ${shown.join(', ')}${more}`
}

function missingFeature(node: ClusterNode, numaId: number | null, spec: Wanted['spec']): Obstacle {
  const { features, name } = node.executor
  if (spec.privateNetwork && !features.privateNetwork) {
    return `${node.name} cannot give a private network (its executor is ${name})`
  }
  if (spec.privatePids && !features.privatePids) {
    return `${node.name} cannot give private PIDs (its executor is ${name})`
  }
  if (numaId !== null && !features.numa) return `${node.name} cannot bind to NUMA nodes: numactl is missing there`
  return null
}

function where(name: string, numaId: number | null): string {
  return numaId === null ? name : `${name}:${numaId}`
}

function cores(count: number): string {
  return count === 1 ? '1 core' : `${count} cores`
}

/**
 * Why the task can never run as the cluster stands: an unknown node, a NUMA node that is not there, more than
 * the machine has, a sandbox it cannot give. Such a submit is refused instead of queued. null: it can.
 * A task for `any` node is refused only if no known node could ever take it; with no node at all it waits.
 */
export function refuseReason(spec: Wanted['spec'], target: Target, ledger: Ledger): string | null {
  if (target.kind !== 'any') return impossibleOn(ledger, target, spec)
  const nodes = ledger.nodes()
  if (nodes.length === 0) return null
  const reasons = nodes.map((node) => impossibleOn(ledger, { kind: 'node', node: node.name }, spec))
  if (reasons.includes(null)) return null
  return nodes.length === 1 ? (reasons[0] ?? null) : `no node can ever take it: ${reasons.slice(0, 3).join('; ')}`
}

function impossibleOn(ledger: Ledger, target: Exclude<Target, { kind: 'any' }>, spec: Wanted['spec']): string | null {
  const node = ledger.node(target.node)
  if (node === undefined) return `no node named ${target.node} has joined${knownNodes(ledger)}`
  const numaId = target.kind === 'numa' ? target.numaId : null
  const has = capacityOf(node, numaId)
  if (has === null) return `${node.name} has no NUMA node ${numaId}${validNumaIds(node)}`
  const feature = missingFeature(node, numaId, spec)
  if (feature !== null) return feature
  const short = shortage(has, spec)
  return short === null ? null : `${short.needs}, but ${where(node.name, numaId)} has only ${short.free}`
}

function capacityOf(node: ClusterNode, numaId: number | null): { cores: number; memoryBytes: number } | null {
  if (numaId === null) return node.capacity
  const numaNode = node.capacity.numaNodes.find((candidate) => candidate.id === numaId)
  if (numaNode === undefined) return null
  return { cores: numaNode.cpus.length, memoryBytes: numaNode.memoryBytes ?? node.capacity.memoryBytes }
}

function knownNodes(ledger: Ledger): string {
  const names = ledger.nodes().map((node) => node.name).sort()
  if (names.length === 0) return '; there is no node yet'
  return `; known: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`
}

function validNumaIds(node: ClusterNode): string {
  const ids = node.capacity.numaNodes.map((numaNode) => numaNode.id)
  return ids.length === 0 ? ': it tells of no NUMA topology' : `; valid: ${ids.join(', ')}`
}

/** Why a task waits, in words. `waitsBehind`: the older task that its node is kept free for. */
export function explainWait(wanted: Wanted, ledger: Ledger, waitsBehind: number | null = null): string {
  const { target, spec } = wanted
  if (target.kind !== 'any') {
    const numaId = target.kind === 'numa' ? target.numaId : null
    const obstacle = obstacleOn(ledger, target.node, numaId, spec)
    if (obstacle !== null) return obstacle
    return waitsBehind === null ? 'is about to be placed' : `waits behind task ${waitsBehind} for ${formatTarget(target)}`
  }
  const impossible = refuseReason(spec, target, ledger)
  if (impossible !== null) return impossible
  const online = ledger.nodes().filter((node) => node.status === 'online')
  if (online.length === 0) return ledger.nodes().length === 0 ? 'no node has joined yet' : 'no node can be reached'
  if (place(wanted, ledger) !== null) {
    return waitsBehind === null ? 'is about to be placed' : `waits behind task ${waitsBehind}`
  }
  const best = roomiest(ledger, online, spec)
  const obstacle = obstacleOn(ledger, best.name, null, spec) ?? ''
  return online.length === 1 ? obstacle : `no node has room: ${obstacle} (the roomiest)`
}

/** The node that could take the task soonest, as far as one can tell: the one with most free among the able. */
export function roomiest(ledger: Ledger, nodes: readonly ClusterNode[], spec: Wanted['spec']): ClusterNode {
  const able = nodes.filter((node) => impossibleOn(ledger, { kind: 'node', node: node.name }, spec) === null)
  const freeOf = (node: ClusterNode) => ledger.free(node.name)
  const [first] = (able.length > 0 ? able : [...nodes]).sort(
    (a, b) =>
      freeOf(b).cores - freeOf(a).cores ||
      freeOf(b).memoryBytes - freeOf(a).memoryBytes ||
      (a.name < b.name ? -1 : 1),
  )
  if (first === undefined) throw new AppError('internal', 'asked for the roomiest of no nodes')
  return first
}
