/** Processes of tasks on this machine, as the kernel knows them. */
import { readdirSync, readFileSync } from 'node:fs'

/** A process of a task, found by the task's id in its environment; null where none lives. */
export function processOf(taskId: string): number | null {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const found = pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HAKURIVER_TASK_ID=${taskId}`)
    } catch {
      return false // gone meanwhile
    }
  })
  return found === undefined ? null : Number(found)
}
