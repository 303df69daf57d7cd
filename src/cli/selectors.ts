/** Which tasks are meant: ids, `last`, `batch:ID`, `batch:last`. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import type { TaskView } from '../protocol/schemas.ts'
import type { Host } from './transport.ts'

const pageSize = 1000

/**
 * The ids of the tasks that the words name, in their order, each once.
 * @throws AppError `invalid_request` for a word that names none, `not_found` where `last` has nothing to name
 */
export async function selectTasks(words: string[], host: Host): Promise<string[]> {
  const ids: string[] = []
  for (const word of words) {
    if (word.startsWith('batch:')) {
      const batchId = await selectBatch(word.slice('batch:'.length), host)
      for await (const task of tasksOf(host, { batchId })) ids.push(task.id)
    } else {
      ids.push(await selectTask(word, host))
    }
  }
  return [...new Set(ids)]
}

/** The id of the one task that the word names. */
export async function selectTask(word: string, host: Host): Promise<string> {
  if (word === 'last') return (await lastTask(host)).id
  if (word.startsWith('batch:')) {
    throw new AppError('invalid_request', `"${word}" is a whole batch, where one task is wanted`, {
      details: { fix: `\`hakuriver ps --batch ${word.slice('batch:'.length)}\` lists its tasks.` },
    })
  }
  if (parseId(word) === null) throw notAnId(word, 'task')
  return word
}

/** The id of the batch that the word names. */
export async function selectBatch(word: string, host: Host): Promise<string> {
  if (word === 'last') return (await lastTask(host)).batchId
  if (parseId(word) === null) throw notAnId(word, 'batch')
  return word
}

export interface TaskFilter {
  status?: TaskView['status'][]
  node?: string
  batchId?: string
  owner?: string
  /** A part of the name, the command line or the id. */
  q?: string
}

/** All tasks of a filter, newest first, page by page. */
export async function* tasksOf(host: Host, filter: TaskFilter): AsyncGenerator<TaskView> {
  let cursor: string | null = null
  do {
    const query: TaskFilter & { limit: number; cursor?: string } = {
      ...filter,
      limit: pageSize,
      ...(cursor !== null && { cursor }),
    }
    const page: { items: TaskView[]; next: string | null } = await host.client.listTasks({ query })
    yield* page.items
    cursor = page.next
  } while (cursor !== null)
}

async function lastTask(host: Host): Promise<TaskView> {
  const [task] = (await host.client.listTasks({ query: { limit: 1 } })).items
  if (task === undefined) throw new AppError('not_found', 'there is no task yet')
  return task
}

function notAnId(word: string, noun: string): AppError {
  return new AppError('invalid_request', `"${word}" is not the id of a ${noun}`, {
    details: {
      fix: `Ids are numbers, as \`hakuriver ps\` shows them; \`last\` is the newest, \`batch:ID\` a whole batch.`,
    },
  })
}
