/** Lines of a task's output, and searches in it. */
import { parseId } from '../core/id.ts'
import { LogViews } from '../platform/log-views.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { LogStream } from '../protocol/routes.ts'
import { type LogDeps, TaskLog } from './task-log.ts'

export type LogHandlers = Pick<Handlers<{ signal?: AbortSignal }>, 'readLogLines' | 'searchLog'>

export interface TaskLogs {
  handlers: LogHandlers
  /** Stops what goes on in the background. */
  close(): Promise<void>
}

const neverAborted = new AbortController().signal

export function createTaskLogs(deps: LogDeps): TaskLogs {
  const views = new LogViews({ mostLogs: 64, mostScans: 2, mostSearches: 2 })
  const logOf = ({ id, stream }: { id: string; stream: LogStream }) => ({
    name: `${id} ${stream}`,
    makeReader: (signal: AbortSignal) => {
      const log = new TaskLog(deps, parseId(id) ?? 0, stream, signal)
      return log.read.bind(log)
    },
  })
  return {
    handlers: {
      readLogLines: ({ params, query }, { signal = neverAborted }) => {
        const { name, makeReader } = logOf(params)
        return views.lines(name, makeReader, query, signal)
      },
      searchLog: ({ params, query }, { signal = neverAborted }) => {
        const { name, makeReader } = logOf(params)
        return views.search(name, makeReader, query, signal)
      },
    },
    close: () => views.close(),
  }
}
