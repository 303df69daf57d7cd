/**
 * What the process trees of attempts use, by one walk over all processes of the machine: by session and marks as in
 * `process-tree.ts`. The CPU time of what had left its parent, as a daemon does, is no more counted once it has ended.
 */
import { readdir } from 'node:fs/promises'
import { kernelUnits, type ProcessStat, processStat } from '../../platform/process-stat.ts'
import { inSlices } from '../../platform/slices.ts'
import { attemptMarkedOn, isAlive, type ProcessId } from './process-tree.ts'

/** Whose tree is measured. */
export interface Tree {
  taskId: number
  attempt: number
  /** Its session is the tree's. null: not known. */
  supervisor: ProcessId | null
}

/** Processes that are looked at before all else has its turn: about a millisecond. */
const slice = 50

export class TreeMeter {
  private readonly mark: string
  private units: ReturnType<typeof kernelUnits> | null = null
  /** What attempt a process carries the marks of, by its number and start: these are read once. */
  private marked = new Map<string, string | null>()

  /** `mark`: of the runner, see `marksOf`. */
  constructor(mark: string) {
    this.mark = mark
  }

  /** Of trees of which no process is found nothing is told. */
  async measure(
    trees: readonly Tree[],
  ): Promise<{ taskId: number; attempt: number; cpuTimeMs: number; memoryBytes: number }[]> {
    if (trees.length === 0) return []
    const used = trees.map((tree) => ({ tree, ticks: 0, pages: 0, isSeen: false }))
    const byKey = new Map(used.map((each) => [`${each.tree.taskId}-${each.tree.attempt}`, each]))
    const bySession = new Map<number, (typeof used)[number]>()
    for (const each of used) {
      const { supervisor } = each.tree
      if (supervisor !== null && isAlive(supervisor)) bySession.set(supervisor.pid, each)
    }
    const marked = new Map<string, string | null>()
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
    await inSlices(pids, slice, (pid) => {
      const stat = processStat(pid)
      if (stat === null) return []
      const each = bySession.get(stat.session) ?? byKey.get(this.markOf(pid, stat, marked) ?? '')
      if (each === undefined) return []
      each.isSeen = true
      each.ticks += stat.cpuTicks
      // the supervisor is ours, but what it has waited for is the task's
      if (pid !== each.tree.supervisor?.pid) each.pages += stat.residentPages
      return []
    })
    this.marked = marked
    this.units ??= kernelUnits()
    const { tickMs, pageBytes } = this.units
    return used
      .filter(({ isSeen }) => isSeen)
      .map(({ tree: { taskId, attempt }, ticks, pages }) => ({
        taskId,
        attempt,
        cpuTimeMs: Math.round(ticks * tickMs),
        memoryBytes: pages * pageBytes,
      }))
  }

  private markOf(pid: number, { startTime }: ProcessStat, marked: Map<string, string | null>): string | null {
    const key = `${pid}/${startTime}`
    const known = this.marked.get(key)
    const mark = known === undefined ? attemptMarkedOn(pid, this.mark) : known
    marked.set(key, mark)
    return mark
  }
}
