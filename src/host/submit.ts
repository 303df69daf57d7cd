/** One submit: checks every spec, answers for each spec and target by itself, and takes in what can run. */
import { checkCarriable } from '../core/carry.ts'
import { AppError } from '../core/errors.ts'
import { Refusals } from '../core/refusals.ts'
import { parseTarget, type Target } from '../core/target.ts'
import type { TaskSpec } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import { caps, limits } from '../protocol/limits.ts'
import type { SpecInput, SubmitBody, SubmitResult } from '../protocol/schemas.ts'
import type { BacklogCaps } from './backlog.ts'
import type { AuditTicket } from './caller.ts'
import type { Cluster } from './cluster.ts'
import { SecretSets, secretsOf } from './secrets.ts'
import type { SealedSet, Store } from './store/store.ts'
import type { Vault } from './vault.ts'

type Outcome = SubmitResult['tasks'][number]

/** One task to make. */
export interface WantedTask {
  spec: TaskSpec
  target: Target
  /** The target as it was asked for; that and the index come back in its outcome. */
  text: string
  specIndex: number
  /** The task that it runs again. */
  rerunOf?: number
}

/** What tasks are made for. */
export interface SubmitOptions<T> {
  /** The user whose tasks they are. */
  owner: string
  /** Left out: a new one. */
  batchId?: number
  /** The secrets that its tasks refer to; left out: none. */
  sealed?: readonly SealedSet[]
  submissionId?: string | undefined
  name?: string | null | undefined
  allOrNothing?: boolean | undefined
  /** Where nothing could be taken, that is answered, without a batch, in place of an error. */
  mayBeNone?: boolean
  /** Where its row of the log of who did what comes from; left out: there is none. */
  audit?: AuditTicket | undefined
  /** The answer, also to the same submission id later: one JSON value. */
  answerOf: (result: SubmitResult) => T
}

export class Submits {
  private readonly cluster: Cluster
  private readonly store: Store
  private readonly clock: Clock
  private readonly vault: Vault
  /** Submits under way, by the id that their client made: the same again waits for the same answer. */
  private readonly open = new Map<string, { owner: string; answer: Promise<unknown> }>()

  private readonly bounds: BacklogCaps

  constructor(cluster: Cluster, store: Store, clock: Clock, vault: Vault, bounds: BacklogCaps = caps) {
    this.cluster = cluster
    this.store = store
    this.clock = clock
    this.vault = vault
    this.bounds = bounds
  }

  /** @throws AppError `invalid_request`, `too_large`, `unsatisfiable` where nothing could be taken, `store_full` */
  submit(body: SubmitBody, owner: string, audit?: AuditTicket): Promise<SubmitResult> {
    const { submissionId, name, allOrNothing } = body
    const answerOf = (result: SubmitResult) => result
    return this.once({ submissionId, owner, key: 'tasks' }, async () => {
      const batchId = this.cluster.newId()
      const sets = new SecretSets(batchId)
      const wanted = wantedTasks(body, sets)
      const sealed = sets.seal(owner, this.vault)
      return this.take(wanted, { batchId, owner, submissionId, name, allOrNothing, sealed, audit, answerOf })
    })
  }

  /**
   * The same submission id again gets the answer of the first time; `key` is in every answer of this kind.
   * @throws AppError `conflict` where the id was used for something else, or by another user
   */
  async once<T extends object>(
    { submissionId, owner, key }: { submissionId: string | undefined; owner: string; key: keyof T & string },
    make: () => Promise<T>,
  ): Promise<T> {
    if (submissionId === undefined) return make()
    const open = this.open.get(submissionId)
    if (open !== undefined && open.owner !== owner) throw usedByAnother(submissionId)
    const answer = open?.answer ?? this.knownOr(submissionId, owner, make)
    if (open === undefined) this.open.set(submissionId, { owner, answer })
    try {
      const given = (await answer) as T // our own words, of now or from an earlier commit
      if (key in given) return given
      throw new AppError('conflict', `the submission id ${submissionId} was used for another kind of request`)
    } finally {
      if (open === undefined) this.open.delete(submissionId)
    }
  }

  private async knownOr(submissionId: string, owner: string, make: () => Promise<unknown>): Promise<unknown> {
    const known = await this.store.batchBySubmission(submissionId)
    if (known === null) return make()
    if (known.owner !== owner) throw usedByAnother(submissionId)
    return JSON.parse(known.answer)
  }

  /**
   * Makes one batch of what can be taken, in one turn, and answers when it is on disk.
   * @throws AppError `unsatisfiable` where nothing could be taken, `store_full`; `too_large` and `too_many` where it
   * is more than the host keeps
   */
  async take<T>(wanted: readonly WantedTask[], options: SubmitOptions<T>): Promise<T> {
    const { queue, ledger, backlog } = this.cluster
    backlog.refuseBeyond(this.bounds, options.owner, wanted)
    const refusals = new Refusals({ queue, ledger, place: () => this.cluster.schedule() })
    const { batchId = this.cluster.newId() } = options
    const submittedAtMs = this.clock.now()
    const { owner } = options
    const common = { batchId, owner, submittedAtMs, attempt: 0, status: 'pending' } as const
    const taskIds: number[] = []
    const outcomes: Outcome[] = []
    for (const { spec, target, text, specIndex, rerunOf } of wanted) {
      const refusal = refusals.of(spec, target)
      if (refusal !== null) {
        const error = { code: 'unsatisfiable', message: refusal }
        outcomes.push({ target: text, specIndex, taskId: null, error })
        continue
      }
      const id = this.cluster.newId()
      const origin = rerunOf === undefined ? {} : { rerunOf }
      // at once: a later one that may not queue must find the place taken
      this.cluster.add({ ...common, id, spec, target, ...origin })
      taskIds.push(id)
      outcomes.push({ target: text, specIndex, taskId: String(id), error: null })
    }
    const isWhole = taskIds.length === outcomes.length
    if (taskIds.length === 0) {
      if (options.mayBeNone === true) return options.answerOf({ batchId: null, tasks: outcomes })
      throw noneMade(outcomes)
    }
    if (options.allOrNothing === true && !isWhole) {
      this.cluster.withdraw(taskIds)
      throw noneMade(outcomes)
    }
    const answer = options.answerOf({ batchId: String(batchId), tasks: outcomes })
    const { submissionId = null, name = null, sealed = [], audit } = options
    await this.cluster.submit(
      { id: batchId, owner, submissionId, name, submittedAtMs, answer: JSON.stringify(answer), sealed },
      taskIds,
      audit?.entryFor(answer) ?? null,
    )
    audit?.written()
    return answer
  }
}

/**
 * Every spec of a submit on every target.
 * @param sets takes the secrets in
 * @throws AppError `invalid_request`, `too_large`
 */
export function wantedTasks(body: SubmitBody, sets: SecretSets): WantedTask[] {
  const specs = body.specs.map((input) => {
    const spec = specOf(input)
    const secrets = secretsOf(body, input)
    checkCarriable(spec, secrets)
    const sealed = sets.refOf(secrets)
    return sealed === null ? spec : { ...spec, sealed }
  })
  const targets = (body.targets ?? ['any']).map((text) => ({ text, target: parseTarget(text) }))
  if (specs.length * targets.length > limits.tasksPerBatch) {
    throw new AppError(
      'too_large',
      `this submit would make ${specs.length * targets.length} tasks: send at most ${limits.tasksPerBatch} at a time`,
    )
  }
  return specs.flatMap((spec, specIndex) => targets.map((target) => ({ spec, specIndex, ...target })))
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

/** What another has submitted is not told. */
function usedByAnother(submissionId: string): AppError {
  return new AppError(
    'conflict',
    `the submission id ${submissionId} was used by another user: send another one`,
  )
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
