/** `hakuriver logs --grep`: the lines of a task's output that have a text. The host looks; only what it finds is sent. */
import { AppError, exitCodes } from '../../core/errors.ts'
import type { Sink } from '../../platform/io.ts'
import { terminalLine } from '../../platform/lines.ts'
import { limits } from '../../protocol/limits.ts'
import { type LogStream, logStreams } from '../../protocol/routes.ts'
import type { LogMatch } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { selectTask } from '../selectors.ts'
import type { Host } from '../transport.ts'
import { interruptible, type LogsOptions } from './logs.ts'
import { interruptedCode } from './wait.ts'

export interface GrepOptions extends LogsOptions {
  /** The text; it stands for itself. */
  grep: string
  matchCase: boolean
  /** Each line behind its number. */
  lineNumbers: boolean
}

/** Prints what is found in what there is now. As grep(1): 1 where nothing is. */
export async function grep(word: string, options: GrepOptions, context: Context): Promise<number> {
  if (options.follow || options.lines !== null || options.offset !== null)
    throw new AppError('invalid_request', '--grep looks through the whole log as it is now', {
      details: { fix: 'Leave --follow, --lines and --offset out.' },
    })
  if (context.json)
    throw new AppError('invalid_request', 'the lines of a log have no JSON form on the command line', {
      details: { fix: 'The route /api/v1/tasks/ID/logs/stdout/search answers with JSON.' },
    })
  const host = await context.host()
  const taskId = await selectTask(word, host)
  const { signal, stop } = interruptible(context)
  const streams = logStreams.filter((stream) => (options.stdout || options.stderr ? options[stream] : true))
  try {
    let isFound = false
    for (const stream of streams) {
      const print = printerTo(context.io[stream], options, context)
      if (await search(host, taskId, stream, options, print, signal)) isFound = true
    }
    if (signal.aborted) return interruptedCode
    return isFound ? exitCodes.ok : exitCodes.failed
  } finally {
    stop()
  }
}

/** Was anything found? */
async function search(
  host: Host,
  taskId: string,
  stream: LogStream,
  { grep: q, matchCase }: GrepOptions,
  print: (matches: readonly LogMatch[]) => Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  let isFound = false
  for (let offset: number | null = 0; offset !== null && !signal.aborted; ) {
    const query = { q, matchCase, offset, limit: limits.logMatches }
    const found = await host.client.searchLog({ params: { id: taskId, stream }, query })
    isFound ||= found.items.length > 0
    await print(found.items)
    offset = found.next
  }
  return isFound
}

function printerTo(
  sink: Sink,
  { lineNumbers, color }: GrepOptions,
  context: Context,
): (matches: readonly LogMatch[]) => Promise<void> {
  const keepColors = color && context.hasColors
  return async (matches) => {
    if (matches.length === 0) return
    const lines = matches.map(({ line, text }) => {
      const bytes = Buffer.from(text)
      const shown = sink.isTty ? terminalLine(bytes, keepColors) : bytes
      return Buffer.concat([Buffer.from(lineNumbers ? `${line ?? '?'}:` : ''), shown, Buffer.from('\n')])
    })
    await sink.write(Buffer.concat(lines))
  }
}
