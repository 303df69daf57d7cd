/** `hakuriver sweep`: one batch with a task for each combination of the values that the spans stand for. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { combinationsOf, type Sweep } from '../../core/sweep.ts'
import { printable, shellQuote } from '../../core/text.ts'
import { readSweep } from '../../platform/read-sweep.ts'
import type { PreviewResult, SubmitBody } from '../../protocol/schemas.ts'
import { bodyOfSweep, checkSweepSize, tellSweepSize } from '../../protocol/submit-body.ts'
import type { Context } from '../context.ts'
import { codeOfPreview, previewOf, tellCounts, tellOutcome } from './dry-run.ts'
import { formOf, type SubmitOptions, submitBody } from './submit.ts'
import { interruptedCode } from './wait.ts'

export interface SweepOptions extends SubmitOptions {
  zip: boolean
  dryRun: boolean
  yes: boolean
}

/** More than so many are not made before a person was asked. */
const unasked = 100
/** So many commands are shown by --dry-run. */
const shown = 10

/** Shows how many tasks it will make, asks where they are many, and submits. Returns the exit code. */
export async function sweep(words: string[], options: SweepOptions, context: Context): Promise<number> {
  const mode = options.zip ? 'zip' : 'product'
  const found = readSweep(words, mode)
  const targets = options.target.length
  checkSweepSize(found, targets)
  if (!options.quiet) for (const note of found.notes) await context.note(`hakuriver: ${note}`)
  const form = await formOf(words, options, mode, context)
  const makeBody = () => bodyOfSweep(found, form)
  if (options.dryRun) return dryRun(found, makeBody(), context)
  const size = tellSweepSize(found, targets)
  if (found.sizes.length > 0 && !options.quiet) await context.note(`This will make ${size}.`)
  const total = found.count * Math.max(1, targets)
  if (total > unasked && !options.yes && !(await isWanted(context))) {
    await context.note('Nothing was submitted.')
    return interruptedCode
  }
  return submitBody(makeBody(), options, context)
}

/**
 * `submit --span`: the same.
 * @throws AppError `invalid_request` where options of a sweep were given without --span
 */
export function submitSpans(
  words: string[],
  options: SweepOptions & { span: boolean },
  context: Context,
): Promise<number> {
  if (options.span) return sweep(words, options, context)
  const given = options.zip ? '--zip' : '--yes'
  throw new AppError('invalid_request', `${given} goes with --span`, {
    details: { fix: 'Write --span as well, to have a task for each combination.' },
  })
}

/** Shows the first commands and, where the host can be asked, what would become of them. */
async function dryRun(found: Sweep, body: SubmitBody, context: Context): Promise<number> {
  const lines: string[] = []
  for (const { words } of combinationsOf(found)) {
    if (lines.length === shown) break
    lines.push(printable(words.map(({ text }) => shellQuote(text)).join(' ')))
  }
  const targets = body.targets?.length ?? 0
  const { preview, why } = await tryPreview(body, context)
  if (context.json) {
    const tasks = found.count * Math.max(1, targets)
    await context.printJson({ tasks, sizes: found.sizes, commands: lines, preview })
  } else await context.print(found.count > shown ? [...lines, '…'] : lines)
  await context.note(`This would make ${tellSweepSize(found, targets)}; nothing was submitted.`)
  if (preview === null) {
    await context.note(`hakuriver: what would become of them now is not known: ${printable(why)}`)
    return exitCodes.ok
  }
  await context.note(`${tellCounts(preview)}.`)
  const { firstRefused } = preview
  if (firstRefused !== null)
    await context.note(`hakuriver: ${printable(firstRefused.target)} ${tellOutcome(firstRefused)}`)
  return codeOfPreview(preview)
}

/** A sweep can be looked at without a host. */
async function tryPreview(
  body: SubmitBody,
  context: Context,
): Promise<{ preview: PreviewResult | null; why: string }> {
  try {
    return { preview: await previewOf(body, context), why: '' }
  } catch (error) {
    if (error instanceof AppError && (error.code === 'unavailable' || error.code === 'timeout'))
      return { preview: null, why: error.message }
    throw error
  }
}

/** Asks where there is somebody to answer. */
async function isWanted({ io, note }: Context): Promise<boolean> {
  if (!io.canAsk || !io.stdout.isTty) return true
  await io.stderr.write('Go on? [y/N] ')
  const key = await new Promise<string>((resolve) => {
    const stop = io.onKey((pressed) => {
      stop()
      resolve(pressed)
    })
  })
  await note(printable(key))
  return key.toLowerCase() === 'y'
}
