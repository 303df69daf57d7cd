/** Lines of a task's output, and searches in it: read here, or told by the runner of the node where it lies. */
import { parseId } from '../core/id.ts'
import { isToWait, type LinesQuery, refuseTwoPlaces } from '../platform/log-lines.ts'
import { refuseLineBreak } from '../platform/log-search.ts'
import { LogViews } from '../platform/log-views.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { LogStream } from '../protocol/routes.ts'
import type { LogLines } from '../protocol/schemas.ts'
import type { Caller } from './caller.ts'
import { type LogDeps, refuseOthersLog, TaskLog } from './task-log.ts'

export type LogHandlers = Pick<Handlers<Caller>, 'readLogLines' | 'searchLog'>

export interface TaskLogs {
  handlers: LogHandlers
  /** Stops what goes on in the background. */
  close(): Promise<void>
}

const neverAborted = new AbortController().signal
/** How long one wait for a change of the task may take; then it is asked again. */
const lookMs = 1_000

export function createTaskLogs(deps: LogDeps): TaskLogs {
  const views = new LogViews({ mostLogs: 64, mostScans: 2, mostSearches: 2 })
  const logOf = ({ id, stream }: { id: string; stream: LogStream }) => {
    const open = (signal: AbortSignal) => new TaskLog(deps, parseId(id) ?? 0, stream, signal)
    const makeReader = (signal: AbortSignal) => {
      const log = open(signal)
      return log.read.bind(log)
    }
    return { name: `${id} ${stream}`, open, makeReader }
  }
  return {
    handlers: {
      readLogLines: async ({ params, query }, caller) => {
        const { signal = neverAborted } = caller
        refuseTwoPlaces(query)
        await refuseOthersLog(deps.store, params.id, caller)
        const { name, open, makeReader } = logOf(params)
        const told = await linesFromNode(open(signal), query, signal)
        return told ?? views.lines(name, makeReader, query, signal)
      },
      searchLog: async ({ params, query }, caller) => {
        const { signal = neverAborted } = caller
        refuseLineBreak(query.q)
        await refuseOthersLog(deps.store, params.id, caller)
        const { name, open, makeReader } = logOf(params)
        const told = await open(signal).view({ type: 'log_search', query })
        return told?.view.search ?? views.search(name, makeReader, query, signal)
      },
    },
    close: () => views.close(),
  }
}

/** null: its runner does not tell lines, or the log does not lie there. */
async function linesFromNode(log: TaskLog, query: LinesQuery, signal: AbortSignal): Promise<LogLines | null> {
  const endMs = performance.now() + (query.waitMs ?? 0)
  for (;;) {
    const waitMs = Math.max(0, Math.ceil(endMs - performance.now()))
    const told = await log.view({ type: 'log_lines', query: { ...query, waitMs } })
    const lines = told?.view.lines
    if (told === null || lines === undefined) return null
    // the runner has not got the start yet, or its report has not come: there may be more
    const isEnded = lines.isEnded && told.isFinal
    if (
      isEnded === lines.isEnded ||
      waitMs === 0 ||
      signal.aborted ||
      !isToWait({ ...lines, isEnded }, query)
    )
      return { ...lines, isEnded }
    await log.nextChange(Math.min(waitMs, lookMs))
  }
}
