import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exit, identity, pending, spec } from './builders.suite.ts'
import { eventOf, placedAt, taskIn } from './task.suite.ts'
import {
  type ExitCause,
  type FinalStatus,
  isFinal,
  isFinalTask,
  isHeld,
  isHeldTask,
  type Status,
  statuses,
  type Task,
  type TaskEvent,
  type TaskEventType,
  taskCan,
  transition,
} from './task.ts'

/** The status after the event; null: ignored; '!': nobody may ask that. */
type Outcome = Status | null | '!'

const ended: Record<TaskEventType, Outcome> = {
  placed: null,
  started: null,
  exited: null,
  kill_requested: '!',
  node_silent: null,
  node_returned: null,
  declared_lost: null,
  node_lost: null,
}

const table: Record<Status, Record<TaskEventType, Outcome>> = {
  pending: { ...ended, placed: 'assigning', kill_requested: 'killed' },
  assigning: {
    placed: null,
    started: 'running',
    exited: 'completed',
    kill_requested: 'killing',
    node_silent: 'unreachable',
    node_returned: 'running',
    declared_lost: 'lost',
    node_lost: 'lost',
  },
  running: {
    placed: null,
    started: null,
    exited: 'completed',
    kill_requested: 'killing',
    node_silent: 'unreachable',
    node_returned: null,
    declared_lost: 'lost',
    node_lost: 'lost',
  },
  unreachable: {
    placed: null,
    started: 'running',
    exited: 'completed',
    kill_requested: 'killing',
    node_silent: null,
    node_returned: 'running',
    declared_lost: 'lost',
    node_lost: 'lost',
  },
  killing: {
    placed: null,
    started: null,
    exited: 'completed',
    kill_requested: null,
    node_silent: null,
    node_returned: null,
    declared_lost: 'killed',
    node_lost: 'killed',
  },
  completed: ended,
  failed: ended,
  killed: ended,
  killed_oom: ended,
  timed_out: ended,
  lost: ended,
}

function outcomeOf(task: Task, event: TaskEvent): Outcome {
  const result = transition(task, event, 10_000)
  return result.kind === 'changed' ? result.task.status : result.kind === 'illegal' ? '!' : null
}

function applied(task: Task, event: TaskEvent, nowMs = 10_000): Task {
  const result = transition(task, event, nowMs)
  if (result.kind !== 'changed') throw new Error(`${event.type} was ${result.kind} in ${task.status}`)
  return result.task
}

const eventTypes = Object.keys(eventOf) as TaskEventType[]

describe('transition', () => {
  const pairs = statuses.flatMap((status) => eventTypes.map((type) => [status, type] as const))
  it.each(pairs)('%s, %s', (status, type) => {
    expect(outcomeOf(taskIn[status], eventOf[type])).toBe(table[status][type])
  })

  it.each(statuses.filter(isHeld))('in %s ignores every event of another attempt', (status) => {
    for (const attempt of [1, 3]) {
      for (const type of eventTypes) {
        const event = eventOf[type]
        if (!('attempt' in event)) continue
        expect(outcomeOf(taskIn[status], { ...event, attempt })).toBeNull()
      }
    }
  })

  it('places only the next attempt', () => {
    for (const attempt of [1, 2, 4])
      expect(outcomeOf(taskIn.pending, { ...eventOf.placed, attempt })).toBeNull()
  })

  it('dispatches when placed and signals when a kill is asked for, once', () => {
    const placed = transition(taskIn.pending, eventOf.placed, 10_000)
    expect(placed).toMatchObject({
      effects: [{ type: 'dispatch', taskId: 12, attempt: 3 }],
      task: { attempt: 3, placement: placedAt, dispatchedTo: identity, placedAtMs: 10_000 },
    })
    for (const status of ['assigning', 'unreachable'] as const)
      expect(transition(taskIn[status], eventOf.kill_requested, 10_000)).toMatchObject({
        effects: [{ type: 'signal', taskId: 12, attempt: 2 }],
      })
    const killing = transition(taskIn.running, eventOf.kill_requested, 10_000)
    expect(killing).toMatchObject({
      effects: [{ type: 'signal', taskId: 12, attempt: 2 }],
      task: { killRequestedAtMs: 10_000, killReason: 'asked by anna', startedAtMs: 5_000 },
    })
  })

  it('kills a waiting task at once: nothing of it was ever placed', () => {
    expect(applied(taskIn.pending, eventOf.kill_requested)).toMatchObject({
      status: 'killed',
      placement: null,
      endedAtMs: 10_000,
      reason: 'asked by anna',
    })
  })

  it('goes back to assigning where a returned node has not started it', () => {
    const silent = applied(taskIn.assigning, eventOf.node_silent)
    expect(silent).toMatchObject({ status: 'unreachable', startedAtMs: null, sinceMs: 10_000 })
    expect(applied(silent, { ...eventOf.node_returned, startedAtMs: null }).status).toBe('assigning')
    expect(applied(taskIn.unreachable, { ...eventOf.node_returned, startedAtMs: null }).status).toBe(
      'running',
    )
  })

  it('records a start that is told of while a kill is on its way', () => {
    const killing = applied(taskIn.assigning, eventOf.kill_requested)
    const started = applied(killing, eventOf.started)
    expect(started).toMatchObject({ status: 'killing', startedAtMs: 5_500 })
    expect(outcomeOf(started, { ...eventOf.started, startedAtMs: 6_000 })).toBeNull()
  })

  it('does not call a task killed where nobody knows whether it lives', () => {
    const vague: TaskEvent = { type: 'declared_lost', attempt: 2, reason: 'an operator said so' }
    expect(applied(taskIn.killing, vague)).toMatchObject({ status: 'lost', reason: 'an operator said so' })
    expect(applied(taskIn.killing, { ...vague, nothingLeft: true }).status).toBe('killed')
    expect(applied(taskIn.running, { ...vague, nothingLeft: true }).status).toBe('lost')
  })

  it('makes no negative duration of clocks that differ', () => {
    expect(applied(taskIn.running, eventOf.declared_lost, 1_000)).toMatchObject({
      startedAtMs: 5_000,
      endedAtMs: 5_000,
    })
    const early = { ...eventOf.exited, exit: exit({ startedAtMs: 5_000, endedAtMs: 4_000 }) }
    expect(applied(taskIn.running, early)).toMatchObject({ startedAtMs: 5_000, endedAtMs: 5_000 })
  })

  it('row 13: whatever the clock of the node says, a task starts after its placement and ends after its start, not in the future', () => {
    const ms = fc.integer({ min: -4_000_000, max: 4_000_000 })
    fc.assert(
      fc.property(ms, ms, ms, fc.boolean(), (startedAtMs, endedAtMs, nowMs, isToldBefore) => {
        const now = Math.max(2_000, nowMs)
        const before = isToldBefore
          ? applied(taskIn.assigning, { ...eventOf.started, startedAtMs }, now)
          : taskIn.assigning
        const after = applied(before, { ...eventOf.exited, exit: exit({ startedAtMs, endedAtMs }) }, now)
        if (!isFinalTask(after)) throw new Error('it has not ended')
        expect(after.startedAtMs).toBeGreaterThanOrEqual(2_000)
        expect(after.endedAtMs).toBeGreaterThanOrEqual(after.startedAtMs ?? Number.NaN)
        expect(after.endedAtMs).toBeLessThanOrEqual(now)
      }),
    )
  })

  it('row 13: a node whose clock is an hour behind tells how long its task ran', () => {
    const hour = 3_600_000
    const running = applied(taskIn.assigning, { ...eventOf.started, startedAtMs: 2_500 - hour }, 2_600)
    const told = exit({ startedAtMs: 2_500 - hour, endedAtMs: 9_500 - hour })
    expect(applied(running, { ...eventOf.exited, exit: told }, 9_700)).toMatchObject({
      startedAtMs: 2_000,
      endedAtMs: 9_000,
    })
  })

  it('changes nothing of the task that it was given', () => {
    for (const status of statuses) {
      const copy = structuredClone(taskIn[status])
      for (const type of eventTypes) transition(taskIn[status], eventOf[type], 10_000)
      expect(taskIn[status]).toEqual(copy)
    }
  })
})

describe('the end of a task', () => {
  const ends: [ExitCause, number | null, FinalStatus, FinalStatus][] = [
    ['exited', 0, 'completed', 'completed'],
    ['exited', 3, 'failed', 'failed'],
    ['signaled', null, 'failed', 'failed'],
    ['launch_failed', null, 'failed', 'failed'],
    ['oom', null, 'killed_oom', 'killed_oom'],
    ['timeout', null, 'timed_out', 'timed_out'],
    ['killed', null, 'killed', 'killed'],
    ['lost', null, 'lost', 'killed'],
    ['node_lost', null, 'lost', 'killed'],
  ]
  it.each(ends)(
    '%s with code %s is %s, and %s while a kill is on its way',
    (cause, exitCode, plain, killing) => {
      const event: TaskEvent = { type: 'exited', attempt: 2, exit: exit({ cause, exitCode }) }
      expect(applied(taskIn.running, event).status).toBe(plain)
      expect(applied(taskIn.killing, event).status).toBe(killing)
    },
  )

  it('keeps the account, and why it was killed', () => {
    const killed: TaskEvent = {
      type: 'exited',
      attempt: 2,
      exit: exit({ cause: 'killed', exitCode: null, signal: 'SIGKILL' }),
    }
    expect(applied(taskIn.killing, killed)).toMatchObject({
      signal: 'SIGKILL',
      reason: 'asked',
      cpuTimeMs: 100,
      peakMemoryBytes: 4096,
      placement: placedAt,
    })
  })
})

describe('taskCan', () => {
  it.each(statuses)('says of %s what transition does', (status) => {
    expect(taskCan('kill', status)).toBe(
      transition(taskIn[status], eventOf.kill_requested, 0).kind === 'changed',
    )
  })
})

const attempts = fc.integer({ min: 0, max: 3 })
const starts = fc.integer({ min: 0, max: 50_000 })
const exits = fc
  .tuple(
    fc.constantFrom<ExitCause>(
      'exited',
      'signaled',
      'oom',
      'timeout',
      'killed',
      'launch_failed',
      'lost',
      'node_lost',
    ),
    fc.constantFrom(null, 0, 1),
    fc.option(starts, { nil: null }),
    starts,
  )
  .map(([cause, exitCode, startedAtMs, endedAtMs]) => exit({ cause, exitCode, startedAtMs, endedAtMs }))

const events: fc.Arbitrary<TaskEvent> = fc.oneof(
  attempts.map(
    (attempt): TaskEvent => ({ type: 'placed', attempt, placement: placedAt, dispatchedTo: identity }),
  ),
  fc
    .tuple(attempts, starts)
    .map(([attempt, startedAtMs]): TaskEvent => ({ type: 'started', attempt, startedAtMs })),
  fc.tuple(attempts, exits).map(([attempt, end]): TaskEvent => ({ type: 'exited', attempt, exit: end })),
  fc.constant<TaskEvent>({ type: 'kill_requested', reason: 'asked' }),
  fc.constant<TaskEvent>({ type: 'node_silent' }),
  fc
    .tuple(attempts, fc.option(starts, { nil: null }))
    .map(([attempt, startedAtMs]): TaskEvent => ({ type: 'node_returned', attempt, startedAtMs })),
  fc.tuple(attempts, fc.boolean()).map(
    ([attempt, nothingLeft]): TaskEvent => ({
      type: 'declared_lost',
      attempt,
      reason: 'gone',
      nothingLeft,
    }),
  ),
)
const leased = fc.oneof(
  { weight: 3, arbitrary: events },
  attempts.map((attempt): TaskEvent => ({ type: 'node_lost', attempt, reason: 'n1 rebooted' })),
)
/** Any order, with doubles: some events come again later. */
const scripts = fc.array(leased, { maxLength: 40 }).map((list) => [...list, ...list.slice(0, 10)])

const requeues = fc.integer({ min: 0, max: 2 })

describe('a task that may be started again', () => {
  const again = { spec: spec({ requeue: 2 }) }
  const rebooted = exit({ cause: 'node_lost', exitCode: null, reason: 'its node rebooted while it ran' })

  it.each(['assigning', 'running', 'unreachable'] as const)(
    'waits for its next attempt from %s',
    (status) => {
      const lost = applied({ ...taskIn[status], ...again }, eventOf.node_lost)
      expect(lost).toEqual({ ...pending({ attempt: 2, ...again }), requeuedFor: 'n1 rebooted' })
      expect(applied(lost, eventOf.placed)).toMatchObject({ status: 'assigning', attempt: 3 })
      const told = applied({ ...taskIn[status], ...again }, { ...eventOf.exited, exit: rebooted })
      expect(told).toMatchObject({ status: 'pending', requeuedFor: 'its node rebooted while it ran' })
    },
  )

  it('is lost with its node once its attempts are used up', () => {
    const last = { ...taskIn.running, spec: spec({ requeue: 1 }) }
    expect(applied(last, eventOf.node_lost)).toMatchObject({ status: 'lost', reason: 'n1 rebooted' })
    expect(applied(taskIn.running, eventOf.node_lost).status).toBe('lost')
  })

  it('is not started again where its end was asked for, or where it ended by itself', () => {
    expect(applied({ ...taskIn.killing, ...again }, eventOf.node_lost).status).toBe('killed')
    const causes = ['exited', 'signaled', 'oom', 'timeout', 'killed', 'launch_failed', 'lost'] as const
    for (const cause of causes) {
      const event: TaskEvent = { ...eventOf.exited, exit: exit({ cause, exitCode: 1 }) }
      expect(isFinal(applied({ ...taskIn.running, ...again }, event).status)).toBe(true)
    }
  })

  it('takes no word of the older attempt any more', () => {
    const waiting = applied({ ...taskIn.unreachable, ...again }, eventOf.node_lost)
    for (const event of [eventOf.started, eventOf.exited, eventOf.node_returned, eventOf.declared_lost])
      expect(outcomeOf(waiting, event)).toBeNull()
    const next = applied(waiting, eventOf.placed)
    for (const event of [eventOf.started, eventOf.exited, eventOf.node_returned, eventOf.node_lost])
      expect(outcomeOf(next, event)).toBeNull()
  })

  it('stays killed where it was killed while it waited', () => {
    const waiting = applied({ ...taskIn.unreachable, ...again }, eventOf.node_lost)
    const killed = applied(waiting, eventOf.kill_requested)
    expect(killed.status).toBe('killed')
    expect(outcomeOf(killed, eventOf.placed)).toBeNull()
  })
})

describe('any sequence of events', () => {
  it('keeps a final state, starts once, dispatches each attempt once, never counts an attempt back', () => {
    fc.assert(
      fc.property(scripts, requeues, (script, requeue) => {
        let task = pending({ spec: spec({ requeue }) })
        const dispatched: number[] = []
        let runs = 0
        for (const [at, event] of script.entries()) {
          const result = transition(task, event, at * 1_000)
          if (isFinal(task.status)) expect(result.kind).not.toBe('changed')
          if (result.kind !== 'changed') continue
          for (const effect of result.effects) if (effect.type === 'dispatch') dispatched.push(effect.attempt)
          if (event.type === 'started' && result.task.status === 'running') {
            if (task.status === 'assigning') runs += 1
            else expect(task.status).toBe('unreachable')
          }
          expect(result.task.attempt).toBeGreaterThanOrEqual(task.attempt)
          if (isHeldTask(task) && result.task.status === 'pending') checkRequeue(task, event, requeue)
          task = result.task
          checkShape(task)
        }
        expect(new Set(dispatched).size).toBe(dispatched.length)
        expect(runs).toBeLessThanOrEqual(dispatched.length)
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps the start of an attempt that was told first', () => {
    fc.assert(
      fc.property(scripts, (script) => {
        let task = pending()
        for (const event of script) {
          const result = transition(task, event, 60_000)
          if (result.kind !== 'changed') continue
          const before = startOf(task)
          task = result.task
          if (isHeldTask(task) && before !== null) expect(startOf(task)).toBe(before)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('ends once a kill was accepted and the end is reported', () => {
    fc.assert(
      fc.property(scripts, exits, requeues, (script, end, requeue) => {
        let task = pending({ spec: spec({ requeue }) })
        let killAccepted = false
        for (const event of [...script, { type: 'kill_requested', reason: 'asked' } satisfies TaskEvent]) {
          const result = transition(task, event, 60_000)
          if (result.kind !== 'changed') continue
          task = result.task
          if (event.type === 'kill_requested') killAccepted = true
          if (killAccepted)
            expect(['killing', 'killed'].includes(task.status) || isFinal(task.status)).toBe(true)
        }
        expect(isFinal(task.status) || task.status === 'killing').toBe(true)
        const result = transition(task, { type: 'exited', attempt: task.attempt, exit: end }, 60_000)
        if (task.status === 'killing') expect(result.kind).toBe('changed')
        if (result.kind === 'changed') expect(isFinal(result.task.status)).toBe(true)
      }),
    )
  })
})

/** Back to the queue goes only what lost its node, was not to be killed, and has an attempt left. */
function checkRequeue(before: Task, event: TaskEvent, requeue: number): void {
  expect(before.status).not.toBe('killing')
  expect(event.type === 'exited' ? event.exit.cause : event.type).toBe('node_lost')
  expect(before.attempt).toBeLessThanOrEqual(requeue)
}

/** What must be true of a task in whatever status. */
function checkShape(task: Task): void {
  if (isFinalTask(task) && task.startedAtMs !== null)
    expect(task.endedAtMs).toBeGreaterThanOrEqual(task.startedAtMs)
  if (isHeldTask(task)) expect(task.placement).toEqual(placedAt)
  if (task.status === 'running') expect(task.startedAtMs).not.toBeNull()
}

function startOf(task: Task): number | null {
  return 'startedAtMs' in task ? task.startedAtMs : null
}
