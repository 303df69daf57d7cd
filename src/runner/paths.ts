/** Where a runner keeps what it holds. */
import { join } from 'node:path'

/** `<stateDir>/tasks`: a directory for each attempt that is held. */
export function tasksDir(stateDir: string): string {
  return join(stateDir, 'tasks')
}

export function taskDir(stateDir: string, taskId: number, attempt: number): string {
  return join(tasksDir(stateDir), `${taskId}-${attempt}`)
}
