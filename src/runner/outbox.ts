/**
 * Reports that the host has not acknowledged yet, kept on the runner's own disk. One line of JSON per report,
 * appended; the file is emptied when all are acknowledged. A torn last line is a report that was never sent.
 */
import type { TaskExit } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { AppendedFile, Disk } from '../platform/disk.ts'

/** What is reported of an attempt. */
export type ReportEvent = { type: 'started'; startedAtMs: number } | { type: 'exited'; exit: TaskExit }

export interface OutboxReport {
  seq: number
  taskId: number
  attempt: number
  event: ReportEvent
}

/** Lines in the file beyond which it is written anew with only what is still open. */
const compactAfterLines = 1_000
/** While the disk takes nothing, it is tried again so often. */
const retryMs = 1_000

export interface OutboxDeps {
  disk: Disk
  later: Clock['after']
  log: (message: string, fields?: Record<string, unknown>) => void
}

export class Outbox {
  private readonly deps: OutboxDeps
  private readonly path: string
  private file: AppendedFile
  private open: OutboxReport[]
  private nextSeq: number
  private lines: number
  private unwritten: OutboxReport[] = []
  private writing: Promise<void> | null = null
  private isFailing = false
  /** Takes the next try back. */
  private retry: (() => void) | null = null
  /** A write failed, so the file may end within a line: it has to be written anew. */
  private isTorn = false

  private constructor(deps: OutboxDeps, path: string, file: AppendedFile, reports: OutboxReport[]) {
    this.deps = deps
    this.path = path
    this.file = file
    this.open = reports
    this.lines = reports.length
    this.nextSeq = (reports.at(-1)?.seq ?? 0) + 1
  }

  /** Opens the outbox at a path; what is in it has not been acknowledged. */
  static async open(path: string, deps: OutboxDeps): Promise<Outbox> {
    const reports = parseLines(deps.disk.read(path) ?? '')
    const file = await rewrite(deps.disk, path, reports)
    return new Outbox(deps, path, file, reports)
  }

  /** All that is to be sent (again), in order. */
  pending(): readonly OutboxReport[] {
    return this.open
  }

  /** The open reports of an attempt. */
  has(taskId: number, attempt: number, type: ReportEvent['type']): boolean {
    return this.open.some(
      (report) => report.taskId === taskId && report.attempt === attempt && report.event.type === type,
    )
  }

  /**
   * Takes a report. It may be sent at once: the write to disk goes on beside it, because the host's own commit
   * makes it durable as well.
   */
  add(taskId: number, attempt: number, event: ReportEvent): OutboxReport {
    const report = { seq: this.nextSeq, taskId, attempt, event }
    this.nextSeq += 1
    this.open.push(report)
    this.unwritten.push(report)
    this.flush()
    return report
  }

  /** The host has committed everything up to here. @returns what it has committed now for the first time */
  acknowledge(seq: number): OutboxReport[] {
    const count = this.open.findIndex((report) => report.seq > seq)
    const done = this.open.splice(0, count < 0 ? this.open.length : count)
    if (done.length > 0 && (this.open.length === 0 || this.lines > compactAfterLines)) this.flush()
    return done
  }

  /** Resolves when all that was added is on disk, or could not be written. */
  async settled(): Promise<void> {
    while (this.writing !== null) await this.writing
  }

  async close(): Promise<void> {
    this.retry?.()
    await this.settled()
    await this.file.close()
  }

  /** One write at a time; what comes meanwhile goes with the next, under one fdatasync(2). */
  private flush(): void {
    if (this.writing !== null) return
    this.writing = this.write()
      .then(
        () => {
          if (this.isFailing) this.deps.log('The outbox can be written again')
          this.isFailing = false
        },
        (error: unknown) => {
          this.isTorn = true
          if (!this.isFailing)
            this.deps.log('Cannot write the outbox; reports are kept in memory', { error: String(error) })
          this.isFailing = true
          this.retry ??= this.deps.later(retryMs, () => {
            this.retry = null
            this.flush()
          })
        },
      )
      .finally(() => {
        this.writing = null
        // all may have been acknowledged in the meantime
        const isBehind = this.unwritten.length > 0 || (this.open.length === 0 && this.lines > 0)
        if (isBehind && !this.isFailing) this.flush()
      })
  }

  private async write(): Promise<void> {
    if (this.isTorn || this.open.length === 0 || this.lines > compactAfterLines + this.open.length) {
      this.unwritten = []
      if (this.lines === 0 && !this.isTorn) return
      const kept = [...this.open]
      const file = await rewrite(this.deps.disk, this.path, kept)
      await this.file.close()
      this.file = file
      this.lines = kept.length
      this.isTorn = false
      return
    }
    const reports = this.unwritten
    if (reports.length === 0) return
    this.unwritten = [] // what comes while these are written goes with the next
    await this.file.append(reports.map((report) => `${JSON.stringify(report)}\n`).join(''))
    await this.file.sync()
    this.lines += reports.length
  }
}

/** Whole lines only; a torn or foreign one ends the reading. */
export function parseLines(text: string): OutboxReport[] {
  const reports: OutboxReport[] = []
  const lines = text.split('\n')
  lines.pop() // what stands behind the last line break was never whole
  for (const line of lines) {
    try {
      const report = JSON.parse(line) as OutboxReport
      if (!Number.isSafeInteger(report.seq) || report.event === undefined) break
      reports.push(report)
    } catch {
      break
    }
  }
  return reports
}

async function rewrite(disk: Disk, path: string, reports: readonly OutboxReport[]): Promise<AppendedFile> {
  await disk.replace(path, reports.map((report) => `${JSON.stringify(report)}\n`).join(''))
  return disk.append(path)
}
