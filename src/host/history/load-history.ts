/**
 * Load of each node and of the whole cluster over time. Nodes are looked at by a timer, some at a time, so that many
 * cost no more than their part of it; about once a minute what was seen of a node is added to the file.
 */
import {
  addSample,
  addStep,
  addSums,
  blockOfStep,
  clearSums,
  fineStepMs,
  isBlockOver,
  type LoadSample,
  type LoadSums,
  type LoadValues,
  levels,
  mergeStep,
  newSums,
  type Range,
  stepOfFine,
  valuesOf,
  windowOf,
} from '../../core/load-history.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Cluster, NodeState } from '../cluster.ts'
import type { HistoryFile } from '../store/history-file.ts'
import { type HeatMap, HeatMaps } from './heat-map.ts'

export interface LoadHistoryDeps {
  file: HistoryFile
  clock: Clock
  cluster: Pick<Cluster, 'nodes' | 'ledger' | 'runningOn'>
  heartbeatMs: number
}

/** Between two looks at a node. */
const lookMs = 5_000
/** So many looks later a node is written down. */
const looksPerSave = 12
/** Fine steps that are seen between two saves; where it is more, as by a clock that is set, it is saved sooner. */
const maxPending = 8
/** Nodes that are looked at, and rows that are read or forgotten, before all else has its turn. */
const nodesPerTurn = 50
const rowsPerTurn = 200
/** The cluster's own rows; no node has this name. */
const wholeCluster = ''
/** The clock is believed about what is old when nobody has set it for so long. */
const steadyMs = 10 * 60_000
const clockSetMs = 60_000

/** What was seen since the last save. Made once for a node, so that many of them leave no garbage. */
interface Pending {
  /** Numbers of the fine steps that `sums` has. */
  fines: number[]
  sums: LoadSums
}

export interface LoadOverTime {
  startMs: number
  stepMs: number
  values: LoadValues
}

export class LoadHistory {
  private readonly deps: LoadHistoryDeps
  private readonly pending = new Map<string, Pending>()
  private readonly heatMaps: HeatMaps
  private readonly openedAt: number
  /** Takes back what comes next. */
  private cancel = () => {}
  private isClosed = false
  private look = 0
  /** How far the wall clock was ahead of the other one, and since when. */
  private clockLead: { byMs: number; since: number }

  constructor(deps: LoadHistoryDeps) {
    this.deps = deps
    const { clock } = deps
    this.openedAt = clock.monotonic()
    this.clockLead = { byMs: clock.now() - this.openedAt, since: this.openedAt }
    this.heatMaps = new HeatMaps({
      file: deps.file,
      pendingOf: (node) => this.pending.get(node) ?? null,
    })
    this.cancel = clock.after(lookMs, () => this.lookAround())
  }

  /** Of a node, or of the cluster where none is named. */
  read(range: Range, node: string = wholeCluster): LoadOverTime {
    const { level, from, count } = windowOf(range, this.deps.clock.now())
    const sums = newSums(count)
    const isShown = (step: number) => step >= from && step < from + count
    const [first, last] = [blockOfStep(level, from), blockOfStep(level, from + count - 1)]
    for (const { block, steps } of this.deps.file.loadOf(level, node, first, last)) {
      for (let at = 0; at < level.blockSteps; at += 1) {
        const step = block * level.blockSteps + at
        if (isShown(step)) addStep(sums, step - from, steps, at)
      }
    }
    const pending = this.pending.get(node)
    for (const [index, fine] of pending?.fines.entries() ?? []) {
      const step = stepOfFine(level, fine)
      if (pending !== undefined && isShown(step)) addSums(sums, step - from, pending.sums, index)
    }
    return { startMs: from * level.stepMs, stepMs: level.stepMs, values: valuesOf(sums) }
  }

  /** How busy each node was, in at most so many steps, by name. @throws AppError `too_many` */
  readAll(range: Range, points: number): Promise<HeatMap> {
    const names = [...this.deps.cluster.nodes.keys()].sort((a, b) =>
      a.localeCompare(b, 'en', { numeric: true }),
    )
    return this.heatMaps.read(range, points, names, this.deps.clock.now())
  }

  /** Forgets a node. */
  forget(node: string): void {
    this.pending.delete(node)
    this.deps.file.removeNode(levels, node)
  }

  /** Writes all that was seen. */
  close(): void {
    this.isClosed = true
    this.cancel()
    this.deps.file.together(() => {
      for (const node of this.pending.keys()) this.save(node)
    })
  }

  /** One look at all nodes, a turn of some at a time. */
  private lookAround(): void {
    const { clock, cluster } = this.deps
    const from = clock.monotonic()
    const nowMs = clock.now()
    this.watchClock(nowMs, from)
    this.look += 1
    const names = [...cluster.nodes.keys()]
    const whole = new Whole()
    const turn = (start: number) => {
      if (this.isClosed) return
      const end = Math.min(names.length, start + nodesPerTurn)
      this.deps.file.together(() => {
        for (let index = start; index < end; index += 1) this.lookAt(names[index] ?? '', index, nowMs, whole)
      })
      if (end < names.length) {
        this.cancel = clock.soon(() => turn(end))
        return
      }
      this.finish(whole, names.length, nowMs)
      this.cancel = clock.after(Math.max(0, lookMs - (clock.monotonic() - from)), () => this.lookAround())
    }
    turn(0)
  }

  private lookAt(name: string, index: number, nowMs: number, whole: Whole): void {
    const { cluster, clock, heartbeatMs } = this.deps
    const node = cluster.nodes.get(name)
    if (node === undefined) return
    const { load, record } = node
    // a link that is cut is not told at once
    const isHeard = load !== null && clock.monotonic() - node.loadAtMs <= 2 * heartbeatMs + lookMs
    if (record.status === 'online' && isHeard) {
      const sample = this.sampleOf(node, load)
      this.add(name, nowMs, sample)
      whole.add(sample)
    } else if (record.status === 'online') whole.isAwaited = true
    this.saveInTurn(name, index)
  }

  private sampleOf({ record }: NodeState, load: NonNullable<NodeState['load']>): LoadSample {
    const { ledger, cluster } = { ledger: this.deps.cluster.ledger, cluster: this.deps.cluster }
    const account = ledger.freeOf(record.name)
    return {
      cpuPercent: load.cpuPercent,
      memoryUsedBytes: load.memoryUsedBytes,
      coresAllocated: account?.coresHeld ?? 0,
      memoryAllocatedBytes: account?.memoryHeldBytes ?? 0,
      cores: record.capacity.cores,
      memoryBytes: record.capacity.memoryBytes,
      tasksRunning: cluster.runningOn(record.name),
    }
  }

  private finish(whole: Whole, index: number, nowMs: number): void {
    // after its start the host does not know yet who is there
    const isEarly = this.deps.clock.monotonic() - this.openedAt < 2 * this.deps.heartbeatMs
    if (!(whole.isAwaited && isEarly)) this.add(wholeCluster, nowMs, whole.sample())
    this.saveInTurn(wholeCluster, index)
    this.removeOld(nowMs)
  }

  private add(name: string, nowMs: number, sample: LoadSample): void {
    const fine = Math.floor(nowMs / fineStepMs)
    let pending = this.pending.get(name)
    if (pending === undefined) {
      pending = { fines: [], sums: newSums(maxPending) }
      this.pending.set(name, pending)
    }
    if (pending.fines.length === maxPending && !pending.fines.includes(fine)) this.save(name)
    const known = pending.fines.indexOf(fine)
    const index = known === -1 ? pending.fines.push(fine) - 1 : known
    addSample(pending.sums, index, sample)
  }

  private saveInTurn(name: string, index: number): void {
    if ((index + this.look) % looksPerSave === 0) this.save(name)
  }

  private save(name: string): void {
    const pending = this.pending.get(name)
    if (pending === undefined || pending.fines.length === 0) return
    const { fines, sums } = pending
    for (const level of levels) {
      const blocks = fines.map((fine) => blockOfStep(level, stepOfFine(level, fine)))
      for (const block of new Set(blocks)) {
        this.deps.file.changeLoad(level, block, name, (steps) => {
          for (const [index, fine] of fines.entries()) {
            if (blocks[index] !== block) continue
            mergeStep(steps, stepOfFine(level, fine) - block * level.blockSteps, sums, index)
          }
        })
      }
    }
    clearSums(sums, fines.length)
    fines.length = 0
  }

  private removeOld(nowMs: number): void {
    if (this.deps.clock.monotonic() - this.clockLead.since < steadyMs) return
    for (const level of levels) {
      const { first, last } = this.deps.file.blocksOf(level) ?? {}
      if (first === undefined || last === undefined) continue
      const over = [first, last].find((block) => isBlockOver(level, block, nowMs))
      if (over !== undefined) this.deps.file.removeBlock(level, over, rowsPerTurn)
    }
  }

  /** A clock that was just set may be set back: nothing is forgotten for it. */
  private watchClock(nowMs: number, monotonicMs: number): void {
    const byMs = nowMs - monotonicMs
    if (Math.abs(byMs - this.clockLead.byMs) <= clockSetMs) return
    this.clockLead = { byMs, since: monotonicMs }
  }
}

/** Sums over the nodes that are heard. */
class Whole {
  /** A node that is believed to be online has not been heard yet. */
  isAwaited = false
  private readonly sums = {
    coresAllocated: 0,
    memoryAllocatedBytes: 0,
    cores: 0,
    memoryBytes: 0,
    tasksRunning: 0,
  }
  private memoryUsedBytes: number | null = null
  private busy = 0
  private busyOf = 0

  add(sample: LoadSample): void {
    const { sums } = this
    sums.coresAllocated += sample.coresAllocated ?? 0
    sums.memoryAllocatedBytes += sample.memoryAllocatedBytes ?? 0
    sums.cores += sample.cores ?? 0
    sums.memoryBytes += sample.memoryBytes ?? 0
    sums.tasksRunning += sample.tasksRunning ?? 0
    if (sample.memoryUsedBytes !== null)
      this.memoryUsedBytes = (this.memoryUsedBytes ?? 0) + sample.memoryUsedBytes
    if (sample.cpuPercent === null) return
    this.busy += sample.cpuPercent * (sample.cores ?? 0)
    this.busyOf += sample.cores ?? 0
  }

  sample(): LoadSample {
    const { sums, busy, busyOf, memoryUsedBytes } = this
    return { ...sums, memoryUsedBytes, cpuPercent: busyOf === 0 ? null : busy / busyOf }
  }
}
