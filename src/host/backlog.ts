/** How much waits and is kept, in all and of each user: so that no submit makes more than the host can hold. */
import { AppError } from '../core/errors.ts'
import type { Task } from '../core/task.ts'
import { weightOf } from '../core/task-weight.ts'
import { count } from '../core/text.ts'
import { formatBytes } from '../core/units.ts'
import type { Caps } from '../protocol/limits.ts'

export type BacklogCaps = Pick<Caps, 'pendingTasks' | 'pendingTasksPerUser' | 'batchBytes' | 'openTaskBytes'>

/** How long to wait before the same may be tried again. */
const retryAfterSeconds = 10

export class Backlog {
  private readonly waiting = new Map<string, number>()
  private waitingInAll = 0
  private bytes = 0

  /** A task is kept from now on. */
  add(task: Task): void {
    this.bytes += weightOf(task.spec)
    if (task.status === 'pending') this.wait(task.owner, 1)
  }

  change(before: Task, after: Task): void {
    const by = Number(after.status === 'pending') - Number(before.status === 'pending')
    if (by !== 0) this.wait(after.owner, by)
  }

  /** It is kept no longer. */
  remove(task: Task): void {
    this.bytes -= weightOf(task.spec)
    if (task.status === 'pending') this.wait(task.owner, -1)
  }

  /** @throws AppError `too_large`, `too_many` where so many more tasks are too many */
  refuseBeyond(caps: BacklogCaps, owner: string, wanted: readonly Pick<Task, 'spec'>[]): void {
    const bytes = wanted.reduce((sum, { spec }) => sum + weightOf(spec), 0)
    if (bytes > caps.batchBytes)
      throw new AppError(
        'too_large',
        `the command lines and environments of these tasks take ${formatBytes(bytes)} together, more than the ${formatBytes(caps.batchBytes)} of one batch: put the data into files, or submit fewer at a time`,
      )
    const wait = (waiting: number, most: number, whose: string) => {
      if (waiting + wanted.length <= most) return
      throw tooMany(
        `${count(waiting, 'task')}${whose} already ${waiting === 1 ? 'waits' : 'wait'}, and at most ${most} may: submit ${wanted.length} more when some have started`,
      )
    }
    wait(this.waiting.get(owner) ?? 0, caps.pendingTasksPerUser, ` of ${owner}`)
    wait(this.waitingInAll, caps.pendingTasks, '')
    if (this.bytes + bytes > caps.openTaskBytes)
      throw tooMany(
        `the tasks that have not ended take ${formatBytes(this.bytes)} with their command lines and environments, and at most ${formatBytes(caps.openTaskBytes)} may: submit more when some have ended`,
      )
  }

  private wait(owner: string, by: number): void {
    const now = (this.waiting.get(owner) ?? 0) + by
    if (now === 0) this.waiting.delete(owner)
    else this.waiting.set(owner, now)
    this.waitingInAll += by
  }
}

function tooMany(message: string): AppError {
  return new AppError('too_many', message, { details: { retryAfterSeconds } })
}
