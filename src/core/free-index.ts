/**
 * Which nodes have room, in order: finds the best place for a task that may run anywhere without looking at
 * every node. Kept by the ledger.
 */

import type { ExecutorInfo } from './node.ts'
import { SortedList } from './sorted-list.ts'
import type { Placement } from './target.ts'

/** What a task needs of a node. Every `TaskSpec` is one. */
export interface Needs {
  readonly cores: number
  /** null: memory is not counted for this task. */
  readonly memoryBytes: number | null
  readonly privateNetwork: boolean
  readonly privatePids: boolean
  /** More than 0: a node that can end it by itself (`ExecutorInfo.features.lease`). */
  readonly requeue?: number
  /** It has secrets: a node whose runner takes them (`ExecutorInfo.features.secrets`). */
  readonly sealed?: object
}

/**
 * One place for a task: a node, or a NUMA node of it. `isDomain`: what runs there stays inside one memory
 * domain; false for a whole node that has several.
 */
export interface Slot extends Placement {
  isDomain: boolean
  /** Free now, never negative. */
  cores: number
  memoryBytes: number
}

type Features = Pick<ExecutorInfo['features'], 'privateNetwork' | 'privatePids' | 'lease' | 'secrets'>

/** Slots in order of free cores, then free memory, then name: the first that fits is the best fit. */
export class FreeIndex {
  /** By features that the node gives: a bit for each, see `featureClass`. */
  readonly #domains = featureClasses.map(() => new SortedList(compareSlots))
  readonly #wide = featureClasses.map(() => new SortedList(compareSlots))

  add(slot: Slot, features: Features): void {
    this.#listOf(slot, features).add(slot)
  }

  /** `slot` must hold the same figures as when it was added. */
  delete(slot: Slot, features: Features): void {
    this.#listOf(slot, features).delete(slot)
  }

  /**
   * The tightest memory domain that takes the task whole, so that its memory is near its cores; where none
   * does, the tightest node across its NUMA nodes. null: it fits nowhere now.
   */
  best(needs: Needs): Slot | null {
    return tightest(this.#domains, needs) ?? tightest(this.#wide, needs)
  }

  /** Whole nodes that give the features, the one with most free cores first. */
  roomiest(needs: Needs, accepts: (slot: Slot) => boolean): Slot | null {
    let best: Slot | null = null
    for (const lists of [this.#domains, this.#wide]) {
      for (const list of giving(lists, needs)) {
        for (const slot of list.backwards()) {
          if (best !== null && compareSlots(slot, best) < 0) break
          if (slot.numaId !== null || !accepts(slot)) continue
          best = slot
          break
        }
      }
    }
    return best
  }

  #listOf(slot: Slot, features: Features): SortedList<Slot> {
    // `featureClass` is one of `featureClasses`
    return (slot.isDomain ? this.#domains : this.#wide)[featureClass(features)]!
  }
}

function tightest(lists: readonly SortedList<Slot>[], needs: Needs): Slot | null {
  let best: Slot | null = null
  for (const list of giving(lists, needs)) {
    const slot = tightestIn(list, needs.cores, needs.memoryBytes ?? 0)
    if (slot !== null && (best === null || compareSlots(slot, best) < 0)) best = slot
  }
  return best
}

/** Jumps from one figure of free cores to the next: slots of equal cores are in order of their memory. */
function tightestIn(list: SortedList<Slot>, cores: number, memoryBytes: number): Slot | null {
  for (let from = cores; ; ) {
    const least = from
    const slot = list.firstWhere(
      (other) => other.cores > least || (other.cores === least && other.memoryBytes >= memoryBytes),
    )
    if (slot === undefined) return null
    if (slot.memoryBytes >= memoryBytes) return slot
    from = slot.cores
  }
}

/** The lists of nodes that give at least these features. */
function giving(lists: readonly SortedList<Slot>[], asked: Needs): SortedList<Slot>[] {
  const needed = featureClass({ ...asked, lease: needsLease(asked), secrets: needsSecrets(asked) })
  return lists.filter((list, given) => list.size > 0 && (given & needed) === needed)
}

/** Does it need a node that can end it by itself? */
export function needsLease({ requeue = 0 }: Pick<Needs, 'requeue'>): boolean {
  return requeue > 0
}

/** Does it need a node whose runner takes secrets? */
export function needsSecrets({ sealed }: Pick<Needs, 'sealed'>): boolean {
  return sealed !== undefined
}

const featureClasses = Array.from({ length: 16 }, (_, each) => each)

function featureClass({ privateNetwork, privatePids, lease = false, secrets = false }: Features): number {
  return (privateNetwork ? 1 : 0) + (privatePids ? 2 : 0) + (lease ? 4 : 0) + (secrets ? 8 : 0)
}

function compareSlots(a: Slot, b: Slot): number {
  if (a.cores !== b.cores) return a.cores - b.cores
  if (a.memoryBytes !== b.memoryBytes) return a.memoryBytes - b.memoryBytes
  if (a.node !== b.node) return a.node < b.node ? -1 : 1
  return (a.numaId ?? -1) - (b.numaId ?? -1)
}
