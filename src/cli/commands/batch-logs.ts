/** `hakuriver batch logs`: the output of all tasks of a batch, each line behind the task that wrote it. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { isFinal } from '../../core/task.ts'
import { cut, displayWidth, printable } from '../../core/text.ts'
import { behindPrefix, createLineWriter } from '../../platform/lines.ts'
import { type LogStream, logStreams } from '../../protocol/routes.ts'
import type { TaskView } from '../../protocol/schemas.ts'
import { followLogs } from '../batch-follower.ts'
import { type BatchLogOptions, type LogEntry, printLogs } from '../batch-log.ts'
import type { Colors, Context } from '../context.ts'
import { exitCodeOfAll } from '../exit-code.ts'
import { selectBatch, tasksOf } from '../selectors.ts'
import type { Host } from '../transport.ts'
import type { LogsOptions } from './logs.ts'
import { type ExitStatus, interruptedCode, linkNote } from './wait.ts'

/** Prints what there is, or follows until every task has ended. */
export async function batchLogs(word: string, options: LogsOptions, context: Context): Promise<number> {
  if (options.offset !== null) {
    throw new AppError('invalid_request', '--offset is for the log of one task, not for a batch', {
      details: { fix: '--lines prints the last lines of each task.' },
    })
  }
  const host = await context.host()
  const batchId = await selectBatch(word, host)
  const tasks = await oldestFirst(batchId, host)
  const interrupt = new AbortController()
  const stopListening = context.io.onInterrupt(() => interrupt.abort())
  let code: number = exitCodes.ok
  const reading: BatchLogOptions = {
    host,
    signal: interrupt.signal,
    tail: options.lines ?? 0,
    async onFailure(id, error) {
      code = exitCodes.failed
      await context.note(`hakuriver: task ${id}: ${printable(error.message)}`)
    },
  }
  try {
    const entries = entriesOf(tasks, options, context)
    const isOpen = ({ status }: LogEntry) => options.follow && !isFinal(status)
    await printLogs(
      entries.filter((entry) => !isOpen(entry)),
      { ...reading, isPatient: options.follow },
    )
    if (!interrupt.signal.aborted) {
      await followLogs(entries.filter(isOpen), {
        ...reading,
        batchId,
        onLink: (state) => context.note(linkNote(state)),
        onCrowd: (running, width) => context.note(crowdNote(running, width)),
      })
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
  } finally {
    stopListening()
  }
  if (!interrupt.signal.aborted) return code
  if (options.follow)
    await context.note(`\nLet go of batch ${batchId}: what runs goes on. ${comeBack(batchId)}`)
  return interruptedCode
}

/** `submit --follow` of several: their logs as they grow, then the exit code of all. */
export async function followBatch(
  batchId: string,
  exitStatus: ExitStatus,
  context: Context,
): Promise<number> {
  const { hasColors: color } = context
  const options = { follow: true, stdout: false, stderr: false, lines: null, offset: null, color }
  const code = await batchLogs(batchId, options, context)
  if (code !== exitCodes.ok || exitStatus === 'never') return code
  return exitCodeOfAll(await oldestFirst(batchId, await context.host()))
}

const comeBack = (batchId: string) => `Come back with: hakuriver batch logs -f ${batchId}`

function crowdNote(running: number, width: number): string {
  return `hakuriver: ${running} tasks run at once: more than ${width} are looked at in turn, every few seconds`
}

async function oldestFirst(batchId: string, host: Host): Promise<TaskView[]> {
  const tasks: TaskView[] = []
  for await (const task of tasksOf(host, { batchId })) tasks.push(task)
  if (tasks.length === 0) throw new AppError('not_found', `there is no batch ${batchId}`)
  return tasks.reverse()
}

function entriesOf(tasks: TaskView[], options: LogsOptions, context: Context): LogEntry[] {
  const isBoth = options.stdout === options.stderr
  const streams = logStreams.filter((stream) => isBoth || options[stream])
  const labels = labelsOf(tasks, context)
  return tasks.map((task, at) => ({
    id: task.id,
    status: task.status,
    streams: streams.map((stream) => ({
      stream,
      lines: createLineWriter(formatOf(task, stream, labels[at] ?? task.id, at, options, context), (lines) =>
        context.io[context.json ? 'stdout' : stream].write(lines),
      ),
      // what has not begun has nothing of which only the end could be wanted
      at: options.lines === null || task.startedAt === null ? 0 : null,
    })),
  }))
}

const labelColumns = 24
/** A narrower terminal has no room for more than the id. */
const wideColumns = 60

/** The ids, with what tells one from the other for a person: their names, else their targets. All of one width. */
function labelsOf(tasks: TaskView[], { io: { stdout } }: Context): string[] {
  const isNarrow = stdout.isTty && stdout.size().columns < wideColumns
  const differ = (texts: (string | null)[]) => new Set(texts).size > 1
  const told = differ(tasks.map(({ name }) => name)) ? nameOf : differ(tasks.map(targetOf)) ? targetOf : null
  const ids = padded(tasks.map(({ id }) => id))
  if (isNarrow || told === null) return ids
  const words = padded(tasks.map((task) => cut(printable(told(task)), labelColumns)))
  return ids.map((id, at) => `${id} ${words[at]}`)
}

function padded(texts: string[]): string[] {
  const width = texts.reduce((most, text) => Math.max(most, displayWidth(text)), 0)
  return texts.map((text) => text + ' '.repeat(width - displayWidth(text)))
}

const nameOf = ({ name }: TaskView) => name ?? '-'
const targetOf = ({ target }: TaskView) => target

/** Not red: that is for what went wrong. */
const labelColors = ['cyan', 'yellow', 'green', 'magenta', 'blue'] as const satisfies (keyof Colors)[]

function formatOf(
  task: TaskView,
  stream: LogStream,
  label: string,
  at: number,
  options: LogsOptions,
  context: Context,
): (line: Uint8Array) => Uint8Array {
  if (context.json) {
    return (line) =>
      Buffer.from(`${JSON.stringify({ taskId: task.id, stream, line: Buffer.from(line).toString() })}\n`)
  }
  const { isTty } = context.io[stream]
  const keepColors = options.color && context.hasColors
  const color = labelColors[at % labelColors.length] ?? 'cyan'
  const paint = isTty && context.hasColors ? context.colors[color] : (text: string) => text
  return behindPrefix(`${paint(`${label} |`)} `, { isTty, keepColors })
}
