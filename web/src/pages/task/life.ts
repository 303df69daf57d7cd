/** A task's life as a line of stretches, and in sentences. */
import { isFinal, type Status } from '../../../../src/core/task.ts'
import type { ClusterEvent, TaskView } from '../../../../src/protocol/schemas.ts'
import type { Tone } from '../../ui/states.ts'
import { looks } from '../../ui/states.ts'

/** From one event to the next; the last one goes on until now where the task does. */
export interface Stretch {
  /** What it was in meanwhile. */
  status: Status
  tone: Tone
  /** "waited", "started", "ran". */
  word: string
  attempt: number
  fromMs: number
  toMs: number
}

const words: Partial<Record<Status, string>> = {
  pending: 'waited',
  assigning: 'being started',
  running: 'ran',
  unreachable: 'unreachable',
  killing: 'being killed',
}

/** The stretches of a life, oldest first; those in one status that follow each other are one. */
export function stretchesOf(events: readonly ClusterEvent[], nowMs: number): Stretch[] {
  const stretches: Stretch[] = []
  for (const [at, event] of events.entries()) {
    const { status } = event
    if (status === null || isFinal(status)) continue
    const fromMs = Date.parse(event.at)
    const next = events[at + 1]
    const toMs = Math.max(fromMs, next === undefined ? nowMs : Date.parse(next.at))
    const last = stretches.at(-1)
    const attempt = event.attempt ?? 0
    if (last !== undefined && last.status === status && last.attempt === attempt) last.toMs = toMs
    else
      stretches.push({
        status,
        tone: looks[status].tone,
        word: words[status] ?? status,
        attempt,
        fromMs,
        toMs,
      })
  }
  return stretches
}

/** One start of a task. */
export interface Attempt {
  number: number
  node: string | null
  startedAt: string | null
  endedAt: string | null
  /** How it ended; null: it goes on. */
  end: string | null
}

/** Each start of the task, oldest first. */
export function attemptsOf(events: readonly ClusterEvent[]): Attempt[] {
  const attempts = new Map<number, Attempt>()
  for (const { attempt: number, type, node, at, status, reason } of events) {
    if (number === null || number === 0) continue
    const attempt = attempts.get(number) ?? { number, node, startedAt: null, endedAt: null, end: null }
    attempt.node ??= node
    if (type === 'started') attempt.startedAt ??= at
    const hasEnded = type === 'requeued' || (status !== null && isFinal(status))
    if (hasEnded) {
      attempt.endedAt = at
      attempt.end = reason ?? (status === null ? type : looks[status].word)
    }
    attempts.set(number, attempt)
  }
  return [...attempts.values()]
}

/** What helps a task that waits, failed, or cannot be heard, where that can be said. */
export function adviceOf(
  task: Pick<TaskView, 'status' | 'memoryBytes' | 'timeoutMs' | 'requeue' | 'startedAt'>,
): string | null {
  switch (task.status) {
    case 'unreachable':
      return 'It goes on if its node does. When the node is back, this page says what became of it.'
    case 'killed_oom':
      return 'Clone it with more memory, or make it need less.'
    case 'timed_out':
      return 'Clone it with a longer time limit, or none.'
    case 'failed':
      return task.startedAt === null
        ? 'It was never started: mend what the reason names, and clone it.'
        : 'Its log says more, stderr first.'
    case 'lost':
      return task.requeue > 0
        ? null
        : 'Run it again; with --requeue it is started again by itself where a node is lost.'
    default:
      return null
  }
}
