import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClusterEvent } from '../../../../src/protocol/schemas.ts'
import { adviceOf, attemptsOf, livesOf } from './life.ts'

function event(
  second: number,
  type: string,
  status: ClusterEvent['status'],
  given: Partial<ClusterEvent> = {},
): ClusterEvent {
  return {
    id: second,
    at: new Date(second * 1_000).toISOString(),
    kind: 'task',
    type,
    taskId: '1',
    batchId: '1',
    node: 'n1',
    status,
    attempt: 1,
    exitCode: null,
    reason: null,
    ...given,
  }
}

const life = [
  event(0, 'submitted', 'pending', { attempt: 0, node: null }),
  event(4, 'placed', 'assigning'),
  event(5, 'started', 'running'),
  event(20, 'node_silent', 'unreachable'),
  event(30, 'node_returned', 'running'),
]

const goesOn = { startedAt: null, endedAt: null }
const toldOf = (lives: ReturnType<typeof livesOf>) =>
  lives.map(({ number, node, stretches }) => [
    number,
    node,
    ...stretches.map(({ word, fromMs, toMs }) => `${word} ${fromMs / 1_000}-${toMs / 1_000}`),
  ])

describe('a life', () => {
  it('is stretches side by side, of which the last goes on until now', () => {
    expect(toldOf(livesOf(goesOn, life, 40_000))).toEqual([
      [1, 'n1', 'waited 0-4', 'started in 4-5', 'ran 5-20', 'unreachable 20-30', 'runs 30-40'],
    ])
  })

  it('ends with the task', () => {
    const events = [...life, event(50, 'exited', 'completed', { exitCode: 0 })]
    const [lived] = livesOf({ ...goesOn, endedAt: '1970-01-01T00:00:45.000Z' }, events, 90_000)
    expect(lived?.stretches.at(-1)).toMatchObject({ word: 'ran', toMs: 45_000 })
  })

  it('starts when the task did, not when the host was told', () => {
    const told = { startedAt: '1970-01-01T00:00:04.250Z', endedAt: null }
    expect(toldOf(livesOf(told, life.slice(0, 3), 9_000))).toEqual([
      [1, 'n1', 'waited 0-4', 'started in 4-4.25', 'runs 4.25-9'],
    ])
  })

  it('has a part for each attempt, with the wait before it', () => {
    const events = [
      ...life,
      event(40, 'requeued', 'pending', { reason: 'its lease ran out' }),
      event(46, 'placed', 'assigning', { attempt: 2, node: 'n2' }),
      event(47, 'started', 'running', { attempt: 2, node: 'n2' }),
    ]
    expect(toldOf(livesOf(goesOn, events, 50_000))).toEqual([
      [1, 'n1', 'waited 0-4', 'started in 4-5', 'ran 5-20', 'unreachable 20-30', 'ran 30-40'],
      [2, 'n2', 'waited 40-46', 'started in 46-47', 'runs 47-50'],
    ])
  })

  it('leaves out what took no time, and is told also of a task that ended at once', () => {
    const atOnce = [event(3, 'submitted', 'pending', { attempt: 0 }), event(3, 'kill_requested', 'killed')]
    expect(toldOf(livesOf({ ...goesOn, endedAt: '1970-01-01T00:00:03.000Z' }, atOnce, 9_000))).toEqual([
      [1, null, 'waited 3-3'],
    ])
    const fast = [event(3, 'submitted', 'pending', { attempt: 0 }), event(3, 'placed', 'assigning')]
    expect(toldOf(livesOf(goesOn, fast, 4_000))).toEqual([[1, 'n1', 'is being started 3-4']])
    expect(livesOf(goesOn, [], 4_000)).toEqual([])
  })

  it('never goes backwards, whatever the clocks say', () => {
    const instants = fc.integer({ min: 0, max: 20 })
    const told = fc.option(instants.map((second) => new Date(second * 1_000).toISOString()))
    const types = fc.constantFrom('pending', 'assigning', 'running', 'unreachable', 'killing', 'failed')
    const events = fc.array(fc.tuple(instants, types, fc.nat(3)), { maxLength: 8 })
    fc.assert(
      fc.property(events, told, told, (given, startedAt, endedAt) => {
        const all = given.map(([at, status, attempt]) => event(at, 'any', status, { attempt }))
        for (const { stretches } of livesOf({ startedAt, endedAt }, all, 15_000))
          for (const { fromMs, toMs } of stretches) expect(toMs).toBeGreaterThanOrEqual(fromMs)
      }),
    )
  })
})

describe('advice', () => {
  const failed = {
    status: 'failed',
    target: 'any',
    requeue: 0,
    startedAt: null,
    exitCode: null,
    stuck: null,
  } as const
  it('says what would help, where that is known', () => {
    expect(adviceOf(failed)).toContain('never started')
    expect(adviceOf({ ...failed, startedAt: 'then', exitCode: 127 })).toContain('no such program')
    expect(adviceOf({ ...failed, startedAt: 'then', exitCode: 1 })).toContain('log')
    expect(adviceOf({ ...failed, status: 'pending' })).toContain('a node can take it')
    expect(adviceOf({ ...failed, status: 'pending', target: 'n1' })).toContain('any node')
    expect(adviceOf({ ...failed, status: 'killing', stuck: 'process 7' })).toContain('look at the node')
    expect(adviceOf({ ...failed, status: 'lost' })).toContain('--requeue')
    expect(adviceOf({ ...failed, status: 'lost', requeue: 2 })).toBeNull()
    expect(adviceOf({ ...failed, status: 'completed' })).toBeNull()
  })
})

describe('attempts', () => {
  it('are each told with where, since when, and how they ended', () => {
    const lost = event(40, 'requeued', 'pending', { reason: 'its lease ran out' })
    const again = [
      event(41, 'placed', 'assigning', { attempt: 2, node: 'n2' }),
      event(42, 'started', 'running', { attempt: 2, node: 'n2' }),
    ]
    expect(attemptsOf([...life, lost, ...again])).toMatchObject([
      { number: 1, node: 'n1', startedAt: '1970-01-01T00:00:05.000Z', end: 'its lease ran out' },
      { number: 2, node: 'n2', startedAt: '1970-01-01T00:00:42.000Z', end: null },
    ])
  })
})
