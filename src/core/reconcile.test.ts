import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identity, spec } from './builders.suite.ts'
import { type HostAttempt, type ReconcileAction, type RunnerAttempt, reconcile } from './reconcile.ts'
import { taskIn } from './task.suite.ts'
import { isHeldTask, isLeased, type RunnerIdentity, type Task, transition } from './task.ts'

const rebooted: RunnerIdentity = { ...identity, bootId: 'boot-2' }
const wiped: RunnerIdentity = { ...identity, runnerId: 'runner-2' }
const both: RunnerIdentity = { runnerId: 'runner-2', bootId: 'boot-2' }

function ours(overrides: Partial<HostAttempt> = {}): HostAttempt {
  return {
    taskId: 12,
    attempt: 2,
    status: 'running',
    startedAtMs: 5_000,
    dispatchedTo: identity,
    ...overrides,
  }
}

function theirs(overrides: Partial<RunnerAttempt> = {}): RunnerAttempt {
  return { taskId: 12, attempt: 2, phase: 'running', startedAtMs: 5_500, ...overrides }
}

function compare(
  host: HostAttempt[],
  attempts: RunnerAttempt[],
  now: RunnerIdentity = identity,
  known: number[] = [],
): ReconcileAction[] {
  return reconcile('n1', host, { identity: now, attempts }, (taskId) => known.includes(taskId))
}

const id = { taskId: 12, attempt: 2 }
const start: ReconcileAction = { do: 'start', ...id }
const kill: ReconcileAction = { do: 'kill', ...id }
const started: ReconcileAction = {
  do: 'apply',
  taskId: 12,
  event: { type: 'started', attempt: 2, startedAtMs: 5_500 },
}
function returned(startedAtMs: number | null): ReconcileAction {
  return { do: 'apply', taskId: 12, event: { type: 'node_returned', attempt: 2, startedAtMs } }
}
function lost(reason: string, nothingLeft = true): ReconcileAction {
  return { do: 'apply', taskId: 12, event: { type: 'declared_lost', attempt: 2, reason, nothingLeft } }
}

describe('an attempt that both hold', () => {
  it.each<[HostAttempt['status'], number | null, RunnerAttempt, ReconcileAction[]]>([
    ['assigning', null, theirs({ phase: 'starting', startedAtMs: null }), []],
    ['assigning', null, theirs(), [started]],
    ['assigning', null, theirs({ phase: 'ended' }), []],
    ['running', 5_000, theirs(), []],
    ['running', 5_000, theirs({ phase: 'starting', startedAtMs: null }), []],
    ['running', 5_000, theirs({ phase: 'ended' }), []],
    ['unreachable', null, theirs({ phase: 'starting', startedAtMs: null }), [returned(null)]],
    ['unreachable', null, theirs(), [returned(5_500)]],
    ['unreachable', 5_000, theirs(), [returned(5_500)]],
    ['unreachable', 5_000, theirs({ phase: 'ended' }), []],
    ['killing', null, theirs(), [started, kill]],
    ['killing', 5_000, theirs(), [kill]],
    ['killing', null, theirs({ phase: 'starting', startedAtMs: null }), [kill]],
    ['killing', 5_000, theirs({ phase: 'ended' }), []],
  ])('%s since %s, on the runner %o', (status, startedAtMs, attempt, actions) => {
    expect(compare([ours({ status, startedAtMs })], [attempt])).toEqual(actions)
  })

  it('is believed whatever the boot and the state directory', () => {
    expect(compare([ours()], [theirs()], rebooted)).toEqual([])
    expect(compare([ours({ status: 'unreachable' })], [theirs({ phase: 'ended' })], both)).toEqual([])
  })
})

describe('an attempt that the runner lacks', () => {
  it.each<[HostAttempt['status'], number | null, ReconcileAction[]]>([
    ['assigning', null, [start]],
    ['running', 5_000, [lost('n1 has neither its unit nor its record')]],
    ['unreachable', null, [returned(null), start]],
    ['unreachable', 5_000, [lost('n1 has neither its unit nor its record')]],
    ['killing', null, [kill]],
    ['killing', 5_000, [lost('n1 has neither its unit nor its record')]],
  ])('%s since %s, same boot and state directory', (status, startedAtMs, actions) => {
    expect(compare([ours({ status, startedAtMs })], [])).toEqual(actions)
  })

  it.each<[HostAttempt['status'], number | null]>([
    ['assigning', null],
    ['running', 5_000],
    ['unreachable', null],
    ['unreachable', 5_000],
    ['killing', null],
    ['killing', 5_000],
  ])('%s since %s is lost after a reboot or with an empty state directory', (status, startedAtMs) => {
    const host = [ours({ status, startedAtMs })]
    const empty = 'n1 came back with an empty state directory'
    expect(compare(host, [], rebooted)).toEqual([lost('n1 rebooted')])
    expect(compare(host, [], wiped)).toEqual([lost(empty, false)])
    expect(compare(host, [], both)).toEqual([lost(empty)])
  })
})

describe('an attempt under a lease that the runner lacks', () => {
  const host = (status: HostAttempt['status']) => [ours({ status, isLeased: true })]
  const gone: ReconcileAction = {
    do: 'apply',
    taskId: 12,
    event: { type: 'node_lost', attempt: 2, reason: 'n1 rebooted' },
  }

  it('is gone with its node after a reboot', () => {
    expect(compare(host('running'), [], rebooted)).toEqual([gone])
    expect(compare(host('unreachable'), [], both)).toEqual([gone])
  })

  it('may live on after a wiped disk, until its lease is over', () => {
    const silent: ReconcileAction = { do: 'apply', taskId: 12, event: { type: 'node_silent' } }
    expect(compare(host('running'), [], wiped)).toEqual([silent])
    expect(compare(host('unreachable'), [], wiped)).toEqual([])
    expect(compare(host('killing'), [], wiped)).toEqual([])
  })
})

describe('an attempt that the host does not hold here', () => {
  const stray = theirs({ taskId: 99, attempt: 1 })
  it('is killed where the host knows the task, and left alone where it does not', () => {
    expect(compare([], [stray], identity, [99])).toEqual([{ do: 'kill', taskId: 99, attempt: 1 }])
    expect(compare([], [stray])).toEqual([{ do: 'unknown', taskId: 99, attempt: 1 }])
  })

  it('needs nothing once it has ended', () => {
    expect(compare([], [{ ...stray, phase: 'ended' }], identity, [99])).toEqual([])
  })

  it('is killed where it is an older one of a task that is here, not where it is newer', () => {
    expect(compare([ours()], [theirs({ attempt: 1 }), theirs()])).toEqual([
      { do: 'kill', taskId: 12, attempt: 1 },
    ])
    expect(compare([ours()], [theirs({ attempt: 3 }), theirs()])).toEqual([
      { do: 'unknown', taskId: 12, attempt: 3 },
    ])
  })
})

const hostTasks = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 1, max: 6 }),
    status: fc.constantFrom('assigning', 'running', 'unreachable', 'killing'),
    isStarted: fc.boolean(),
    dispatchedTo: fc.constantFrom(identity, rebooted, wiped, both),
    requeue: fc.constantFrom(0, 3),
  }),
  { selector: (task) => task.id },
)
const runnerAttempts = fc.uniqueArray(
  fc.record({
    taskId: fc.integer({ min: 1, max: 8 }),
    attempt: fc.integer({ min: 1, max: 3 }),
    phase: fc.constantFrom('starting', 'running', 'ended'),
    startedAtMs: fc.option(fc.constant(5_500), { nil: null }),
  }),
  { selector: (attempt) => `${attempt.taskId}/${attempt.attempt}` },
)

describe('whatever both sides hold', () => {
  it('settles: applied and compared again, nothing is left but commands that may be repeated', () => {
    fc.assert(
      fc.property(hostTasks, runnerAttempts, (records, attempts) => {
        let tasks = records.map((record) =>
          toTask(record.id, record.status, record.isStarted, record.dispatchedTo, record.requeue),
        )
        const first = compare(viewsOf(tasks), attempts, identity, [7])
        tasks = tasks.map((task) => applyAll(task, first))
        const second = compare(viewsOf(tasks), attempts, identity, [7, ...tasks.map((task) => task.id)])
        for (const action of second) expect(action.do).not.toBe('apply')
        const repeated = first.filter((action) => action.do !== 'apply').map(textOf)
        // What was declared lost or started just now may be asked for besides: nothing else is new.
        const ended = new Set(tasks.filter((task) => !isHeldTask(task)).map((task) => task.id))
        for (const action of second) {
          if (!ended.has(action.taskId)) expect(repeated).toContain(textOf(action))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('never starts an attempt that has been confirmed, nor one that a kill is on its way for', () => {
    fc.assert(
      fc.property(hostTasks, runnerAttempts, (records, attempts) => {
        const views = viewsOf(
          records.map((record) => toTask(record.id, record.status, record.isStarted, record.dispatchedTo)),
        )
        for (const action of compare(views, attempts)) {
          if (action.do !== 'start') continue
          const view = views.find((each) => each.taskId === action.taskId)
          expect(view).toMatchObject({ startedAtMs: null, attempt: action.attempt, dispatchedTo: identity })
          expect(view?.status).not.toBe('killing')
        }
      }),
    )
  })
})

function toTask(
  taskId: number,
  status: 'assigning' | 'running' | 'unreachable' | 'killing',
  isStarted: boolean,
  dispatchedTo: RunnerIdentity,
  requeue = 0,
): Task {
  const task = { ...taskIn[status], id: taskId, dispatchedTo, spec: spec({ requeue }) }
  if (task.status === 'unreachable' || task.status === 'killing') {
    return { ...task, startedAtMs: isStarted ? 5_000 : null }
  }
  return task
}

function viewsOf(tasks: Task[]): HostAttempt[] {
  return tasks.filter(isHeldTask).map((task) => ({
    taskId: task.id,
    attempt: task.attempt,
    status: task.status,
    startedAtMs: task.status === 'assigning' ? null : task.startedAtMs,
    dispatchedTo: task.dispatchedTo,
    isLeased: isLeased(task.spec, task.attempt),
  }))
}

function applyAll(task: Task, actions: ReconcileAction[]): Task {
  let current = task
  for (const action of actions) {
    if (action.do !== 'apply' || action.taskId !== task.id) continue
    const result = transition(current, action.event, 60_000)
    expect(result.kind).toBe('changed')
    if (result.kind === 'changed') current = result.task
  }
  return current
}

function textOf(action: ReconcileAction): string {
  return action.do === 'apply' ? 'apply' : `${action.do} ${action.taskId}/${action.attempt}`
}
