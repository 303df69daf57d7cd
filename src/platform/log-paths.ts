/** Where a task's logs are below the shared directory, or below a runner's own: host and runner agree here. */
import { join } from 'node:path'
import type { LogStream } from '../protocol/routes.ts'

const folders = { stdout: 'task_outputs', stderr: 'task_errors' } as const
const endings = { stdout: 'out', stderr: 'err' } as const

export function logFolder(base: string, stream: LogStream): string {
  return join(base, folders[stream])
}

export function logPath(base: string, stream: LogStream, taskId: number): string {
  return join(logFolder(base, stream), `${taskId}.${endings[stream]}`)
}

/** What a copy of a log is called. */
export function logFileName(stream: LogStream, taskId: number): string {
  return `${taskId}.${endings[stream]}.log`
}
