/** `hakuriver kill`: asks for the end of tasks; they are `killing` until nothing of them is left. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { count } from '../../core/text.ts'
import type { TaskView } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { tellError } from '../output/error.ts'
import { selectBatch, selectTasks, tasksOf } from '../selectors.ts'
import type { Host } from '../transport.ts'
import { waitAndTell } from './wait.ts'

export interface KillOptions {
  batch: string[]
  reason: string | null
  wait: boolean
  quiet: boolean
}

/** What became of one request. */
interface Killed {
  id: string
  status: TaskView['status'] | null
  error: { code: string; message: string } | null
}

/** Kills what the words and `--batch` name. A task that has ended already is no failure of a batch. */
export async function kill(words: string[], options: KillOptions, context: Context): Promise<number> {
  if (words.length + options.batch.length === 0) {
    throw new AppError('invalid_request', 'there is nothing to kill', {
      details: { fix: 'Name tasks by their ids, `last`, or a batch: hakuriver kill --batch ID' },
    })
  }
  const host = await context.host()
  const body = options.reason === null ? {} : { reason: options.reason }
  const batchWords = [
    ...options.batch,
    ...words.flatMap((word) => (word.startsWith('batch:') ? word.slice(6) : [])),
  ]
  const results: Killed[] = []
  let code: number = exitCodes.ok
  for (const word of batchWords) {
    const id = await selectBatch(word, host)
    const { killed, alreadyEnded } = await host.client.killBatch({ params: { id }, body })
    const became = await statusesOf(id, killed, host)
    results.push(...became)
    if (context.json || options.quiet) continue
    if (!options.wait) await context.print(became.map(killedLine))
    await context.note(batchLine(id, killed.length, alreadyEnded.length))
  }
  for (const id of await selectTasks(
    words.filter((word) => !word.startsWith('batch:')),
    host,
  )) {
    const { result, exitCode } = await killOne(id, body, host)
    results.push(result)
    if (exitCode !== exitCodes.ok) code = code === exitCodes.ok ? exitCode : exitCodes.failed
    if (context.json || options.quiet) continue
    if (result.error !== null) await context.note(`hakuriver: ${result.error.message}`)
    else if (!options.wait) await context.print(killedLine(result))
  }
  if (context.json) await context.printJson({ tasks: results })
  const asked = results.filter((result) => result.error === null).map((result) => result.id)
  if (!options.wait || asked.length === 0) return code
  const waited = await waitAndTell(
    asked,
    { timeout: null, exitStatus: 'never', quiet: options.quiet, told: context.json },
    context,
  )
  return waited === exitCodes.ok ? code : waited
}

/** What those of a batch are now that were asked to end. */
async function statusesOf(batchId: string, killed: string[], host: Host): Promise<Killed[]> {
  const statuses = new Map<string, TaskView['status']>()
  if (killed.length > 0)
    for await (const task of tasksOf(host, { batchId })) statuses.set(task.id, task.status)
  return killed.map((id) => ({ id, status: statuses.get(id) ?? null, error: null }))
}

const killedLine = ({ id, status }: Killed) => `${id}  ${status ?? ''}`

async function killOne(
  id: string,
  body: { reason?: string },
  host: Host,
): Promise<{ result: Killed; exitCode: number }> {
  try {
    const task = await host.client.killTask({ params: { id }, body })
    return { result: { id, status: task.status, error: null }, exitCode: exitCodes.ok }
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'unavailable' || error.code === 'unauthenticated')
      throw error
    const { code, message } = error
    return {
      result: { id, status: null, error: { code, message } },
      exitCode: tellError(error, false).exitCode,
    }
  }
}

function batchLine(id: string, killed: number, alreadyEnded: number): string {
  const ended = alreadyEnded === 0 ? '' : `, ${count(alreadyEnded, 'task')} had ended already`
  return `batch ${id}: asked for the end of ${count(killed, 'task')}${ended}`
}
