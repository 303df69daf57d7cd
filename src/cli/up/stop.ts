/** Ends processes that an earlier `up` wrote down: politely first, by force after a while, never another's. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import { isErrno } from '../../platform/files.ts'
import { isAlive, type ProcessId } from './state.ts'

const lookMs = 20
const forceMs = 5_000

/**
 * Asks them to end, kills after `graceMs` what has not, and resolves when all of `gone` are gone.
 * @throws AppError `not_permitted` where they belong to another user, `timeout` where the kernel does not end them
 */
export async function stopProcesses(asked: ProcessId[], gone: ProcessId[], graceMs: number): Promise<void> {
  for (const process of asked) send(process, 'SIGTERM')
  if (await areGone(gone, graceMs)) return
  for (const process of gone) send(process, 'SIGKILL')
  if (await areGone(gone, forceMs)) return
  const left = gone.filter(isAlive).map((process) => process.pid)
  throw new AppError('timeout', `cannot end process ${left.join(', ')}: it did not even end when killed`)
}

async function areGone(processes: ProcessId[], withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs
  while (processes.some(isAlive)) {
    if (performance.now() > end) return false
    await sleep(lookMs)
  }
  return true
}

function send(id: ProcessId, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(id)) return
  try {
    process.kill(id.pid, signal)
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return
    if (!isErrno(error, 'EPERM')) throw error
    throw new AppError('not_permitted', `cannot stop process ${id.pid}: it belongs to another user`)
  }
}
