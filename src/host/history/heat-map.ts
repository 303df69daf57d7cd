/** How busy every node was, in a few steps each: read from the file a page at a time, by one reader at a time. */
import { setImmediate } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import {
  addStep,
  addSums,
  type LoadSums,
  meanOf,
  noSums,
  type Range,
  type ThinWindow,
  thinWindowOf,
} from '../../core/load-history.ts'
import type { HistoryFile } from '../store/history-file.ts'

export interface HeatMap {
  startMs: number
  stepMs: number
  rows: Map<string, { cpuPercent: (number | null)[]; coresAllocated: (number | null)[] }>
}

export interface HeatMapDeps {
  file: Pick<HistoryFile, 'loadPage'>
  /** What is not in the file yet, by number of the fine step. */
  pendingOf: (node: string) => Iterable<[number, LoadSums]>
  stepOf: (level: ThinWindow['level'], fine: number) => number
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

  private async readNow(window: ThinWindow, nodes: readonly string[]): Promise<HeatMap> {
    const { level, from, count, every } = window
    const points = count / every
    const sums = new Map(nodes.map((node) => [node, new Array<LoadSums | undefined>(points)]))
    const stepAt = (row: (LoadSums | undefined)[], step: number): LoadSums | null => {
      if (step < from || step >= from + count) return null
      const at = Math.floor((step - from) / every)
      row[at] ??= noSums()
      return row[at] ?? null
    }
    const blocks = {
      first: Math.floor(from / level.blockSteps),
      last: Math.floor((from + count - 1) / level.blockSteps),
    }
    for (let block = blocks.first; block <= blocks.last; block += 1) {
      let after = ''
      for (;;) {
        const page = this.deps.file.loadPage(level, block, after, rowsPerTurn)
        for (const { node, data } of page) {
          const row = sums.get(node)
          if (row === undefined || data === null) continue
          for (let at = 0; at < level.blockSteps; at += 1) {
            const into = stepAt(row, block * level.blockSteps + at)
            if (into !== null) addStep(into, data, at)
          }
        }
        await setImmediate()
        if (page.length < rowsPerTurn) break
        after = page.at(-1)?.node ?? ''
      }
    }
    const rows: HeatMap['rows'] = new Map()
    for (const [node, row] of sums) {
      for (const [fine, more] of this.deps.pendingOf(node)) {
        const into = stepAt(row, this.deps.stepOf(level, fine))
        if (into !== null) addSums(into, more)
      }
      const steps = Array.from(row)
      rows.set(node, {
        cpuPercent: steps.map((each) => meanOf(each, 'cpuPercent')),
        coresAllocated: steps.map((each) => meanOf(each, 'coresAllocated')),
      })
    }
    return { startMs: from * level.stepMs, stepMs: level.stepMs * every, rows }
  }
}
