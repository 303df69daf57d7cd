/** What the running attempts of this runner use, as the host is told it: so many at a time, all of them by and by. */
import { limits } from '../protocol/limits.ts'
import type { FromRunner } from '../protocol/link.ts'
import type { AttemptUsage, Executor } from './executors/executor.ts'

interface Running {
  taskId: number
  attempt: number
  executor: Executor
}

export type UsageItem = Extract<FromRunner, { type: 'usage' }>['items'][number]

export class UsageMeter {
  private readonly running: () => Running[]
  private readonly limit: number
  /** Where it goes on where there are more than `limit`. */
  private next = 0

  /** `limit`: attempts of one call. */
  constructor(running: () => Running[], limit: number = limits.usageItems) {
    this.running = running
    this.limit = limit
  }

  /** Those that run here and of which the system tells. */
  async measure(): Promise<UsageItem[]> {
    const byExecutor = new Map<Executor, Running[]>()
    for (const each of this.wanted()) {
      const those = byExecutor.get(each.executor)
      if (those === undefined) byExecutor.set(each.executor, [each])
      else those.push(each)
    }
    const found: AttemptUsage[] = []
    for (const [executor, those] of byExecutor) found.push(...((await executor.usage?.(those)) ?? []))
    return found.map(({ taskId, attempt, cpuTimeMs, memoryBytes }) => ({
      taskId: String(taskId),
      attempt,
      cpuTimeMs,
      memoryBytes,
    }))
  }

  private wanted(): Running[] {
    const all = this.running()
    if (all.length <= this.limit) return all
    const from = this.next % all.length
    this.next = from + this.limit
    return [...all.slice(from), ...all.slice(0, from)].slice(0, this.limit)
  }
}
