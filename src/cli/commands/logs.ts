/** `hakuriver logs`: the task's standard output to ours, its standard error to ours. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { isFinal } from '../../core/task.ts'
import { createAnsiFilter } from '../../platform/ansi.ts'
import type { Sink } from '../../platform/io.ts'
import { type LogStream, logStreams } from '../../protocol/routes.ts'
import type { Context } from '../context.ts'
import { exitCodeOf } from '../exit-code.ts'
import { followLog, type LogOptions, readLogSurely, tailOffset } from '../log-reader.ts'
import { selectTask } from '../selectors.ts'
import type { Host } from '../transport.ts'
import { type ExitStatus, interruptedCode, linkNote } from './wait.ts'

export interface LogsOptions {
  follow: boolean
  stdout: boolean
  stderr: boolean
  /** Only so many lines from the end; null: all. */
  lines: number | null
  /** First byte; null: the beginning. */
  offset: number | null
  /** false: strip colours too. */
  color: boolean
}

/** Prints what is there, or follows until the task has ended. */
export async function logs(word: string, options: LogsOptions, context: Context): Promise<number> {
  if (context.json) {
    throw new AppError('invalid_request', 'a log is bytes and has no JSON form', {
      details: { fix: 'Leave --json out; `hakuriver show --json ID` has the facts about the task.' },
    })
  }
  if (options.lines !== null && options.offset !== null) {
    throw new AppError('invalid_request', '--lines and --offset exclude each other')
  }
  const host = await context.host()
  const taskId = await selectTask(word, host)
  // so that a host that goes away while the streams are opened is known to have been there
  if (options.follow) await host.client.getTask({ params: { id: taskId } })
  const { signal, stop } = interruptible(context)
  const streams = logStreams.filter((stream) => (options.stdout || options.stderr ? options[stream] : true))
  try {
    await Promise.all(streams.map((stream) => pour(host, taskId, stream, options, context, signal)))
    if (!signal.aborted) return exitCodes.ok
    if (options.follow) await tellDetached(taskId, host, context)
    return interruptedCode
  } finally {
    stop()
  }
}

/** `submit --follow`: the log as it grows, then the task's own exit code. */
export async function followOne(taskId: string, exitStatus: ExitStatus, context: Context): Promise<number> {
  const options = {
    follow: true,
    stdout: false,
    stderr: false,
    lines: null,
    offset: null,
    color: context.hasColors,
  }
  const code = await logs(taskId, options, context)
  if (code !== exitCodes.ok || exitStatus === 'never') return code
  const task = await (await context.host()).client.getTask({ params: { id: taskId } })
  return exitCodeOf(task)
}

async function pour(
  host: Host,
  taskId: string,
  stream: LogStream,
  options: LogsOptions,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const sink = context.io[stream]
  const { write, finish } = writerTo(sink, options.color && context.hasColors)
  const onTruncated = (missing: number) =>
    context.note(
      `The ${stream === 'stdout' ? 'standard output' : 'standard error'} of task ${taskId} was cut at its limit: at least ${missing} bytes are missing here.`,
    )
  const log: LogOptions = { host, taskId, stream, write, signal, onTruncated }
  const offset = options.lines === null ? (options.offset ?? 0) : await tailOffset(log, options.lines)
  try {
    if (options.follow) {
      // Both streams see the host go: one of them says it.
      const onLink = async (state: 'cut' | 'back', node: string | null) =>
        stream === 'stdout' || options.stderr ? context.note(linkNote(state, node)) : undefined
      await followLog({ ...log, onLink }, offset)
    } else await readLogSurely({ ...log, isPatient: false }, offset)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await finish()
  }
}

/** Bytes exactly as they are into a pipe or file; on a terminal only what cannot harm it. */
function writerTo(
  sink: Sink,
  keepColors: boolean,
): { write(chunk: Uint8Array): Promise<void>; finish(): Promise<void> } {
  if (!sink.isTty) return { write: (chunk) => sink.write(chunk), finish: async () => {} }
  const filter = createAnsiFilter(keepColors)
  return {
    async write(chunk) {
      const shown = filter.push(chunk)
      if (shown.length > 0) await sink.write(shown)
    },
    async finish() {
      const reset = filter.end()
      if (reset.length > 0) await sink.write(reset)
    },
  }
}

/** A signal that aborts where the user interrupts; `stop` takes that back. */
export function interruptible(context: Context): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, stop: context.io.onInterrupt(() => controller.abort()) }
}

async function tellDetached(taskId: string, host: Host, context: Context): Promise<void> {
  const task = await host.client.getTask({ params: { id: taskId } }).catch(() => null)
  if (task !== null && isFinal(task.status)) return
  await context.note(`\nLet go of task ${taskId}: it goes on. Come back with: hakuriver logs -f ${taskId}`)
}
