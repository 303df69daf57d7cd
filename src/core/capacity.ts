/**
 * The ledger: what each node and each of its NUMA nodes has, who holds how much of it, what is left, and for
 * whom it is kept. In memory, rebuilt from the store at start; knows no clock and does no I/O.
 */
import { FreeIndex, type Needs, type Slot } from './free-index.ts'
import type { ClusterNode, NodeStatus, NumaNode } from './node.ts'
import { numaTargets } from './numa.ts'
import type { Placement } from './target.ts'
import { setKey, type UndoLog } from './undo.ts'

/** What one task holds. A task placed on a NUMA node holds a part of that and of its node. */
export interface Hold {
  readonly taskId: number
  readonly placement: Placement
  readonly cores: number
  /** 0 where the task's memory is not counted. */
  readonly memoryBytes: number
}

/** A waiting task for which a node, or one NUMA node of it (`numaId`), is kept. */
export interface Reservation {
  readonly taskId: number
  /** null: the whole node. */
  readonly numaId: number | null
  /** true: for a task that may run anywhere; stays until the queue gives it up. */
  readonly chosen: boolean
}

/** Has, held and free of a node or a NUMA node. Free is never negative, held may exceed a shrunken capacity. */
export interface Account {
  cores: number
  coresHeld: number
  coresFree: number
  /** null where the machine does not tell: then it is not counted there. */
  memoryBytes: number | null
  memoryHeldBytes: number
  memoryFreeBytes: number | null
}

export interface NodeAccount extends Account {
  name: string
  status: ClusterNode['status']
  memoryBytes: number
  memoryFreeBytes: number
  tasks: number
  numaNodes: (Account & { id: number })[]
}

interface Amount {
  cores: number
  memoryBytes: number
}

interface Entry {
  name: string
  /** null: a task was placed there, but the node has not told yet what it has. */
  node: ClusterNode | null
  held: Amount
  heldOnNuma: Map<number, Amount>
  holds: Map<number, Hold>
  reservations: readonly Reservation[]
  /** As they stand in the index; empty while the node is not online. */
  slots: Slot[]
}

/** What happened to a node since the last pass: `reshaped`: what it has changed, `freed`: only what is free. */
export type NodeChange = 'freed' | 'reshaped'

/** The accounts of all nodes. Every method costs microseconds, also with 10,000 nodes. */
export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #holds = new Map<number, Hold>()
  readonly #index = new FreeIndex()
  #changes = new Map<string, NodeChange>()
  #shape = 0
  readonly #total: Amount = { cores: 0, memoryBytes: 0 }
  #undo: UndoLog | null = null
  /** Whose place in the index is put right when all else of them has been taken back. */
  readonly #noted = new Set<Entry>()

  /**
   * From now on what a pass does (`hold`, `reserve`, `unreserve`, `takeChanges`) is noted, so that it can be taken back
   * (see `trial`), and nothing else may be done; null: no longer.
   */
  noteIn(undo: UndoLog | null): void {
    this.#undo = undo
    this.#noted.clear()
  }

  /** How many nodes it has heard of. */
  get size(): number {
    return this.#entries.size
  }

  /** Raised when a node comes, goes or changes what it has: what fitted nowhere may fit now. */
  get shape(): number {
    return this.#shape
  }

  /** What is held on all nodes together. */
  get held(): Readonly<Amount> {
    return this.#total
  }

  /** A node has linked, perhaps with another capacity than before. Holds stay, even beyond what it has now. */
  setNode(node: ClusterNode): void {
    this.#checkReal()
    const entry = this.#entryOf(node.name)
    this.#unindex(entry)
    entry.node = node
    this.#changed(entry, 'reshaped')
  }

  /** Forgets a node on which nothing is held. */
  removeNode(name: string): void {
    this.#checkReal()
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#unindex(entry)
    entry.node = null
    entry.reservations = []
    this.#changed(entry, 'reshaped')
  }

  /** Nothing is placed on a node that is not online; what runs there keeps its part. */
  setNodeStatus(name: string, status: NodeStatus): void {
    this.#checkReal()
    const entry = this.#entries.get(name)
    if (entry?.node == null || entry.node.status === status) return
    this.#unindex(entry)
    entry.node = { ...entry.node, status }
    this.#changed(entry, 'reshaped')
  }

  /**
   * Books a task in, also where it does not fit (the store says that it is there).
   * @throws Error where the task already holds something: it may be in one place at a time.
   */
  hold(taskId: number, placement: Placement, cores: number, memoryBytes: number | null): void {
    if (this.#holds.has(taskId)) throw new Error(`task ${taskId} holds a part of a node already`)
    const hold: Hold = { taskId, placement, cores, memoryBytes: memoryBytes ?? 0 }
    const entry = this.#entryOf(placement.node)
    this.#note(entry)
    this.#holds.set(taskId, hold)
    entry.holds.set(taskId, hold)
    book(entry, hold, 1)
    add(this.#total, hold, 1)
    this.#undo?.push(() => this.#letGo(entry, hold))
    this.#reindex(entry)
  }

  /** Gives back what the task holds; false where it holds nothing. */
  release(taskId: number): boolean {
    this.#checkReal()
    const hold = this.#holds.get(taskId)
    if (hold === undefined) return false
    const entry = this.#entryOf(hold.placement.node)
    this.#letGo(entry, hold)
    this.#changed(entry, 'freed')
    return true
  }

  /** What a task holds; null where nothing. */
  holdOf(taskId: number): Hold | null {
    return this.#holds.get(taskId) ?? null
  }

  /** The tasks that hold a part of the node, or of one NUMA node of it, by id. */
  holdersOf(name: string, numaId: number | null = null): Hold[] {
    const holds = [...(this.#entries.get(name)?.holds.values() ?? [])]
    return holds
      .filter((hold) => numaId === null || hold.placement.numaId === numaId)
      .sort((a, b) => a.taskId - b.taskId)
  }

  /** The node as it last told of itself; null where it never did. */
  nodeOf(name: string): ClusterNode | null {
    return this.#entries.get(name)?.node ?? null
  }

  /** Every node that has told of itself. */
  nodes(): ClusterNode[] {
    return [...this.#entries.values()].flatMap((entry) => entry.node ?? [])
  }

  /** What the node has, what is held and what is free; null for a node that never told what it has. */
  freeOf(name: string): NodeAccount | null {
    const entry = this.#entries.get(name)
    if (entry?.node == null) return null
    const { cores, memoryBytes, numaNodes } = entry.node.capacity
    return {
      name,
      status: entry.node.status,
      ...account(cores, memoryBytes, entry.held),
      memoryBytes,
      memoryFreeBytes: Math.max(0, memoryBytes - entry.held.memoryBytes),
      tasks: entry.holds.size,
      numaNodes: numaNodes.map((numaNode) => ({ id: numaNode.id, ...numaAccount(entry, numaNode) })),
    }
  }

  /** The best free place for a task that may run anywhere; null where it fits nowhere that is not kept. */
  bestPlace(needs: Needs): Placement | null {
    const slot = this.#index.best(needs)
    return slot === null ? null : { node: slot.node, numaId: slot.numaId }
  }

  /** Of the online nodes that are not kept for others and have the features: the one with most free cores. */
  roomiest(needs: Needs, accepts: (node: ClusterNode) => boolean): ClusterNode | null {
    const slot = this.#index.roomiest(needs, (candidate) => {
      const node = this.nodeOf(candidate.node)
      return node !== null && accepts(node)
    })
    return slot === null ? null : this.nodeOf(slot.node)
  }

  /** The waiting tasks that this node is kept for. */
  reservationsOf(name: string): readonly Reservation[] {
    return this.#entries.get(name)?.reservations ?? []
  }

  /** Keeps a node, or a NUMA node of it, for a task that waits: later tasks do not get it. */
  reserve(name: string, reservation: Reservation): void {
    const entry = this.#entryOf(name)
    const { taskId, numaId } = reservation
    if (entry.reservations.some((kept) => kept.taskId === taskId && kept.numaId === numaId)) return
    this.#setReservations(entry, [...entry.reservations, reservation])
  }

  /** Drops the reservations of a node that `gone` tells. */
  unreserve(name: string, gone: (reservation: Reservation) => boolean): void {
    const entry = this.#entries.get(name)
    if (entry === undefined || entry.reservations.length === 0) return
    this.#setReservations(
      entry,
      entry.reservations.filter((reservation) => !gone(reservation)),
    )
  }

  /** The nodes where something may fit that did not before, since the last call. */
  takeChanges(): Map<string, NodeChange> {
    const changes = this.#changes
    this.#changes = new Map()
    if (this.#undo === null) return changes
    this.#undo.push(() => {
      this.#changes = changes
    })
    return new Map(changes) // whoever gets them may change them
  }

  #checkReal(): void {
    if (this.#undo !== null) throw new Error('only what a pass does can be taken back')
  }

  #entryOf(name: string): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      const held = { cores: 0, memoryBytes: 0 }
      entry = { name, node: null, held, heldOnNuma: new Map(), holds: new Map(), reservations: [], slots: [] }
      setKey(this.#undo, this.#entries, name, entry)
    }
    return entry
  }

  #letGo(entry: Entry, hold: Hold): void {
    this.#holds.delete(hold.taskId)
    entry.holds.delete(hold.taskId)
    book(entry, hold, -1)
    add(this.#total, hold, -1)
  }

  #setReservations(entry: Entry, reservations: readonly Reservation[]): void {
    const before = entry.reservations
    this.#note(entry)
    entry.reservations = reservations
    this.#undo?.push(() => {
      entry.reservations = before
    })
    this.#reindex(entry)
  }

  #note(entry: Entry): void {
    if (this.#undo === null || this.#noted.has(entry)) return
    this.#noted.add(entry)
    this.#undo.push(() => this.#reindex(entry))
  }

  #changed(entry: Entry, change: NodeChange): void {
    if (change === 'reshaped') this.#shape += 1
    if (change === 'reshaped' || !this.#changes.has(entry.name)) this.#changes.set(entry.name, change)
    this.#reindex(entry)
  }

  #unindex(entry: Entry): void {
    if (entry.node === null) return
    for (const slot of entry.slots) this.#index.delete(slot, entry.node.executor.features)
    entry.slots = []
  }

  #reindex(entry: Entry): void {
    if (entry.node === null) return
    const { features } = entry.node.executor
    const slots = slotsOf(entry)
    if (slots.length === entry.slots.length && slots.every((slot, at) => isSameSlot(slot, entry.slots[at])))
      return
    for (const slot of entry.slots) this.#index.delete(slot, features)
    for (const slot of slots) this.#index.add(slot, features)
    entry.slots = slots
  }
}

/** Does the node keep NUMA nodes apart: are several of them targets, and can its executor bind to one? */
export function bindsNuma(node: ClusterNode): boolean {
  return node.executor.features.numa && numaTargets(node.capacity.numaNodes).length >= 2
}

/** Does a reservation stand in the way of a later task on this node (`numaId` null) or NUMA node? */
export function isInTheWay(reservation: Reservation, numaId: number | null): boolean {
  return reservation.numaId === null || numaId === null || reservation.numaId === numaId
}

function slotsOf(entry: Entry): Slot[] {
  const { node, held } = entry
  if (node === null || node.status !== 'online') return []
  const cores = Math.max(0, node.capacity.cores - held.cores)
  const memoryBytes = Math.max(0, node.capacity.memoryBytes - held.memoryBytes)
  const binds = bindsNuma(node)
  const slots: Slot[] = [{ node: entry.name, numaId: null, isDomain: !binds, cores, memoryBytes }]
  for (const numaNode of binds ? numaTargets(node.capacity.numaNodes) : []) {
    const own = numaAccount(entry, numaNode)
    slots.push({
      node: entry.name,
      numaId: numaNode.id,
      isDomain: true,
      cores: Math.min(cores, own.coresFree),
      memoryBytes: Math.min(memoryBytes, own.memoryFreeBytes ?? memoryBytes),
    })
  }
  if (entry.reservations.length === 0) return slots
  return slots.filter((slot) => !entry.reservations.some((kept) => isInTheWay(kept, slot.numaId)))
}

function numaAccount(entry: Entry, numaNode: NumaNode): Account {
  const held = entry.heldOnNuma.get(numaNode.id) ?? { cores: 0, memoryBytes: 0 }
  return account(numaNode.cpus.length, numaNode.memoryBytes, held)
}

function account(cores: number, memoryBytes: number | null, held: Amount): Account {
  return {
    cores,
    coresHeld: held.cores,
    coresFree: Math.max(0, cores - held.cores),
    memoryBytes,
    memoryHeldBytes: held.memoryBytes,
    memoryFreeBytes: memoryBytes === null ? null : Math.max(0, memoryBytes - held.memoryBytes),
  }
}

function book(entry: Entry, hold: Hold, sign: 1 | -1): void {
  add(entry.held, hold, sign)
  const { numaId } = hold.placement
  if (numaId === null) return
  const held = entry.heldOnNuma.get(numaId) ?? { cores: 0, memoryBytes: 0 }
  add(held, hold, sign)
  entry.heldOnNuma.set(numaId, held)
}

function add(amount: Amount, hold: Hold, sign: 1 | -1): void {
  amount.cores += sign * hold.cores
  amount.memoryBytes += sign * hold.memoryBytes
}

function isSameSlot(a: Slot, b: Slot | undefined): boolean {
  return b !== undefined && a.numaId === b.numaId && a.cores === b.cores && a.memoryBytes === b.memoryBytes
}
