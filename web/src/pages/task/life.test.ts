import { describe, expect, it } from 'vitest'
import type { ClusterEvent } from '../../../../src/protocol/schemas.ts'
import { attemptsOf, stretchesOf } from './life.ts'

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

describe('stretches of a life', () => {
  it('lie side by side, and the last goes on until now', () => {
    const found = stretchesOf(life, 40_000)
    expect(found.map(({ status, fromMs, toMs }) => [status, fromMs / 1_000, toMs / 1_000])).toEqual([
      ['pending', 0, 4],
      ['assigning', 4, 5],
      ['running', 5, 20],
      ['unreachable', 20, 30],
      ['running', 30, 40],
    ])
  })

  it('end with the task', () => {
    const found = stretchesOf([...life, event(50, 'exited', 'completed', { exitCode: 0 })], 90_000)
    expect(found.at(-1)).toMatchObject({ status: 'running', toMs: 50_000 })
  })

  it('are never negative, whatever the clocks say', () => {
    const found = stretchesOf([event(10, 'submitted', 'pending'), event(5, 'placed', 'assigning')], 1_000)
    expect(found.every(({ fromMs, toMs }) => toMs >= fromMs)).toBe(true)
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
