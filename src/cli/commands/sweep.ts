/** `hakuriver sweep`: one batch with a task for each combination of the values that the spans stand for. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { combinationsOf, factorsOf, type Sweep, sizeOf } from '../../core/sweep.ts'
import { count, printable, shellQuote } from '../../core/text.ts'
import { readSweep } from '../../platform/read-sweep.ts'
import { limits } from '../../protocol/limits.ts'
import type { Context } from '../context.ts'
import { type SubmitOptions, specOf, submitSpecs } from './submit.ts'
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
/** Of a task's name (`SpecInput`). */
const nameLength = 200

/** Shows how many tasks it will make, asks where they are many, and submits. Returns the exit code. */
export async function sweep(words: string[], options: SweepOptions, context: Context): Promise<number> {
  const found = readSweep(words, options.zip ? 'zip' : 'product')
  const targets = Math.max(1, options.target.length)
  const total = found.count * targets
  if (total > limits.tasksPerBatch) {
    const most = `a batch has at most ${limits.tasksPerBatch}`
    throw new AppError('too_large', `this would make ${preview(found, targets)}: ${most}`, {
      details: { fix: 'Make the spans smaller, or submit it in parts.' },
    })
  }
  if (!options.quiet) for (const note of found.notes) await context.note(`hakuriver: ${note}`)
  if (options.dryRun) return dryRun(found, targets, context)
  if (found.sizes.length > 0 && !options.quiet)
    await context.note(`This will make ${preview(found, targets)}.`)
  if (total > unasked && !options.yes && !(await isWanted(context))) {
    await context.note('Nothing was submitted.')
    return interruptedCode
  }
  const [first, ...rest] = words
  const specs = [...combinationsOf(found)].map(({ words: combined, values }) => {
    const spec = specOf(first === undefined ? rest : combined.map(({ text }) => text), options, context)
    return { ...spec, name: options.name ?? nameOf(values) }
  })
  return submitSpecs(specs, options, context)
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
  const given = options.zip ? '--zip' : options.dryRun ? '--dry-run' : '--yes'
  throw new AppError('invalid_request', `${given} goes with --span`, {
    details: { fix: 'Write --span as well, to have a task for each combination.' },
  })
}

/** "40 tasks (10 × 4)", "80 tasks (10 × 4, on 2 targets)". */
function preview(found: Sweep, targets: number): string {
  if (targets === 1) return sizeOf(found, 'task')
  const sizes = factorsOf(found) ?? String(found.count)
  return `${count(found.count * targets, 'task')} (${sizes}, on ${targets} targets)`
}

async function dryRun(found: Sweep, targets: number, context: Context): Promise<number> {
  const lines: string[] = []
  for (const { words } of combinationsOf(found)) {
    if (lines.length === shown) break
    lines.push(printable(words.map(({ text }) => shellQuote(text)).join(' ')))
  }
  if (context.json)
    await context.printJson({ tasks: found.count * targets, sizes: found.sizes, commands: lines })
  else await context.print(found.count > shown ? [...lines, '…'] : lines)
  await context.note(`This would make ${preview(found, targets)}; nothing was submitted.`)
  return exitCodes.ok
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

function nameOf(values: readonly string[]): string | null {
  const name = values.join(' ').slice(0, nameLength)
  return name === '' ? null : name
}
