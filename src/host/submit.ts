/** One submit: checks every spec, answers for each spec and target by itself, and takes in what can run. */
import { checkCarriable } from '../core/carry.ts'
import { AppError } from '../core/errors.ts'
import { Refusals } from '../core/refusals.ts'
import { parseTarget, type Target } from '../core/target.ts'
import type { TaskSpec } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import { limits } from '../protocol/limits.ts'
import type { SpecInput, SubmitBody, SubmitResult } from '../protocol/schemas.ts'
import type { Cluster } from './cluster.ts'
import type { Store } from './store/store.ts'

type Outcome = SubmitResult['tasks'][number]

export class Submits {
  private readonly cluster: Cluster
  private readonly store: Store
  private readonly clock: Clock
  /** Submits under way, by the id that their client made: the same again waits for the same answer. */
  private readonly open = new Map<string, Promise<SubmitResult>>()

  constructor(cluster: Cluster, store: Store, clock: Clock) {
    this.cluster = cluster
    this.store = store
    this.clock = clock
  }

  /** @throws AppError `invalid_request`, `too_large`, `unsatisfiable` where nothing could be taken, `store_full` */
  async submit(body: SubmitBody): Promise<SubmitResult> {
    const { submissionId } = body
    if (submissionId === undefined) return this.take(body)
    const underWay = this.open.get(submissionId)
    if (underWay !== undefined) return underWay
    const answer = this.takeOnce(body, submissionId)
    this.open.set(submissionId, answer)
    try {
      return await answer
    } finally {
      this.open.delete(submissionId)
    }
  }

  private async takeOnce(body: SubmitBody, submissionId: string): Promise<SubmitResult> {
    const known = await this.store.batchBySubmission(submissionId)
    // our own words from an earlier commit
    return known === null ? this.take(body) : (JSON.parse(known.answer) as SubmitResult)
  }

  private async take(body: SubmitBody): Promise<SubmitResult> {
    const { specs, targets } = checkedBody(body)
    const { queue, ledger } = this.cluster
    const refusals = new Refusals({ queue, ledger, place: () => this.cluster.schedule() })
    const batchId = this.cluster.newId()
    const submittedAtMs = this.clock.now()
    const taskIds: number[] = []
    const outcomes: Outcome[] = []
    for (const [specIndex, spec] of specs.entries()) {
      for (const { text, target } of targets) {
        const refusal = refusals.of(spec, target)
        if (refusal === null) {
          const id = this.cluster.newId()
          // at once: a later one that may not queue must find the place taken
          this.cluster.add({ id, batchId, spec, target, submittedAtMs, attempt: 0, status: 'pending' })
          taskIds.push(id)
          outcomes.push({ target: text, specIndex, taskId: String(id), error: null })
        } else {
          outcomes.push({
            target: text,
            specIndex,
            taskId: null,
            error: { code: 'unsatisfiable', message: refusal },
          })
        }
      }
    }
    const isWhole = taskIds.length === outcomes.length
    if (taskIds.length === 0) throw noneMade(outcomes)
    if (body.allOrNothing === true && !isWhole) {
      this.cluster.withdraw(taskIds)
      throw noneMade(outcomes)
    }
    const result: SubmitResult = { batchId: String(batchId), tasks: outcomes }
    const { submissionId = null, name = null } = body
    await this.cluster.submit(
      { id: batchId, submissionId, name, submittedAtMs, answer: JSON.stringify(result) },
      taskIds,
    )
    return result
  }
}

/** A submit's specs and targets: a task for each of them with each. @throws AppError `invalid_request`, `too_large` */
export function checkedBody(body: SubmitBody): {
  specs: TaskSpec[]
  targets: { text: string; target: Target }[]
} {
  const specs = body.specs.map(specOf)
  for (const spec of specs) checkCarriable(spec)
  const targets = (body.targets ?? ['any']).map((text) => ({ text, target: parseTarget(text) }))
  if (specs.length * targets.length > limits.tasksPerBatch) {
    throw new AppError(
      'too_large',
      `this submit would make ${specs.length * targets.length} tasks: send at most ${limits.tasksPerBatch} at a time`,
    )
  }
  return { specs, targets }
}

function specOf(input: SpecInput): TaskSpec {
  return {
    command: input.command,
    arguments: input.arguments ?? [],
    env: input.env ?? {},
    cwd: input.cwd ?? null,
    name: input.name ?? null,
    cores: input.cores ?? 1,
    memoryBytes: input.memoryBytes ?? null,
    timeoutMs: input.timeoutMs ?? null,
    privateNetwork: input.privateNetwork ?? false,
    privatePids: input.privatePids ?? false,
    queue: input.queue ?? true,
    ...(input.requeue ? { requeue: input.requeue } : {}),
  }
}

/** Why nothing was made: nothing could be, or not all could and all was asked for. */
function noneMade(outcomes: readonly Outcome[]): AppError {
  const refused = outcomes.filter(({ taskId }) => taskId === null)
  const reasons = [...new Set(refused.map(({ error }) => error?.message ?? ''))]
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more reasons)` : ''
  const rest = refused.length === outcomes.length ? '' : `${refused.length} of ${outcomes.length} refused: `
  const why = `${rest}${reasons[0] ?? 'there is no target'}${more}`
  return new AppError('unsatisfiable', `no task was made: ${why}`, {
    details: { tasks: outcomes.map((outcome) => (outcome.taskId === null ? outcome : unmade(outcome))) },
  })
}

export const unmadeReason = 'could be made, but all or nothing was asked for'

/** One that could have been made. */
function unmade({ target, specIndex }: Outcome): Outcome {
  return { target, specIndex, taskId: null, error: { code: 'unsatisfiable', message: unmadeReason } }
}
