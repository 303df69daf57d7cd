/** What a submit would do at this moment: its tasks go through the same passes as others, in a trial. */
import type { Ledger } from './capacity.ts'
import type { PendingQueue, PendingTask } from './pending.ts'
import { schedulePass } from './placement.ts'
import { type Asked, Refusals, wishOf } from './refusals.ts'
import type { Placement, Target } from './target.ts'
import { trial } from './trial.ts'
import { explainWait } from './waiting.ts'

/** A task that may be submitted. */
export interface Candidate {
  readonly spec: Asked
  readonly target: Target
}

/** What would become of one. */
export type Foreseen =
  | { outcome: 'starts'; placement: Placement }
  | { outcome: 'waits'; reason: string }
  | { outcome: 'refused'; reason: string }

export interface Preview {
  /** The first so many were looked at; not all only where that would take too long. */
  looked: number
  starts: number
  waits: number
  refused: number
  /** The first of them. */
  items: Foreseen[]
  /** The first that is refused; null: none. */
  firstRefused: { index: number; reason: string } | null
}

export interface PreviewOptions {
  /** Placements in one pass, as the submit would have it. */
  perPass: number
  /** So many are told of one by one. */
  described: number
  /** Placements, of these and of tasks that are about to be placed; left out: as many as take about 50 ms. */
  mostPlaced?: number
}

/** Nodes, and buckets of the queue, that are looked at one after the other: about 30 ms. */
const effortLimit = 100_000
const mostPlacedByDefault = 5_000
/** Above the ids of all tasks. */
const firstTrialId = Number.MAX_SAFE_INTEGER - 1_000_000

/**
 * Tries candidates in their order. Nothing is changed. In its reasons a candidate is called "task 3 of this submit".
 */
export function previewSubmit(
  candidates: Iterable<Candidate>,
  queue: PendingQueue,
  ledger: Ledger,
  options: PreviewOptions,
): Preview {
  return trial(queue, ledger, () => new PreviewRun(queue, ledger, options).run(candidates))
}

/** A candidate that was taken in, or why it was not. */
type Answer = { task: PendingTask; wish: string } | { refusal: string }

class PreviewRun {
  readonly #queue: PendingQueue
  readonly #ledger: Ledger
  readonly #options: Required<PreviewOptions>
  readonly #refusals: Refusals
  readonly #answers: Answer[] = []
  readonly #wishes = new Set<string>()
  /** Why tasks for any node wait, by their wish. */
  readonly #reasons = new Map<string, string>()
  #effort = 0
  #placed = 0

  constructor(queue: PendingQueue, ledger: Ledger, options: PreviewOptions) {
    this.#queue = queue
    this.#ledger = ledger
    this.#options = { mostPlaced: mostPlacedByDefault, ...options }
    this.#refusals = new Refusals({ queue, ledger, place: () => this.#pass(), nameOf })
  }

  run(candidates: Iterable<Candidate>): Preview {
    for (const candidate of candidates) {
      if (this.#effort > effortLimit || this.#isTired()) break
      this.#answers.push(this.#answer(candidate))
    }
    while (!this.#isTired() && this.#pass()) {
      // until all that can go has gone
    }
    this.#forgetUndecided()
    const preview: Preview = {
      looked: this.#answers.length,
      starts: 0,
      waits: 0,
      refused: 0,
      items: [],
      firstRefused: null,
    }
    for (const [index, answer] of this.#answers.entries()) this.#tell(preview, index, answer)
    return preview
  }

  #answer({ spec, target }: Candidate): Answer {
    const wish = wishOf(spec, target)
    this.#effort += this.#effortOf(spec, target, wish)
    const refusal = this.#refusals.of(spec, target, wish)
    if (refusal !== null) return { refusal }
    const task = { id: firstTrialId + this.#answers.length, target, spec }
    this.#queue.add(task)
    return { task, wish }
  }

  /** What is looked at one by one for it, here or in the pass. */
  #effortOf(spec: Asked, target: Target, wish: string): number {
    const isNew = !this.#wishes.has(wish)
    this.#wishes.add(wish)
    const forPass = spec.queue ? 0 : this.#queue.kinds
    if (!isNew) return forPass
    if (target.kind === 'any') return forPass + 2 * (this.#ledger.size + this.#queue.kinds)
    return forPass + (this.#ledger.nodeOf(target.node) === null ? this.#ledger.size : 1)
  }

  #isTired(): boolean {
    return this.#placed >= this.#options.mostPlaced
  }

  /**
   * The passes look at older tasks first: where they were broken off, all from the first that is awake on are left to
   * be looked at. Where that is one of the others, ours wait for it, and that is told.
   */
  #forgetUndecided(): void {
    const next = this.#queue.nextAwake()?.tasks.first()?.id ?? 0
    if (next >= firstTrialId) this.#answers.length = next - firstTrialId
  }

  /** One pass; true where it may have left something that can go. */
  #pass(): boolean {
    const { perPass } = this.#options
    const { length } = schedulePass(this.#queue, this.#ledger, perPass)
    this.#placed += length
    return length === perPass
  }

  #tell(preview: Preview, index: number, answer: Answer): void {
    const isDescribed = index < this.#options.described
    if ('refusal' in answer) {
      const { refusal } = answer
      preview.refused += 1
      preview.firstRefused ??= { index, reason: refusal }
      if (isDescribed) preview.items.push({ outcome: 'refused', reason: refusal })
      return
    }
    const hold = this.#ledger.holdOf(answer.task.id)
    if (hold === null) {
      preview.waits += 1
      if (isDescribed) preview.items.push({ outcome: 'waits', reason: this.#whyWaits(answer) })
      return
    }
    preview.starts += 1
    if (isDescribed) preview.items.push({ outcome: 'starts', placement: hold.placement })
  }

  #whyWaits({ task, wish }: { task: PendingTask; wish: string }): string {
    const isSameForAll = task.target.kind === 'any' && this.#queue.kept?.taskId !== task.id
    const known = isSameForAll ? this.#reasons.get(wish) : undefined
    if (known !== undefined) return known
    const reason = explainWait(task, this.#queue, this.#ledger, nameOf)
    if (isSameForAll) this.#reasons.set(wish, reason)
    return reason
  }
}

function nameOf(taskId: number): string {
  return taskId < firstTrialId ? `task ${taskId}` : `task ${taskId - firstTrialId + 1} of this submit`
}
