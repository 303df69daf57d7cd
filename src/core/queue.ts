/**
 * The waiting tasks and the scheduling pass. The rules, chosen to be predictable on a few machines:
 *
 * - Tasks with the same target and need form a lane, first come first served.
 * - A waiting task for a named node keeps what it aims at free for itself: younger tasks do not overtake it
 *   there (`node` holds up the whole node, `node:0` that NUMA node and whole-node tasks).
 * - Of the waiting tasks for any node, the oldest keeps one node free, the roomiest that can take it; younger
 *   ones go round it, so that small tasks neither wait for a big one nor starve it.
 *
 * A pass looks only at lanes for which something changed since the last one.
 */
import type { Ledger } from './ledger.ts'
import { explainWait, place, roomiest, refuseReason, type Wanted } from './place.ts'
import { formatTarget, type Placement } from './target.ts'

/** Tasks that are the same to the scheduler, oldest first. */
interface Lane {
  key: string
  /** null: any node. */
  node: string | null
  numaId: number | null
  waiting: Wanted[]
  /** Index of the oldest in `waiting`; those before it are gone. */
  head: number
}

export interface Decision {
  taskId: number
  placement: Placement
}

export class PendingQueue {
  private readonly lanes = new Map<string, Lane>()
  private readonly lanesByNode = new Map<string | null, Set<Lane>>()
  private readonly laneOf = new Map<number, Lane>()
  /** Lanes that the next pass has to look at. */
  private readonly dirty = new Set<Lane>()
  /** The task of any target that waits longest for room, and the node kept free for it. */
  private anyReservation: { taskId: number; node: string } | null = null

  get size(): number {
    return this.laneOf.size
  }

  /** Takes a task in. Ids grow with time, so the order of a lane is the order of ids. */
  add(wanted: Wanted): void {
    if (this.laneOf.has(wanted.taskId)) return
    const lane = this.laneFor(wanted)
    const last = lane.waiting.at(-1)
    if (last === undefined || last.taskId < wanted.taskId) lane.waiting.push(wanted)
    else insertSorted(lane, wanted)
    this.laneOf.set(wanted.taskId, lane)
    this.dirty.add(lane)
  }

  /** Takes a task out that is not to be placed any more. */
  remove(taskId: number): void {
    const lane = this.laneOf.get(taskId)
    if (lane === undefined) return
    this.laneOf.delete(taskId)
    const index = lane.waiting.findIndex((wanted) => wanted.taskId === taskId)
    if (index >= lane.head) lane.waiting.splice(index, 1)
    if (lane.head === lane.waiting.length) this.close(lane)
    if (this.anyReservation?.taskId === taskId) this.anyReservation = null
    this.nodeChanged(lane.node)
  }

  /** Something got free on the node, or it came, went or changed: its lanes are looked at again. */
  nodeChanged(node: string | null): void {
    if (node === null) for (const lane of this.lanes.values()) this.dirty.add(lane)
    for (const lane of this.lanesByNode.get(node) ?? []) this.dirty.add(lane)
    for (const lane of this.lanesByNode.get(null) ?? []) this.dirty.add(lane)
  }

  /**
   * Places what fits, oldest first, and books it in the ledger. Deterministic.
   * @returns the decisions in the order they were made
   */
  schedule(ledger: Ledger): Decision[] {
    const decisions: Decision[] = []
    // a placement can open the way for lanes that waited behind it: once more, until nothing moves
    while (this.dirty.size > 0) decisions.push(...this.pass(ledger))
    return decisions
  }

  private pass(ledger: Ledger): Decision[] {
    const decisions: Decision[] = []
    const lanes = [...this.dirty].filter((lane) => headOf(lane) !== undefined)
    this.dirty.clear()
    const open = new LaneHeap(lanes)
    for (let lane = open.pop(); lane !== undefined; lane = open.pop()) {
      const wanted = headOf(lane)
      if (wanted === undefined) continue
      const placement = this.behind(wanted, lane) === null ? this.tryPlace(wanted, lane, ledger) : null
      if (placement === null) continue
      ledger.hold(wanted.taskId, placement, wanted.spec)
      this.dropHead(lane)
      decisions.push({ taskId: wanted.taskId, placement })
      if (headOf(lane) !== undefined) open.push(lane)
    }
    return decisions
  }

  /** Why a task of the queue waits, in words. */
  explain(wanted: Wanted, ledger: Ledger): string {
    const lane = this.laneOf.get(wanted.taskId)
    if (lane === undefined) return explainWait(wanted, ledger)
    const head = headOf(lane)
    const ahead = head !== undefined && head.taskId < wanted.taskId ? head.taskId : this.behind(wanted, lane)
    return explainWait(wanted, ledger, ahead)
  }

  private tryPlace(wanted: Wanted, lane: Lane, ledger: Ledger): Placement | null {
    if (lane.node !== null) return place(wanted, ledger)
    const placement = place(wanted, ledger, (node) => this.keeperOf(node, wanted.taskId) !== null)
    if (placement !== null && this.anyReservation?.taskId === wanted.taskId) {
      const { node } = this.anyReservation
      this.anyReservation = null
      this.nodeChanged(node)
    }
    if (placement === null) this.reserveFor(wanted, ledger)
    return placement
  }

  /** The oldest waiting task for any node keeps the roomiest able node free. */
  private reserveFor(wanted: Wanted, ledger: Ledger): void {
    const current = this.anyReservation
    if (current !== null && current.taskId < wanted.taskId && this.laneOf.has(current.taskId)) return
    const online = ledger.nodes().filter((node) => node.status === 'online')
    if (online.length === 0 || refuseReason(wanted.spec, wanted.target, ledger) !== null) return
    this.anyReservation = { taskId: wanted.taskId, node: roomiest(ledger, online, wanted.spec).name }
  }

  /** The older task that this named one has to wait for; null: none. */
  private behind(wanted: Wanted, lane: Lane): number | null {
    return lane.node === null ? null : this.keeperOf(lane.node, wanted.taskId, lane)
  }

  /** The oldest task, older than this one, that the node (or the part the lane aims at) is kept free for. */
  private keeperOf(node: string, taskId: number, lane: Lane | null = null): number | null {
    let oldest: number | null = null
    const reserved = this.anyReservation
    if (reserved !== null && reserved.node === node && reserved.taskId < taskId) oldest = reserved.taskId
    for (const other of this.lanesByNode.get(node) ?? []) {
      if (lane !== null && (other === lane || !touches(other, lane))) continue
      const head = headOf(other)
      if (head !== undefined && head.taskId < taskId && (oldest === null || head.taskId < oldest)) {
        oldest = head.taskId
      }
    }
    return oldest
  }

  private laneFor(wanted: Wanted): Lane {
    const { target, spec } = wanted
    const key =
      target.kind === 'any'
        ? `any ${spec.cores} ${spec.memoryBytes} ${spec.privateNetwork} ${spec.privatePids}`
        : formatTarget(target)
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      const node = target.kind === 'any' ? null : target.node
      lane = { key, node, numaId: target.kind === 'numa' ? target.numaId : null, waiting: [], head: 0 }
      this.lanes.set(key, lane)
      const siblings = this.lanesByNode.get(node)
      if (siblings === undefined) this.lanesByNode.set(node, new Set([lane]))
      else siblings.add(lane)
    }
    return lane
  }

  private dropHead(lane: Lane): void {
    const wanted = headOf(lane)
    if (wanted === undefined) return
    this.laneOf.delete(wanted.taskId)
    lane.head += 1
    if (lane.head === lane.waiting.length) this.close(lane)
    else if (lane.head > 1024 && lane.head * 2 > lane.waiting.length) {
      lane.waiting.splice(0, lane.head)
      lane.head = 0
    }
  }

  private close(lane: Lane): void {
    this.lanes.delete(lane.key)
    this.dirty.delete(lane)
    const siblings = this.lanesByNode.get(lane.node)
    siblings?.delete(lane)
    if (siblings?.size === 0) this.lanesByNode.delete(lane.node)
  }
}

function headOf(lane: Lane): Wanted | undefined {
  return lane.waiting[lane.head]
}

/** Do two lanes of one node compete? Two NUMA nodes do not; the whole node does with each of them. */
function touches(a: Lane, b: Lane): boolean {
  return a.numaId === null || b.numaId === null || a.numaId === b.numaId
}

function insertSorted(lane: Lane, wanted: Wanted): void {
  let index = lane.waiting.length
  while (index > lane.head && (lane.waiting[index - 1]?.taskId ?? 0) > wanted.taskId) index -= 1
  lane.waiting.splice(index, 0, wanted)
}

/** A binary heap of lanes by the id of their oldest task. */
class LaneHeap {
  private readonly items: Lane[] = []

  constructor(lanes: readonly Lane[]) {
    for (const lane of lanes) this.push(lane)
  }

  push(lane: Lane): void {
    this.items.push(lane)
    let at = this.items.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.rank(parent) <= this.rank(at)) break
      this.swap(parent, at)
      at = parent
    }
  }

  pop(): Lane | undefined {
    const top = this.items[0]
    const last = this.items.pop()
    if (last === undefined || top === undefined || this.items.length === 0) return top
    this.items[0] = last
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      const least = this.rank(left + 1) < this.rank(left) ? left + 1 : left
      if (this.rank(at) <= this.rank(least)) return top
      this.swap(at, least)
      at = least
    }
  }

  private rank(index: number): number {
    const lane = this.items[index]
    return lane === undefined ? Number.POSITIVE_INFINITY : (headOf(lane)?.taskId ?? Number.POSITIVE_INFINITY)
  }

  private swap(a: number, b: number): void {
    const first = this.items[a]
    const second = this.items[b]
    if (first === undefined || second === undefined) return
    this.items[a] = second
    this.items[b] = first
  }
}
