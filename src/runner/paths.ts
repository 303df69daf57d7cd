/** Where a runner keeps the attempts that it holds. */
import { statfsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A directory for the attempts of one runner. What is in it means something in one boot only, so for root it lies
 * in memory: starting a task then does not wait for a disk, and its end is recorded when the disk is full. After a
 * reboot the host sees by the boot id that nothing of it lives. Others than root have no such place that outlives
 * their sessions, unless systemd gives the service one that it keeps (RuntimeDirectory= of systemd.exec(5)).
 */
export function attemptsDir(stateDir: string, runnerId: string): string {
  if (process.getuid?.() === 0 && isInMemory('/run')) return join('/run/hakuriver/attempts', runnerId)
  const { RUNTIME_DIRECTORY: kept } = process.env
  return kept && isInMemory(kept) ? join(kept, 'attempts', runnerId) : join(stateDir, 'attempts')
}

/** Of one attempt, below the runner's. */
export function taskDir(attemptsDir: string, taskId: number, attempt: number): string {
  return join(attemptsDir, `${taskId}-${attempt}`)
}

/** TMPFS_MAGIC of statfs(2). */
const tmpfs = 0x01021994

function isInMemory(path: string): boolean {
  try {
    return statfsSync(path).type === tmpfs
  } catch {
    return false
  }
}
