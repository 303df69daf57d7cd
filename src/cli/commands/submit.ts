/** `hakuriver submit`: one command on any number of targets. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, errorTable, exitCodes } from '../../core/errors.ts'
import type { SubmitForm } from '../../core/submit-form.ts'
import type { SweepMode } from '../../core/sweep.ts'
import { count, printable } from '../../core/text.ts'
import type { SubmitBody, SubmitResult } from '../../protocol/schemas.ts'
import { bodyOfForm } from '../../protocol/submit-body.ts'
import type { Context } from '../context.ts'
import { taskEnvironment } from '../environment.ts'
import type { Host } from '../transport.ts'
import { followOne } from './logs.ts'
import { type ExitStatus, waitAndTell } from './wait.ts'

export interface SubmitOptions {
  target: string[]
  cores: number
  /** Bytes; null: no limit. */
  memory: number | null
  env: string[]
  envFile: string[]
  secret: string[]
  secretFile: string[]
  privateNetwork: boolean
  privatePid: boolean
  allOrNothing: boolean
  cwd: string | null
  name: string | null
  /** Milliseconds; null: no limit. */
  timeout: number | null
  queue: boolean
  /** How often at most it is started again because its node was lost; null: never. */
  requeue: number | null
  wait: boolean
  follow: boolean
  exitStatus: ExitStatus
  quiet: boolean
}

/** An answer may have been lost: the same submit is sent again until then. */
const retryDeadlineMs = 10_000

/** Submits, prints the ids, and waits or follows where asked to. Returns the exit code. */
export async function submit(
  words: string[],
  options: SubmitOptions & { dryRun?: boolean },
  context: Context,
): Promise<number> {
  const body = bodyOfForm(await formOf(words, options, null, context))
  if (options.dryRun === true) return (await import('./dry-run.ts')).dryRunSubmit(body, context)
  return submitBody(body, options, context)
}

/** The same for any body. */
export async function submitBody(
  wanted: SubmitBody,
  options: SubmitOptions,
  context: Context,
): Promise<number> {
  const body = { submissionId: randomUUID(), ...wanted }
  const host = await context.host()
  const ask = () => host.client.submitBatch({ body })
  const result = await submitSurely(ask, host, context).catch((error: unknown) =>
    tellRefusals(error, context),
  )
  const ids = result.tasks.flatMap((task) => task.taskId ?? [])
  await tellResult(result, ids, options, context)
  const refusedCode = codeOfRefusals(result.tasks, ids.length)
  if (ids.length === 0 || !(options.wait || options.follow)) return refusedCode
  const code = options.follow
    ? await followAll(result, ids, options.exitStatus, context)
    : await waitAndTell(
        ids,
        { timeout: null, exitStatus: options.exitStatus, quiet: options.quiet, told: true },
        context,
      )
  return code === exitCodes.ok ? refusedCode : code
}

/** One as it is; several with the task before each line. */
async function followAll(
  { batchId }: SubmitResult,
  ids: string[],
  exitStatus: ExitStatus,
  context: Context,
): Promise<number> {
  const [first = ''] = ids
  if (ids.length === 1 || batchId === null) return followOne(first, exitStatus, context)
  const { followBatch } = await import('./batch-logs.ts')
  return followBatch(batchId, exitStatus, context)
}

/** What was asked for on the command line. @throws AppError `invalid_request` where the environment cannot be read */
export async function formOf(
  words: string[],
  options: SubmitOptions,
  sweep: SweepMode | null,
  context: Context,
): Promise<SubmitForm> {
  return {
    words,
    targets: options.target,
    cores: options.cores,
    memoryBytes: options.memory,
    timeoutMs: options.timeout,
    env: taskEnvironment(options.envFile, options.env, context.io.env),
    secrets: await secretsOf(options, context),
    cwd: options.cwd,
    name: options.name,
    privateNetwork: options.privateNetwork,
    privatePids: options.privatePid,
    queue: options.queue,
    requeue: options.requeue ?? 0,
    allOrNothing: options.allOrNothing,
    sweep,
  }
}

async function secretsOf(options: SubmitOptions, context: Context): Promise<Record<string, string>> {
  if (options.secret.length === 0 && options.secretFile.length === 0) return {}
  const { readSecrets } = await import('../secret-options.ts')
  return readSecrets(options, context.io, (name) =>
    context.note(
      `hakuriver: the value of ${name} stands in this machine's process list; --secret ${name}=@FILE does not show it`,
    ),
  )
}

/**
 * Submits until there is an answer: once the request may have arrived, only the host can tell whether it did,
 * and the submission id makes a second try the same submit. A host that was never reached fails at once.
 */
export async function submitSurely<T>(ask: () => Promise<T>, host: Host, context: Context): Promise<T> {
  const end = context.io.now() + retryDeadlineMs
  let mayHaveArrived = false
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof AppError) || !isWorthRetrying(error)) throw error
      const isFirstLoss = !mayHaveArrived
      mayHaveArrived ||= error.code !== 'unavailable' || error.details?.mayHaveArrived === true
      if (!mayHaveArrived) throw error
      if (context.io.now() + pauseMs > end) throw unsure(error, host)
      if (isFirstLoss) await context.note('hakuriver: the answer was lost; asking again for the same submit')
      await sleep(pauseMs)
    }
  }
}

function isWorthRetrying(error: AppError): boolean {
  return error.code === 'unavailable' || error.code === 'timeout'
}

function unsure(error: AppError, host: Host): AppError {
  return new AppError('unavailable', `${error.message}; nobody can say whether the submit arrived`, {
    cause: error,
    details: { fix: `Look with \`hakuriver ps\` once the host at ${host.address.url} is back.` },
  })
}

/** Where none could be made: the reason for each target, beside the error itself. */
async function tellRefusals(error: unknown, context: Context): Promise<never> {
  const outcomes = error instanceof AppError ? error.details?.tasks : undefined
  // the host's own words, in the shape of `SubmitResult`
  const refused = Array.isArray(outcomes) ? (outcomes as SubmitResult['tasks']) : []
  if (context.json && refused.length > 0) await context.printJson({ batchId: null, tasks: refused })
  else if (refused.length > 1) {
    for (const { target, error: why } of refused)
      await context.note(`${printable(target)}: ${printable(why?.message ?? '')}`)
  }
  throw error
}

async function tellRefusal(
  { target, error }: SubmitResult['tasks'][number],
  context: Context,
): Promise<void> {
  if (error === null) return
  await context.note(`hakuriver: ${printable(target)} was refused: ${printable(error.message)}`)
}

async function tellResult(
  result: SubmitResult,
  ids: string[],
  options: SubmitOptions,
  context: Context,
): Promise<void> {
  for (const outcome of result.tasks) await tellRefusal(outcome, context)
  // With --follow standard output is the task's own.
  if (options.follow) {
    if (!options.quiet && ids.length > 0)
      await context.note(ids.length === 1 ? `task ${ids[0]}` : `batch ${result.batchId}`)
  } else if (context.json) await context.printJson(result)
  else if (ids.length > 0) await context.print(ids)
  if (context.json || options.quiet || options.wait || options.follow || !context.io.stdout.isTty) return
  if (ids.length === 1) await context.note(context.colors.dim(`Follow it: hakuriver logs -f ${ids[0]}`))
  if (ids.length > 1) {
    await context.note(
      context.colors.dim(`${count(ids.length, 'task')}; watch them: hakuriver ps --batch ${result.batchId}`),
    )
  }
}

/** 0: all created. Some created: 1. None created: the code of the first refusal's error. */
export function codeOfRefusals(
  outcomes: readonly Pick<SubmitResult['tasks'][number], 'error'>[],
  created: number,
): number {
  const [first] = outcomes.flatMap(({ error }) => error ?? [])
  if (first === undefined) return exitCodes.ok
  if (created > 0) return exitCodes.failed
  const exits: Record<string, { exit: number }> = errorTable
  return exits[first.code]?.exit ?? exitCodes.failed
}
