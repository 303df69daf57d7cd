/** What became of many tasks, to be told. */
import type { KillOutcome, RerunOutcome } from '../../../../src/protocol/schemas.ts'
import { countOf } from '../../ui/format.ts'
import { type Split, tellLeftOut } from './selection.ts'

export interface Outcome {
  title: string
  /** What was done, in a sentence. */
  done: string
  /** The new batch of a rerun. */
  batchId: string | null
  refused: { id: string; why: string }[]
  /** Those for which it was done; `becomes`: the new task. */
  asked: { id: string; becomes: string | null }[]
  /** What was not asked at all; empty: nothing. */
  leftOut: string
}

export function outcomeOfKill(items: readonly KillOutcome[], split: Split): Outcome {
  const asked = items.filter(({ isAsked }) => isAsked)
  const gone = asked.filter(({ status }) => status === 'killed').length
  const still = asked.length - gone
  const parts = [
    ...(gone > 0 ? [`${countOf(gone, 'task')} ${gone === 1 ? 'is' : 'are'} killed.`] : []),
    ...(still > 0
      ? [
          `The end of ${countOf(still, 'task')} is asked for: killing until nothing of ${still === 1 ? 'it' : 'them'} is left.`,
        ]
      : []),
  ]
  return {
    title: 'Kill',
    done: parts.length === 0 ? 'Nothing was killed.' : parts.join(' '),
    batchId: null,
    refused: items.flatMap(({ id, isAsked, message }) => (isAsked ? [] : { id, why: message ?? 'refused' })),
    asked: asked.map(({ id }) => ({ id, becomes: null })),
    leftOut: tellLeftOut('kill', split),
  }
}

export function outcomeOfRerun(
  { batchId, items }: { batchId: string | null; items: readonly RerunOutcome[] },
  split: Split,
): Outcome {
  const made = items.filter(({ taskId }) => taskId !== null)
  return {
    title: 'Run again',
    done: made.length === 0 ? 'Nothing was submitted.' : `${countOf(made.length, 'task')} submitted again.`,
    batchId,
    refused: items.flatMap(({ id, taskId, error }) =>
      taskId === null ? { id, why: error?.message ?? 'refused' } : [],
    ),
    asked: made.map(({ id, taskId }) => ({ id, becomes: taskId })),
    leftOut: tellLeftOut('rerun', split),
  }
}
