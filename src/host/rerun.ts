/** Tasks once more: a new batch of the same specs on the same targets. */
import { AppError } from '../core/errors.ts'
import { type Actor, mayTouch } from '../core/roles.ts'
import { formatTarget } from '../core/target.ts'
import { type Task, type TaskSpec, taskCan } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Input, Output } from '../protocol/host-api.ts'
import { type AuditTicket, othersWords } from './caller.ts'
import type { Store } from './store/store.ts'
import type { Submits, WantedTask } from './submit.ts'

type RerunResult = Output<'rerunTasks'>
type Refusal = NonNullable<RerunResult['items'][number]['error']>

/** Tasks that are read at a time. */
const tasksPerTurn = 200
/** Different specs of one rerun, all together. */
const specBytes = 64 * 1024 * 1024

export interface RerunDeps {
  store: Store
  submits: Submits
  clock: Clock
}

/**
 * Each is answered for by itself, in the order of the ids. The same submission id again is the same rerun.
 * @throws AppError `too_large`, `store_full`, `conflict` where the submission id was used for another request
 */
export function rerunTasks(
  ids: readonly number[],
  body: Input<'rerunTasks'>['body'],
  caller: Actor & { audit?: AuditTicket },
  deps: RerunDeps,
) {
  const { submits } = deps
  const { submissionId, name } = body
  const { name: owner } = caller
  return submits.once<RerunResult>({ submissionId, owner, key: 'items' }, async () => {
    const { wanted, refused } = await collect(ids, caller, deps)
    return submits.take<RerunResult>(wanted, {
      owner,
      submissionId,
      name,
      mayBeNone: true,
      audit: caller.audit,
      answerOf: ({ batchId, tasks }) => {
        const made = new Map(tasks.map(({ specIndex, taskId, error }) => [specIndex, { taskId, error }]))
        const items = ids.map((id, at) => {
          const { taskId = null, error = refused.get(id) ?? null } = made.get(at) ?? {}
          return { id: String(id), taskId, error }
        })
        return { batchId, items }
      },
    })
  })
}

/** What is to be made again; `specIndex` is the place among the ids. */
async function collect(ids: readonly number[], caller: Actor, { store, clock }: RerunDeps) {
  const wanted: WantedTask[] = []
  const refused = new Map<number, Refusal>()
  const specs = new Map<string, TaskSpec>()
  let bytes = 0
  for (let from = 0; from < ids.length; from += tasksPerTurn) {
    const some = ids.slice(from, from + tasksPerTurn)
    for (const [at, task] of (await store.tasksById(some)).entries()) {
      const id = some[at] ?? 0
      const refusal = refusalOf(id, task, caller)
      if (refusal !== null) refused.set(id, refusal)
      if (task === null || refusal !== null) continue
      // one object for all that are the same, as a submit has it
      const text = JSON.stringify(task.spec)
      const spec = specs.get(text) ?? task.spec
      if (!specs.has(text)) bytes += text.length
      if (bytes > specBytes)
        throw new AppError('too_large', 'these tasks are too large for one rerun: name fewer')
      specs.set(text, spec)
      const { target } = task
      wanted.push({ spec, target, text: formatTarget(target), specIndex: from + at, rerunOf: id })
    }
    await new Promise<void>((resolve) => clock.soon(resolve))
  }
  return { wanted, refused }
}

function refusalOf(id: number, task: Task | null, caller: Actor): Refusal | null {
  if (task === null) return { code: 'not_found', message: `there is no task ${id}` }
  if (!mayTouch(caller, task.owner))
    return { code: 'not_permitted', message: othersWords(caller, task.owner, `run task ${id} again`) }
  if (taskCan('rerun', task.status)) return secretRefusalOf(task, caller.name)
  return { code: 'conflict', message: `cannot run task ${id} again: it has not ended (${task.status})` }
}

/** Secrets are sealed for their owner: whoever else ran the task again would run it with what was never theirs. */
function secretRefusalOf({ id, owner, spec }: Task, caller: string): Refusal | null {
  if (spec.sealed === undefined || owner === caller) return null
  const message = `cannot run task ${id} again: it has secrets of ${owner}, and only ${owner} may start it`
  return { code: 'not_permitted', message }
}
