/** The user of a simulated cluster: submits and kills, asks again when no answer comes, and keeps what was promised. */
import { AppError } from '../../src/core/errors.ts'
import { isFinal } from '../../src/core/task.ts'
import type { SubmitBody, SubmitResult } from '../../src/protocol/schemas.ts'
import { type Behaviour, wordsOf } from './machine.ts'
import type { Chance } from './timeline.ts'
import type { World } from './world.ts'

const caller = { name: 'user', role: 'admin', via: 'open', token: null } as const
/** An answer that does not come by then is not waited for. */
const patienceMs = 6_000
const againMs = 400

type Answer<T> = { ok: T } | { error: AppError } | { silence: true }

export class SimClient {
  /** Submits that are not answered for certain yet. */
  open = 0
  refused = 0
  private readonly world: World
  private readonly chance: Chance
  private readonly requeues: Chance

  constructor(world: World) {
    this.world = world
    this.chance = world.chanceOf('client')
    this.requeues = world.chanceOf('requeue')
  }

  /** Submits so many tasks within a time, one to a few at once, and kills some of them. */
  work(tasks: number, withinMs: number): void {
    let left = tasks
    let number = 0
    while (left > 0) {
      const size = Math.min(left, 1 + this.chance.below(6))
      left -= size
      number += 1
      const killDelays = Array.from({ length: size }, () =>
        this.chance.is(0.15) ? this.chance.between(0, 30_000) : null,
      )
      const body = this.bodyOf(`submit-${number}`, killDelays)
      this.open += 1
      this.world.timeline.after(this.chance.between(0, withinMs), () => this.submit(body, killDelays))
    }
  }

  private submit(body: SubmitBody, killDelays: readonly (number | null)[]): void {
    this.ask(
      (handlers) => handlers.submitBatch({ body, params: {}, query: {} } as never, caller),
      (answer: Answer<SubmitResult>) => {
        if ('ok' in answer) {
          this.open -= 1
          this.accepted(answer.ok, body, killDelays)
        } else if ('error' in answer && answer.error.code === 'unsatisfiable') {
          this.open -= 1
          this.refused += 1
        } else this.again(() => this.submit(body, killDelays))
      },
    )
  }

  private accepted(
    { batchId, tasks }: SubmitResult,
    { submissionId = '' }: SubmitBody,
    killDelays: readonly (number | null)[],
  ): void {
    const { checker, timeline } = this.world
    const kept = checker.batches.get(submissionId)
    checker.expect(
      'I3',
      kept === Number(batchId),
      `${submissionId} was answered as ${batchId}, and kept as ${kept}`,
    )
    for (const [at, { taskId }] of tasks.entries()) {
      if (taskId === null) continue
      const id = Number(taskId)
      checker.accept(id)
      const delayMs = killDelays[at] ?? null
      if (delayMs !== null) timeline.after(delayMs, () => this.kill(taskId))
    }
  }

  private kill(id: string): void {
    const { checker } = this.world
    this.ask(
      (handlers) => handlers.killTask({ params: { id }, body: {}, query: {} } as never, caller),
      (answer) => {
        const status = checker.tasks.get(Number(id))?.status
        if ('ok' in answer)
          checker.expect(
            'I10',
            status === 'killing' || (status !== undefined && isFinal(status)),
            `the kill of ${id} was answered, and it is ${status}`,
          )
        else if ('error' in answer && answer.error.code === 'conflict')
          checker.expect(
            'I10',
            status !== undefined && isFinal(status),
            `the kill of ${id} was refused, and it is ${status}`,
          )
        else this.again(() => this.kill(id))
      },
    )
  }

  private again(action: () => void): void {
    this.world.timeline.after(this.chance.between(againMs / 2, againMs * 2), action)
  }

  /** A request and its answer, either of which may be lost. */
  private ask<T>(
    call: (handlers: NonNullable<World['api']>['handlers']) => Promise<T>,
    take: (answer: Answer<T>) => void,
  ): void {
    const { timeline } = this.world
    let isOver = false
    const answered = (answer: Answer<T>) => {
      if (isOver) return
      isOver = true
      take(answer)
    }
    timeline.after(patienceMs, () => answered({ silence: true }))
    timeline.after(this.chance.between(0.1, 3), () => {
      const { api } = this.world
      if (api === null) return answered({ silence: true })
      const isLost = this.chance.is(0.02)
      const back = (answer: Answer<T>) => {
        if (isLost) return
        api.life.after(0, () => timeline.after(this.chance.between(0.1, 3), () => answered(answer)))
      }
      api.life.run(() => {
        call(api.handlers).then(
          (ok) => back({ ok }),
          (error: unknown) => {
            if (!(error instanceof AppError)) throw error
            back({ error })
          },
        )
      })
    })
  }

  private bodyOf(submissionId: string, killDelays: readonly (number | null)[]): SubmitBody {
    const { chance, world } = this
    const number = 1 + chance.below(world.nodes.length)
    const numa = number % 2 === 0 && chance.is(0.4) ? `:${chance.below(2)}` : ''
    const target = chance.is(0.5) ? 'any' : `node${number}${numa}`
    return {
      submissionId,
      targets: [target],
      specs: killDelays.map((killDelay) => ({
        command: 'simulated',
        arguments: wordsOf(this.behaviour(killDelay !== null)),
        cores: 1 + chance.below(4),
        memoryBytes: chance.is(0.5) ? Math.floor(chance.between(1, 4)) * 1024 ** 3 : null,
        timeoutMs: chance.is(0.1) ? Math.floor(chance.between(100, 8_000)) : null,
        requeue: this.requeues.is(0.4) ? 1 + this.requeues.below(3) : 0,
      })),
    }
  }

  private behaviour(isKilled: boolean): Behaviour {
    const { chance } = this
    const isLong = chance.is(0.1)
    // nothing but the kill ends it
    const isEndless = isKilled && chance.is(0.4)
    const kind = chance.next()
    return {
      durationMs: isEndless
        ? 1e9
        : Math.floor(isLong ? chance.between(1_000, 40_000) : chance.between(0, 1_500)),
      exitCode: chance.is(0.7) ? 0 : 1 + chance.below(255),
      isStubborn: chance.is(0.05),
      end: kind < 0.9 ? 'exit' : kind < 0.94 ? 'signal' : kind < 0.97 ? 'oom' : 'launch_failed',
    }
  }
}
