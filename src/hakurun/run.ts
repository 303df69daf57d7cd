/** One call of hakurun: reads the spans, runs the combinations, and says what became of them. */
import { constants } from 'node:os'
import { AppError, exitCodes } from '../core/errors.ts'
import { combinationsOf, type Sweep, sizeOf } from '../core/sweep.ts'
import { cut, printable, shellQuote } from '../core/text.ts'
import { formatDuration } from '../core/units.ts'
import { type Io, wantsColors } from '../platform/io.ts'
import { readSweep } from '../platform/read-sweep.ts'
import { type Cell, renderTable } from '../platform/table.ts'
import { killAll } from './child.ts'
import { type HakurunOptions, parallelism } from './options.ts'
import { runPool, type Tally } from './pool.ts'
import { OutputDir, type Result } from './results.ts'
import { Screen } from './screen.ts'
import { findTarget } from './target.ts'

const interruptedCode = 128 + constants.signals.SIGINT
/** As timeout(1) has it. */
const timedOutCode = 124
/** Of so many failures the table tells. */
const toldFailures = 20
/** As wide may the name of a failure be, also where there is no terminal. */
const nameWidth = 80
/** So many failures are kept to choose those from: a sweep of millions may fail in each. */
const keptFailures = 1_000

/** Runs it all. Returns the exit code. @throws AppError, BrokenPipeError */
export async function hakurun(words: string[], options: HakurunOptions, io: Io): Promise<number> {
  const sweep = readSweep(words, options.zip ? 'zip' : 'product')
  const target = await findTarget(words[0] ?? '', options.python, io.env)
  if (options.resume && options.outputDir === null)
    throw new AppError('invalid_request', '--resume needs the --output-dir of the run to go on with')
  if (options.dryRun) return dryRun(sweep, io)
  const { count: parallel, note } = parallelism(options.parallel, io.env)
  const notes = [...sweep.notes, ...(note === null ? [] : [note])]
  const outputDir = options.outputDir === null ? null : new OutputDir(options.outputDir)
  const isAlone = sweep.count === 1 && outputDir === null
  const hasBar = options.progress && !options.quiet && !isAlone && io.stderr.isTty && io.env.TERM !== 'dumb'
  const screen = new Screen({ io, hasColors: wantsColors(io), isStdoutTaken: options.json, hasBar })
  if (!options.quiet) for (const line of notes) await screen.note(`hakurun: ${line}`)

  const results: Result[] = []
  const interrupt = new AbortController()
  const stopListening = io.onInterrupt(() => (interrupt.signal.aborted ? killAll() : interrupt.abort()))
  try {
    const tally = await runPool({
      sweep,
      target,
      parallel,
      retry: options.retry,
      timeoutMs: options.timeout,
      failFast: options.failFast,
      outputDir,
      skip: options.resume && outputDir !== null ? outputDir.succeeded() : new Set(),
      screen,
      signal: interrupt.signal,
      samplesMemory: outputDir !== null || options.json,
      // all of them only where they are printed: of a long sweep the first failures are enough
      onResult: (result) => {
        if (options.json || (!result.ok && results.length < keptFailures)) results.push(result)
      },
    })
    await screen.close()
    const isInterrupted = interrupt.signal.aborted
    if (options.json) await io.stdout.write(`${JSON.stringify(summaryOf(sweep, tally, results))}\n`)
    else if (!isAlone)
      await tellEnd(sweep, tally, results, { isInterrupted, isQuiet: options.quiet }, screen, io)
    else await tellUnstarted(results, screen)
    if (isInterrupted) return interruptedCode
    if (sweep.count === 1) return exitCodeOf(results[0], tally)
    return tally.failed + tally.stopped === 0 ? exitCodes.ok : exitCodes.failed
  } finally {
    stopListening()
  }
}

async function dryRun(sweep: Sweep, io: Io): Promise<number> {
  for (const { words } of combinationsOf(sweep)) {
    await io.stdout.write(`${printable(words.map(({ text }) => shellQuote(text)).join(' '))}\n`)
  }
  await io.stderr.write(`${sizeOf(sweep, 'combination')}; none was run\n`)
  return exitCodes.ok
}

function summaryOf(sweep: Sweep, tally: Tally, results: Result[]) {
  const { succeeded, failed, skipped, wallMs } = tally
  const notRun = sweep.count - succeeded - failed - skipped
  return { total: sweep.count, succeeded, failed, skipped, notRun, wallMs, results }
}

async function tellUnstarted([result]: readonly Result[], screen: Screen): Promise<void> {
  if (typeof result?.error === 'string') await screen.note(`hakurun: ${printable(result.error)}`)
}

async function tellEnd(
  sweep: Sweep,
  tally: Tally,
  failures: readonly Result[],
  how: { isInterrupted: boolean; isQuiet: boolean },
  screen: Screen,
  io: Io,
): Promise<void> {
  const { notRun } = summaryOf(sweep, tally, [])
  if (how.isQuiet && tally.failed === 0 && notRun === 0) return
  const parts = [
    `${tally.succeeded} succeeded`,
    ...(tally.failed > 0 ? [`${tally.failed} failed`] : []),
    ...(tally.skipped > 0 ? [`${tally.skipped} had succeeded before`] : []),
    ...(tally.stopped > 0 ? [`${tally.stopped} ended halfway`] : []),
    ...(notRun - tally.stopped > 0 ? [`${notRun - tally.stopped} not run`] : []),
  ]
  const begin = how.isInterrupted ? 'Interrupted: of ' : ''
  if (failures.length > 0)
    for (const line of failureTable(failures, tally.failed, io)) await screen.note(line)
  await screen.note(
    `${begin}${sizeOf(sweep, 'combination')}: ${parts.join(', ')}, in ${formatDuration(tally.wallMs)}`,
  )
}

function failureTable(failures: readonly Result[], total: number, io: Io): string[] {
  const columns = [
    { title: 'FAILED', shrinkTo: 12 },
    { title: 'EXIT' },
    { title: 'TIME', align: 'right' as const, dropOrder: 1 },
    { title: 'TRIES', align: 'right' as const, dropOrder: 2 },
    { title: 'OUTPUT', dropOrder: 3 },
  ]
  const shown = failures.toSorted((a, b) => a.index - b.index).slice(0, toldFailures)
  const rows = shown.map((result): Cell[] => [
    { text: cut(printable(nameOf(result)), nameWidth) },
    { text: exitText(result) },
    { text: formatDuration(result.wallMs) },
    { text: String(result.tries) },
    { text: result.output ?? '-' },
  ])
  const width = io.stderr.isTty ? io.stderr.size().columns : null
  const more = total > shown.length ? [`and ${total - shown.length} more`] : []
  return ['', ...renderTable(columns, rows, { width, paintTitle: (title) => title }), ...more, '']
}

function nameOf({ parameters, command }: Result): string {
  return Object.values(parameters).join(' ') || command.join(' ')
}

function exitText({ exitCode, signal, timedOut, error }: Result): string {
  if (error !== null) return printable(error)
  return timedOut ? 'timeout' : (signal ?? String(exitCode))
}

/** Of the only combination: its own code, as a shell would tell it. */
function exitCodeOf(result: Result | undefined, tally: Tally): number {
  if (result === undefined || result.ok)
    return tally.failed + tally.stopped === 0 ? exitCodes.ok : exitCodes.failed
  if (result.timedOut) return timedOutCode
  if (result.exitCode !== null) return result.exitCode
  const numbers: Record<string, number> = constants.signals
  return result.signal === null ? 127 : 128 + (numbers[result.signal] ?? 0)
}
