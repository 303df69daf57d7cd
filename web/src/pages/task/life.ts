/** A task's life as a line of stretches, and in sentences. */
import { type FinalStatus, isFinal, type Status } from '../../../../src/core/task.ts'
import type { ClusterEvent, TaskView } from '../../../../src/protocol/schemas.ts'
import { looks, type Tone } from '../../ui/states.ts'

/** From one event to the next; the last one goes on until now where the task does. */
export interface Stretch {
  /** What it was in meanwhile. */
  status: Status
  tone: Tone
  /** "waited", "ran"; "runs" while it does. */
  word: string
  fromMs: number
  toMs: number
}

/** The wait for one start, and what became of that start. */
export interface AttemptLife {
  number: number
  node: string | null
  stretches: Stretch[]
}

const words: Record<Exclude<Status, FinalStatus>, { past: string; now: string }> = {
  pending: { past: 'waited', now: 'waits' },
  assigning: { past: 'started in', now: 'is being started' },
  running: { past: 'ran', now: 'runs' },
  unreachable: { past: 'unreachable', now: 'unreachable' },
  killing: { past: 'took to end', now: 'is being killed' },
}

type Lived = Pick<TaskView, 'startedAt' | 'endedAt'>

/**
 * The life of a task by its attempts, oldest first; the last goes on until `nowMs`. What the task itself says of its
 * last start and its end holds over when the host was told.
 */
export function livesOf(task: Lived, events: readonly ClusterEvent[], nowMs: number): AttemptLife[] {
  const lives: AttemptLife[] = []
  for (const [at, { status, attempt, node, at: instant }] of events.entries()) {
    if (status === null || isFinal(status)) continue
    // who waits waits for the start that comes next
    const number = (attempt ?? 0) + (status === 'pending' ? 1 : 0)
    let life = lives.at(-1)
    if (life === undefined || life.number < number) {
      life = { number, node: null, stretches: [] }
      lives.push(life)
    }
    if (status !== 'pending') life.node ??= node
    const fromMs = Date.parse(instant)
    const next = events[at + 1]
    const toMs = Math.max(fromMs, next === undefined ? nowMs : Date.parse(next.at))
    const last = life.stretches.at(-1)
    if (last?.status === status) last.toMs = Math.max(last.toMs, toMs)
    else life.stretches.push({ status, tone: looks[status].tone, word: words[status].past, fromMs, toMs })
  }
  const life = lives.at(-1)
  if (life !== undefined) correct(life.stretches, task)
  for (const { stretches } of lives) dropEmpty(stretches)
  const current = life?.stretches.at(-1)
  if (current !== undefined && task.endedAt === null && !isFinal(current.status))
    current.word = words[current.status].now
  return lives
}

/** Moves the start and the end of the last attempt to where they were. */
function correct(stretches: Stretch[], { startedAt, endedAt }: Lived): void {
  const at = stretches.findIndex(({ status }) => status === 'running')
  const running = stretches[at]
  const before = stretches[at - 1]
  if (startedAt !== null && running !== undefined) {
    const startMs = Date.parse(startedAt)
    running.fromMs = Math.max(before?.fromMs ?? startMs, Math.min(running.toMs, startMs))
    running.toMs = Math.max(running.toMs, running.fromMs)
    if (before !== undefined) before.toMs = running.fromMs
  }
  const last = stretches.at(-1)
  if (endedAt !== null && last !== undefined) last.toMs = Math.max(last.fromMs, Date.parse(endedAt))
}

/** What took no time is not worth a word, but where there is nothing else. */
function dropEmpty(stretches: Stretch[]): void {
  for (let at = stretches.length - 1; at >= 0 && stretches.length > 1; at -= 1) {
    const stretch = stretches[at]
    if (stretch !== undefined && stretch.toMs - stretch.fromMs < 1) stretches.splice(at, 1)
  }
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

/** What exit codes say by custom of shells. */
const customs: Record<number, string> = {
  126: 'Exit code 126 often says that the program may not be executed.',
  127: 'Exit code 127 often says that there is no such program on the node, or not in its PATH.',
  137: 'Exit code 137 often says that a process of it was killed, perhaps for lack of memory.',
}

type Advised = Pick<TaskView, 'status' | 'target' | 'requeue' | 'startedAt' | 'exitCode' | 'stuck'>

/** What helps a task that waits, failed, or cannot be heard, where that can be said. */
export function adviceOf(task: Advised): string | null {
  switch (task.status) {
    case 'pending':
      return task.target === 'any'
        ? 'It starts by itself as soon as a node can take it.'
        : 'It starts by itself as soon as that changes. Cloned for any node, it may start sooner.'
    case 'killing':
      return task.stuck === null
        ? 'It was asked to end; what does not is made to after a while.'
        : 'Nobody can end this from here: look at the node.'
    case 'unreachable':
      return 'It goes on if its node does. When the node is back, this page says what became of it.'
    case 'killed_oom':
      return 'Clone it with more memory, or make it need less.'
    case 'timed_out':
      return 'Clone it with a longer time limit, or none.'
    case 'failed':
      if (task.startedAt === null) return 'It was never started: mend what the reason names, and clone it.'
      return customs[task.exitCode ?? 0] ?? 'Its log says more, stderr first.'
    case 'lost':
      return task.requeue > 0
        ? null
        : 'Run it again; with --requeue it is started again by itself where a node is lost.'
    default:
      return null
  }
}
