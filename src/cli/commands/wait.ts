/** `hakuriver wait`: until tasks have ended. The exit code is the task's own. */
import { countStatuses } from '../../core/batch.ts'
import { AppError, exitCodes } from '../../core/errors.ts'
import { count, printable } from '../../core/text.ts'
import type { Context } from '../context.ts'
import { exitCodeOfAll, type Outcome } from '../exit-code.ts'
import { outcome, paintStatus } from '../output/text.ts'
import { selectBatch, selectTasks } from '../selectors.ts'
import { deadline, waitForEnds } from '../waiting.ts'

/** `own`: the task's own exit code. `never`: 0 whenever the waiting itself went well. */
export const exitStatuses = ['own', 'never'] as const
export type ExitStatus = (typeof exitStatuses)[number]

export interface WaitCommandOptions {
  batch: string[]
  /** Milliseconds; null: for ever. */
  timeout: number | null
  exitStatus: ExitStatus
  quiet: boolean
}

/** As a shell has it for an interrupted command: 128 + SIGINT. */
export const interruptedCode = 130

/** Waits for all tasks that the words and `--batch` name. */
export async function wait(words: string[], options: WaitCommandOptions, context: Context): Promise<number> {
  const host = await context.host()
  const batches = await Promise.all(options.batch.map((word) => selectBatch(word, host)))
  const selectors = [...words, ...batches.map((id) => `batch:${id}`)]
  if (selectors.length === 0) {
    throw new AppError('invalid_request', 'there is nothing to wait for', {
      details: { fix: 'Name tasks by their ids, `last`, or a batch: hakuriver wait --batch ID' },
    })
  }
  return waitAndTell(await selectTasks(selectors, host), { ...options, told: false }, context)
}

export interface TellOptions {
  timeout: number | null
  exitStatus: ExitStatus
  quiet: boolean
  /** Standard output is taken by the ids already: the ends are told on standard error. */
  told: boolean
}

/** Waits, says each end, and gives the exit code. Ctrl-C lets go of the tasks, which go on. */
export async function waitAndTell(ids: string[], options: TellOptions, context: Context): Promise<number> {
  const late = deadline(options.timeout, `not ended within the time given: ${describe(ids)}`)
  const interrupt = new AbortController()
  const stopListening = context.io.onInterrupt(() => interrupt.abort())
  try {
    const host = await context.host()
    const outcomes = await waitForEnds(ids, host, {
      signal: AbortSignal.any([late.signal, interrupt.signal]),
      onLink: (state) => context.note(linkNote(state)),
      onEnd: (ended) => tellEnd(ended, ids.length > 1, options, context),
    })
    if (outcomes !== null) {
      if (ids.length > 1 && !options.quiet && !context.json) await context.note(summary(outcomes))
      return options.exitStatus === 'never' ? exitCodes.ok : exitCodeOfAll(outcomes)
    }
    if (late.signal.aborted) throw late.signal.reason
    await context.note(`\nLet go of ${describe(ids)}: ${ids.length === 1 ? 'it goes' : 'they go'} on.`)
    return interruptedCode
  } finally {
    late.cancel()
    stopListening()
  }
}

/** What a person is told when the host, or a node, goes away or comes back. */
export function linkNote(state: 'cut' | 'back', node: string | null = null): string {
  const who = node === null ? 'the host' : `node ${printable(node)}`
  if (state === 'back') return `hakuriver: ${who} is back`
  return node === null
    ? 'hakuriver: lost the host; trying again …'
    : `hakuriver: ${who} cannot be reached now, and the log lies there; trying again …`
}

async function tellEnd(
  ended: Outcome,
  isOneOfSeveral: boolean,
  options: TellOptions,
  context: Context,
): Promise<void> {
  if (context.json && !options.told) return context.printJsonLine(ended)
  if (options.quiet) return
  const { colors } = context
  const why = outcome(ended)
  const where = isOneOfSeveral && ended.node !== null ? [colors.dim(`on ${placedOn(ended)}`)] : []
  const status = paintStatus(ended.status, colors)(ended.status)
  const line = [ended.id, status, ...(why === '' ? [] : [why]), ...where].join('  ')
  if (options.told) await context.note(line)
  else await context.print(line)
}

function placedOn({ node, numaId }: Outcome): string {
  return printable(numaId === null ? `${node}` : `${node}:${numaId}`)
}

/** `3 tasks: 2 completed, 1 failed` */
function summary(outcomes: Outcome[]): string {
  const counts = Object.entries(countStatuses(outcomes)).map(([status, number]) => `${number} ${status}`)
  return `${count(outcomes.length, 'task')}: ${counts.join(', ')}`
}

function describe(ids: string[]): string {
  return ids.length === 1 ? `task ${ids[0]}` : count(ids.length, 'task')
}
