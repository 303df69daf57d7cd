/** `hakuriver events`: what happened to a task, a node or the whole cluster, in sentences. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { sentenceOf } from '../../core/history.ts'
import type { ClusterEvent } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { followEvents } from '../event-stream.ts'
import { localTime } from '../output/text.ts'
import { selectTasks } from '../selectors.ts'

export interface EventsOptions {
  node: string | null
  follow: boolean
}

/** The history of the tasks that are named, or of a node; with `--follow` what happens from now on. */
export async function events(words: string[], options: EventsOptions, context: Context): Promise<number> {
  const { node, follow } = options
  if (words.length === 0 && node === null && !follow)
    throw new AppError('invalid_request', 'whose history is not said', {
      details: { fix: 'Name tasks, a node by --node, or follow all that happens with --follow.' },
    })
  const host = await context.host()
  const ids = words.length === 0 ? [] : await selectTasks(words, host)
  let last = 0
  const tell = async (event: ClusterEvent) => {
    last = Math.max(last, event.id)
    if (context.json) await context.printJsonLine(event)
    else await context.print(lineOf(event, ids.length !== 1))
  }
  const tellPast = async () => {
    for (const id of ids)
      for (const event of (await host.client.listTaskEvents({ params: { id } })).items) await tell(event)
    if (node === null) return
    for (const event of (await host.client.listNodeEvents({ params: { name: node } })).items)
      await tell(event)
  }
  if (!follow) {
    await tellPast()
    return exitCodes.ok
  }
  const isAll = ids.length === 0 && node === null
  const isWanted = (event: ClusterEvent) =>
    event.kind === 'task' ? ids.includes(event.taskId ?? '') : event.node === node
  let isPastTold = false
  // opened first, so that nothing is missed between the past and what comes
  for await (const step of followEvents(host, { signal: new AbortController().signal })) {
    if (step.kind === 'open' && !isPastTold) {
      await tellPast()
      isPastTold = true
    }
    if (step.kind === 'event' && step.event.id > last && (isAll || isWanted(step.event)))
      await tell(step.event)
  }
  return exitCodes.ok
}

function lineOf(event: ClusterEvent, namesTask: boolean): string {
  const who = namesTask && event.taskId !== null ? `task ${event.taskId} ` : ''
  return `${localTime(event.at)}  ${who}${sentenceOf(event)}`
}
