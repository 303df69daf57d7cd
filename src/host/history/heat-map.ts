/** How busy every node was, in a few steps each: read from the file a page at a time, by one reader at a time. */
import { setImmediate } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import {
  addStep,
  addSums,
  blockOfStep,
  type LoadSums,
  meanOf,
  newSums,
  type Range,
  stepOfFine,
  thinWindowOf,
  type Window,
} from '../../core/load-history.ts'
import type { HistoryFile } from '../store/history-file.ts'

export interface HeatMap {
  startMs: number
  stepMs: number
  rows: Map<string, { cpuPercent: (number | null)[]; coresAllocated: (number | null)[] }>
}

export interface HeatMapDeps {
  file: Pick<HistoryFile, 'loadPage'>
  /** What is not in the file yet: the numbers of fine steps, and their sums. */
  pendingOf: (node: string) => { fines: readonly number[]; sums: LoadSums } | null
}

/** Values of one answer: many nodes get fewer steps each. */
const maxCells = 200_000
const leastPoints = 8
/** Rows that are read before all else has its turn. */
const rowsPerTurn = 100
/** Different ones that wait for each other; the same is read once. */
const maxWaiting = 8

export class HeatMaps {
  private readonly deps: HeatMapDeps
  private readonly running = new Map<string, Promise<HeatMap>>()
  private last: Promise<unknown> = Promise.resolve()

  constructor(deps: HeatMapDeps) {
    this.deps = deps
  }

  /** `points`: at most so many steps. @throws AppError `too_many` */
  read(range: Range, points: number, nodes: readonly string[], nowMs: number): Promise<HeatMap> {
    const steps = Math.min(points, Math.max(leastPoints, Math.floor(maxCells / Math.max(1, nodes.length))))
    const key = `${range} ${steps}`
    const running = this.running.get(key)
    if (running !== undefined) return running
    if (this.running.size >= maxWaiting)
      throw new AppError('too_many', 'too many histories are being read at once: try again in a moment')
    const reading = this.last
      .then(() => this.readNow(thinWindowOf(range, steps, nowMs), nodes))
      .finally(() => this.running.delete(key))
    this.running.set(key, reading)
    this.last = reading.catch(() => {}) // told to who asked
    return reading
  }

  private async readNow(window: Window, nodes: readonly string[]): Promise<HeatMap> {
    const { level, from, count, every } = window
    const sums = new Map(nodes.map((node) => [node, newSums(count)]))
    /** The answer's step; outside of 0 to `count` it is not shown. */
    const pointOf = (step: number) => Math.floor((step - from) / every)
    const isShown = (point: number) => point >= 0 && point < count
    const last = blockOfStep(level, from + count * every - 1)
    for (let block = blockOfStep(level, from); block <= last; block += 1) {
      let page: ReturnType<HistoryFile['loadPage']> = []
      do {
        page = this.deps.file.loadPage(level, block, page.at(-1)?.node ?? '', rowsPerTurn)
        for (const { node, steps } of page) {
          const row = sums.get(node)
          if (row === undefined) continue
          for (let at = 0; at < level.blockSteps; at += 1) {
            const point = pointOf(block * level.blockSteps + at)
            if (isShown(point)) addStep(row, point, steps, at)
          }
        }
        await setImmediate()
      } while (page.length === rowsPerTurn)
    }
    const rows: HeatMap['rows'] = new Map()
    for (const [node, row] of sums) {
      const pending = this.deps.pendingOf(node)
      for (const [index, fine] of pending?.fines.entries() ?? []) {
        const point = pointOf(stepOfFine(level, fine))
        if (pending !== null && isShown(point)) addSums(row, point, pending.sums, index)
      }
      const values = (name: 'cpuPercent' | 'coresAllocated') =>
        Array.from({ length: count }, (_, point) => meanOf(row, point, name))
      rows.set(node, { cpuPercent: values('cpuPercent'), coresAllocated: values('coresAllocated') })
    }
    return { startMs: from * level.stepMs, stepMs: level.stepMs * every, rows }
  }
}
