/** `hakuriver rerun`: tasks that have ended once more, as one new batch. */
import { randomUUID } from 'node:crypto'
import { AppError, exitCodes } from '../../core/errors.ts'
import { finalStatuses, type Status } from '../../core/task.ts'
import { count, printable } from '../../core/text.ts'
import { limits } from '../../protocol/limits.ts'
import type { Context } from '../context.ts'
import { selectBatch, selectTasks, tasksOf } from '../selectors.ts'
import type { Host } from '../transport.ts'
import { codeOfRefusals, submitSurely } from './submit.ts'
import { type ExitStatus, waitAndTell } from './wait.ts'

export interface RerunOptions {
  batch: string[]
  failed: boolean
  wait: boolean
  exitStatus: ExitStatus
  quiet: boolean
}

/** Runs again what the words and `--batch` name. What still runs of a batch is left out; a task by its id is refused then. */
export async function rerun(words: string[], options: RerunOptions, context: Context): Promise<number> {
  const isBatch = (word: string) => word.startsWith('batch:')
  const batchWords = [...options.batch, ...words.filter(isBatch).map((word) => word.slice('batch:'.length))]
  const taskWords = words.filter((word) => !isBatch(word))
  checkWords(taskWords, batchWords, options)
  const host = await context.host()
  const ids = await selectTasks(taskWords, host)
  const batchIds = await Promise.all(batchWords.map((word) => selectBatch(word, host)))
  for (const id of batchIds) ids.push(...(await endedOf(id, options.failed, host)))
  const named = [...new Set(ids)]
  checkNumber(named, options.failed)
  const body = { ids: named, submissionId: randomUUID(), name: await nameOf(taskWords, batchIds, host) }
  const result = await submitSurely(() => host.client.rerunTasks({ body }), host, context)
  const made = result.items.flatMap(({ taskId }) => taskId ?? [])
  for (const { id, error } of result.items)
    if (error !== null)
      await context.note(`hakuriver: task ${id} was not run again: ${printable(error.message)}`)
  if (context.json) await context.printJson(result)
  else await context.print(made)
  const refusedCode = codeOfRefusals(result.items, made.length)
  if (made.length === 0 || !options.wait) {
    if (made.length > 1 && !options.quiet && !context.json && context.io.stdout.isTty)
      await context.note(
        context.colors.dim(
          `${count(made.length, 'task')}; watch them: hakuriver ps --batch ${result.batchId}`,
        ),
      )
    return refusedCode
  }
  const code = await waitAndTell(
    made,
    { timeout: null, exitStatus: options.exitStatus, quiet: options.quiet, told: true },
    context,
  )
  return code === exitCodes.ok ? refusedCode : code
}

function checkWords(taskWords: string[], batchWords: string[], { failed }: RerunOptions): void {
  if (taskWords.length + batchWords.length === 0)
    throw new AppError('invalid_request', 'there is nothing to run again', {
      details: { fix: 'Name tasks by their ids, `last`, or a batch: hakuriver rerun --batch ID --failed' },
    })
  if (failed && (batchWords.length === 0 || taskWords.length > 0))
    throw new AppError('invalid_request', '--failed chooses among the tasks of a batch', {
      details: { fix: 'Name batches only: hakuriver rerun --batch ID --failed' },
    })
}

function checkNumber(ids: string[], isFailed: boolean): void {
  if (ids.length === 0)
    throw new AppError('not_found', isFailed ? 'no task of it has failed' : 'no task of it has ended')
  if (ids.length > limits.bulkTasks)
    throw new AppError(
      'too_large',
      `these are ${ids.length} tasks: name at most ${limits.bulkTasks} at a time`,
    )
}

/** Oldest first, as they were submitted. */
async function endedOf(batchId: string, isFailed: boolean, host: Host): Promise<string[]> {
  const status: Status[] = finalStatuses.filter((one) => !isFailed || one !== 'completed')
  const ids: string[] = []
  for await (const task of tasksOf(host, { batchId, status })) ids.push(task.id)
  return ids.reverse()
}

/** The name of the batch where it is one. */
async function nameOf(taskWords: string[], batchIds: string[], host: Host): Promise<string | null> {
  const [id] = batchIds
  if (id === undefined || batchIds.length > 1 || taskWords.length > 0) return null
  return (await host.client.getBatch({ params: { id } })).name
}
