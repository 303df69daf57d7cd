/** What a submit sends: made of a form, and read back into one. Command line and web make the same of the same form. */
import { utf8Length } from '../core/carry.ts'
import { AppError } from '../core/errors.ts'
import { blanked, emptyForm, type SubmitForm, specOfWords, specsOfSweep } from '../core/submit-form.ts'
import { factorsOf, parseSweep, type Sweep, sizeOf, spanFiles } from '../core/sweep.ts'
import { count } from '../core/text.ts'
import { formatBytes } from '../core/units.ts'
import { limits } from './limits.ts'
import type { SpecInput, SubmitBody } from './schemas.ts'

/** @throws AppError `invalid_request` where the form cannot be submitted, `too_large` where no host would take it */
export function bodyOfForm(form: SubmitForm): SubmitBody {
  const found = sweepOfForm(form)
  return found === null ? bodyOfSpecs([specOfWords(form.words, form)], form) : bodyOfSweep(found, form)
}

/** The spans of a form's words; null where they are not read. @throws AppError `invalid_request`, `too_large` */
export function sweepOfForm(form: SubmitForm): Sweep | null {
  if (form.sweep === null) return null
  const [file] = spanFiles(form.words)
  if (file !== undefined) {
    throw new AppError(
      'invalid_request',
      `the file ${file} of a span can only be read by hakuriver sweep in a terminal: write its lines as span:[a,b]`,
    )
  }
  const found = parseSweep(form.words, form.sweep)
  checkSweepSize(found, form.targets.length)
  return found
}

/** @throws AppError `too_large` where it makes more tasks than a batch may have */
export function checkSweepSize(found: Sweep, targets: number): void {
  if (found.count * Math.max(1, targets) <= limits.tasksPerBatch) return
  const most = `a batch has at most ${limits.tasksPerBatch}`
  throw new AppError('too_large', `this would make ${tellSweepSize(found, targets)}: ${most}`, {
    details: { fix: 'Make the spans smaller, or submit it in parts.' },
  })
}

/** "40 tasks (10 × 4)", "80 tasks (10 × 4, on 2 targets)". */
export function tellSweepSize(found: Sweep, targets: number): string {
  if (targets <= 1) return sizeOf(found, 'task')
  const sizes = factorsOf(found) ?? String(found.count)
  return `${count(found.count * targets, 'task')} (${sizes}, on ${targets} targets)`
}

/** @throws AppError `too_large` */
export function bodyOfSweep(found: Sweep, form: SubmitForm): SubmitBody {
  return bodyOfSpecs(specsOfSweep(found, form), form)
}

function bodyOfSpecs(
  specs: Iterable<SpecInput>,
  { targets, allOrNothing, secrets }: Pick<SubmitForm, 'targets' | 'allOrNothing' | 'secrets'>,
): SubmitBody {
  const rest = {
    ...(targets.length > 0 && { targets }),
    ...(allOrNothing && { allOrNothing: true }),
    ...(Object.keys(secrets).length > 0 && { secrets }),
  }
  const taken: SpecInput[] = []
  let bytes = utf8Length(JSON.stringify(rest))
  for (const spec of specs) {
    // one by one: ten thousand large ones are never made
    taken.push(spec)
    bytes += utf8Length(JSON.stringify(spec)) + 1
    if (bytes > bodyBytes) throw tooLarge('more than that', formatBytes(limits.bodyBytes))
  }
  const tasks = taken.length * Math.max(1, targets.length)
  if (tasks > limits.tasksPerBatch) throw tooLarge(count(tasks, 'task'), String(limits.tasksPerBatch))
  return { specs: taken, ...rest }
}

/** Less what the submission id and the body's own keys take. */
const bodyBytes = limits.bodyBytes - 200

function tooLarge(has: string, most: string): AppError {
  return new AppError('too_large', `a host takes at most ${most} at a time: this submit has ${has}`, {
    details: { fix: 'Submit it in parts.' },
  })
}

/** The same body without what its secrets are: for a preview, and for eyes. */
export function withoutSecretValues(body: SubmitBody): SubmitBody {
  const { secrets, specs, ...rest } = body
  return {
    ...rest,
    specs: specs.map((spec) =>
      spec.secrets === undefined ? spec : { ...spec, secrets: blanked(spec.secrets) },
    ),
    ...(secrets !== undefined && { secrets: blanked(secrets) }),
  }
}

/**
 * The form of which `bodyOfForm` makes this body, but for the submission id.
 * @throws AppError `invalid_request` where a form cannot say it
 */
export function formOfBody(body: SubmitBody): SubmitForm {
  const [spec] = body.specs
  if (spec === undefined || body.specs.length > 1) {
    const many = count(body.specs.length, 'command')
    throw new AppError('invalid_request', `a form holds one command, and this body has ${many}`)
  }
  if (body.name !== undefined && body.name !== null)
    throw new AppError('invalid_request', 'a form has no name for the batch: leave "name" beside "specs" out')
  return {
    ...formOfSpec({ ...spec, secrets: { ...body.secrets, ...spec.secrets } }),
    targets: body.targets === undefined ? [] : [...body.targets],
    allOrNothing: body.allOrNothing ?? false,
  }
}

/** The form to submit a task like this again. @param target what was asked for; left out: any */
export function formOfSpec(spec: SpecInput, target = 'any'): SubmitForm {
  const form = emptyForm()
  return {
    ...form,
    words: [spec.command, ...(spec.arguments ?? [])],
    targets: target === 'any' ? [] : [target],
    cores: spec.cores ?? form.cores,
    memoryBytes: spec.memoryBytes ?? null,
    timeoutMs: spec.timeoutMs ?? null,
    env: { ...spec.env },
    secrets: { ...spec.secrets },
    cwd: spec.cwd ?? null,
    name: spec.name ?? null,
    privateNetwork: spec.privateNetwork ?? false,
    privatePids: spec.privatePids ?? false,
    queue: spec.queue ?? true,
    requeue: spec.requeue ?? 0,
  }
}
