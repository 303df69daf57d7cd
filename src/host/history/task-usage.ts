/**
 * What tasks use over time, of those that run and of the newest that ran. A task that was never measured, because it
 * ended before, costs nothing at all.
 */
import { Series } from '../../core/series.ts'
import { isHeldTask, type Task } from '../../core/task.ts'
import type { Clock } from '../../platform/clock.ts'
import type { FromRunnerOf } from '../link-session.ts'
import type { UsageSink } from '../links.ts'
import type { HistoryFile } from '../store/history-file.ts'

/** How often runners tell it, and the first step of a series. */
export const usageMs = 5_000
/** A longer silence than this is one: it is shown as such, whatever the sum of it is. */
const silenceMs = 4 * usageMs
/** Steps of a series; where very many tasks run, of each fewer. */
const manySteps = 240
const fewSteps = 60
const manyLive = 10_000
const maxLive = 100_000
/** Tasks that are kept when they have ended. */
const maxKept = 20_000
/** Rows that are written or forgotten at a time. */
const slice = 50
/** So often what runs is saved too, for the case of a crash. */
const saveRounds = 120

const cpu = 0
const memory = 1

interface Live {
  series: Series
  /** Where its time is: of this host's clock at first, then by what has passed. */
  positionMs: number
  attempt: number
  runnerId: string
  /** When it was last measured: by the clock of its runner, and by that of this host that nobody can set. */
  atMs: number
  monotonicMs: number
  cpuTimeMs: number | null
}

export interface TaskUsagesDeps {
  file: HistoryFile
  clock: Pick<Clock, 'now' | 'monotonic'>
  /** The task as it is now; null: it has ended. */
  task: (id: number) => Task | null
}

export class TaskUsages implements UsageSink {
  readonly everyMs = usageMs
  private readonly deps: TaskUsagesDeps
  private readonly live = new Map<number, Live>()
  /** Of tasks that have ended, and is not written yet. */
  private readonly ended = new Map<number, Uint8Array>()
  private saving: Iterator<[number, Live]> | null = null

  constructor(deps: TaskUsagesDeps) {
    this.deps = deps
  }

  take(runnerId: string, { atMs, items }: FromRunnerOf<'usage'>): void {
    for (const item of items) {
      const id = Number(item.taskId)
      const task = this.deps.task(id)
      if (task === null || !isHeldTask(task)) continue
      if (task.attempt !== item.attempt || task.dispatchedTo.runnerId !== runnerId) continue
      this.add(task, atMs, item)
    }
  }

  /** A task has ended. */
  end(taskId: number): void {
    const live = this.live.get(taskId)
    if (live === undefined) return
    this.live.delete(taskId)
    if (live.series.length < 2) return
    this.ended.set(taskId, live.series.encode())
    for (const oldest of this.ended.keys()) {
      if (this.ended.size <= maxKept) break
      this.ended.delete(oldest)
    }
  }

  /** null: nothing was measured, or it was forgotten since. */
  seriesOf(taskId: number): Series | null {
    return this.live.get(taskId)?.series ?? this.saved(taskId)
  }

  /** Writes a little of what is to be written; to be called again and again. @returns whether more is waiting */
  save(): boolean {
    const { file } = this.deps
    if (this.ended.size > 0) {
      file.together(() => {
        let left = slice
        for (const [id, series] of this.ended) {
          if (left === 0) break
          left -= 1
          this.ended.delete(id)
          file.saveUsage(id, series)
        }
      })
      file.trimUsage(maxKept, 2 * slice)
    }
    return this.ended.size > 0
  }

  /** Writes a part of what runs, so that all of it is written in a while. */
  saveLive(): void {
    const count = Math.min(slice, Math.ceil(this.live.size / saveRounds))
    this.deps.file.together(() => {
      for (let left = count; left > 0; left -= 1) {
        this.saving ??= this.live.entries()
        const { value, done } = this.saving.next()
        if (done === true) this.saving = null
        else this.saveOne(...(value as [number, Live])) // an entry where it is not done
      }
    })
  }

  /** Writes all that there is. */
  close(): void {
    this.deps.file.together(() => {
      for (const [id, live] of this.live) this.saveOne(id, live)
      for (const [id, series] of this.ended) this.deps.file.saveUsage(id, series)
    })
    this.live.clear()
    this.ended.clear()
  }

  private add(task: Task, atMs: number, item: FromRunnerOf<'usage'>['items'][number]): void {
    const now = this.deps.clock.monotonic()
    const { attempt, cpuTimeMs, memoryBytes } = item
    const runnerId = isHeldTask(task) ? task.dispatchedTo.runnerId : ''
    const nowMs = this.deps.clock.now()
    const live = this.live.get(task.id) ?? this.begin(task, nowMs)
    if (live === null) return
    const isSame = live.attempt === attempt && live.runnerId === runnerId
    const passedMs = passed(live, atMs, now, isSame)
    live.positionMs += passedMs
    // of a new attempt all is known since its start
    const spanMs = isSame ? passedMs : nowMs - (startOf(task) ?? nowMs)
    const cpuBefore = isSame ? live.cpuTimeMs : 0
    const isKnown = spanMs > 0 && spanMs <= silenceMs
    const { series, positionMs } = live
    series.limit = this.live.size > manyLive ? fewSteps : manySteps
    // less than before: a process is gone, and nobody has waited for it
    if (isKnown && cpuTimeMs !== null && cpuBefore !== null)
      series.add(cpu, positionMs - spanMs, positionMs, Math.max(0, cpuTimeMs - cpuBefore) / spanMs)
    if (memoryBytes !== null)
      series.add(memory, positionMs - (isKnown ? spanMs : Math.min(spanMs, usageMs)), positionMs, memoryBytes)
    Object.assign(live, { attempt, runnerId, atMs, monotonicMs: now, cpuTimeMs })
  }

  private begin(task: Task, nowMs: number): Live | null {
    if (this.live.size >= maxLive) return null
    const started = startOf(task)
    // it may have been measured before this host's start
    const isOld = task.attempt > 1 || started === null || nowMs - started > silenceMs
    const series = (isOld ? this.saved(task.id) : null) ?? new Series(2, usageMs, manySteps)
    const endMs = series.startMs === null ? nowMs : series.startMs + series.length * series.stepMs
    const live: Live = {
      series,
      positionMs: Math.max(nowMs, endMs),
      attempt: 0,
      runnerId: '',
      atMs: 0,
      monotonicMs: this.deps.clock.monotonic(),
      cpuTimeMs: null,
    }
    this.live.set(task.id, live)
    return live
  }

  private saveOne(id: number, { series }: Live): void {
    if (this.deps.task(id) === null)
      this.end(id) // its end was not told
    else if (series.length >= 2) this.deps.file.saveUsage(id, series.encode())
  }

  private saved(taskId: number): Series | null {
    const bytes = this.ended.get(taskId) ?? this.deps.file.usageOf(taskId)
    const series = bytes === null ? null : Series.decode(bytes, manySteps)
    return series?.channels === 2 ? series : null
  }
}

/** Since it was told before: by the runner's clock, unless somebody has set that. */
function passed({ atMs: beforeMs, monotonicMs }: Live, atMs: number, now: number, isSame: boolean): number {
  const here = Math.max(0, now - monotonicMs)
  const there = atMs - beforeMs
  return isSame && there > 0 && Math.abs(there - here) <= silenceMs ? there : here
}

function startOf(task: Task): number | null {
  return 'startedAtMs' in task ? (task.startedAtMs ?? null) : null
}
