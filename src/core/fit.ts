/** Does a task fit? The one answer that both placement and its explanation use. */
import type { NodeAccount } from './capacity.ts'
import { type Needs, needsLease, needsSecrets } from './free-index.ts'
import type { ClusterNode } from './node.ts'
import { lackingForTarget, numaTargets } from './numa.ts'
import { formatPlacement } from './target.ts'
import { formatBytes } from './units.ts'

/** What is missing right now, on the node (`numaId` null) or on one NUMA node of it. */
export interface Shortage {
  what: 'cores' | 'memory'
  numaId: number | null
  free: number
}

/**
 * Why this node, as it is, can never take the task, however idle it is; null where it can.
 * A sentence without its full stop.
 */
export function neverFits(node: ClusterNode, numaId: number | null, needs: Needs): string | null {
  return lackingFeature(node, needs) ?? lackingNumaNode(node, numaId) ?? tooSmall(node, numaId, needs)
}

/** What the task has to wait for on this node now; null where it fits. Assumes that it can fit at all. */
export function shortageOf(account: NodeAccount, numaId: number | null, needs: Needs): Shortage | null {
  if (numaId !== null) {
    const own = account.numaNodes.find((numaNode) => numaNode.id === numaId)
    if (own === undefined || own.coresFree < needs.cores) {
      return { what: 'cores', numaId, free: own?.coresFree ?? 0 }
    }
    if (own.memoryFreeBytes !== null && own.memoryFreeBytes < (needs.memoryBytes ?? 0)) {
      return { what: 'memory', numaId, free: own.memoryFreeBytes }
    }
  }
  if (account.coresFree < needs.cores) return { what: 'cores', numaId: null, free: account.coresFree }
  if (account.memoryFreeBytes < (needs.memoryBytes ?? 0)) {
    return { what: 'memory', numaId: null, free: account.memoryFreeBytes }
  }
  return null
}

/** "1 core", "8 cores". */
export function formatCores(cores: number): string {
  return cores === 1 ? '1 core' : `${cores} cores`
}

/** What `--requeue` asks of a node. */
export const leaseWords = 'the lease that --requeue needs'

/** The features asked for that the node does not give, in words; null where it gives all. */
function lackingFeature(node: ClusterNode, needs: Needs): string | null {
  const { name, features } = node.executor
  if (needsSecrets(needs) && features.secrets !== true)
    return `the runner of ${node.name} is too old for secrets: upgrade it`
  const lacking = [
    needs.privateNetwork && !features.privateNetwork ? 'a private network' : null,
    needs.privatePids && !features.privatePids ? 'private PIDs' : null,
    needsLease(needs) && features.lease !== true ? leaseWords : null,
  ].filter((feature) => feature !== null)
  if (lacking.length === 0) return null
  return `${node.name} does not give ${lacking.join(' and ')} (its executor is ${name})`
}

function lackingNumaNode(node: ClusterNode, numaId: number | null): string | null {
  if (numaId === null) return null
  const { numaNodes } = node.capacity
  if (numaNodes.length === 0) return `${node.name} has no NUMA nodes: name the node alone`
  const ids = numaTargets(numaNodes).map((numaNode) => numaNode.id)
  const found = numaNodes.find((numaNode) => numaNode.id === numaId)
  if (found === undefined) {
    const there = ids.length === 0 ? 'none can be bound to' : `it has ${joined(ids, 'and')}`
    return `${node.name} has no NUMA node ${numaId}: ${there}`
  }
  const lacking = lackingForTarget(found)
  if (lacking !== null) {
    const instead = ids.length === 0 ? 'the node alone' : joined(ids, 'or')
    return `NUMA node ${numaId} of ${node.name} has no ${lacking} that tasks may use: name ${instead}`
  }
  if (node.executor.features.numa) return null
  return `${node.name} cannot bind to a NUMA node (its executor is ${node.executor.name})`
}

/** "0", "0 and 1", "0, 1 and 2". */
function joined(ids: readonly number[], word: 'and' | 'or'): string {
  if (ids.length <= 1) return ids.join('')
  return `${ids.slice(0, -1).join(', ')} ${word} ${ids.at(-1)}`
}

function tooSmall(node: ClusterNode, numaId: number | null, needs: Needs): string | null {
  const { capacity } = node
  const own = capacity.numaNodes.find((numaNode) => numaNode.id === numaId)
  const where = formatPlacement({ node: node.name, numaId })
  const cores = Math.min(capacity.cores, own?.cpus.length ?? capacity.cores)
  if (needs.cores > cores) {
    return `${formatCores(needs.cores)} asked, but ${where} has ${cores}`
  }
  const memoryBytes = Math.min(capacity.memoryBytes, own?.memoryBytes ?? capacity.memoryBytes)
  if ((needs.memoryBytes ?? 0) > memoryBytes) {
    return `${formatBytes(needs.memoryBytes ?? 0)} of memory asked, but ${where} has ${formatBytes(memoryBytes)}`
  }
  return null
}
