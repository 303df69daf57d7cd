/** What a submit refuses, task by task. The submit and its preview ask the same. */
import type { Ledger } from './capacity.ts'
import type { Needs } from './free-index.ts'
import { type PendingQueue, shapeOf } from './pending.ts'
import { formatTarget, type Target } from './target.ts'
import { busyReason, refuseReason, type TaskName } from './waiting.ts'

/** What a refusal depends on. Every `TaskSpec` is one. */
export interface Asked extends Needs {
  /** false: refused where it would have to wait. */
  readonly queue: boolean
}

export interface RefusalsOptions {
  queue: PendingQueue
  ledger: Ledger
  /** Places what was let in before: that goes first. */
  place: () => void
  nameOf?: TaskName
}

/** One submit's answers. What was refused once in it is not looked at again: meanwhile nothing becomes free. */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #never = new Map<string, string | null>()
  readonly #busy = new Map<string, string>()

  constructor(options: RefusalsOptions) {
    this.#options = options
  }

  /** Why this task is refused; null where it is taken in. @param wish `wishOf` the two */
  of(spec: Asked, target: Target, wish = wishOf(spec, target)): string | null {
    const never = this.#neverOf(spec, target, wish)
    if (never !== null || spec.queue) return never
    const known = this.#busy.get(wish)
    if (known !== undefined) return known
    const { queue, ledger, place, nameOf } = this.#options
    place()
    const busy = busyReason(spec, target, queue, ledger, nameOf)
    if (busy !== null) this.#busy.set(wish, busy)
    return busy
  }

  #neverOf(spec: Asked, target: Target, wish: string): string | null {
    let never = this.#never.get(wish)
    if (never === undefined) {
      never = refuseReason(spec, target, this.#options.ledger)
      this.#never.set(wish, never)
    }
    return never
  }
}

/** Target and needs, as a key: at one moment the answers to one wish differ only in who is before it. */
export function wishOf(spec: Needs, target: Target): string {
  return `${formatTarget(target)} ${shapeOf(spec)}`
}
