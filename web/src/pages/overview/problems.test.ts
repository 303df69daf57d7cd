import { describe, expect, it } from 'vitest'
import { nodeOf, taskOf } from '../../api/builders.suite.ts'
import { commonestReason, drainedOf, problemsOf } from './problems.ts'

describe('what needs a person', () => {
  it('is nothing where all is well, or as an operator wished', () => {
    const drained = nodeOf({ name: 'b', problem: 'drained by admin: new disks', isDrained: true })
    expect(problemsOf([nodeOf({ name: 'a' }), drained], [taskOf({ id: '1', status: 'killing' })])).toEqual([])
    expect(drainedOf([nodeOf({ name: 'a' }), drained]).map(({ name }) => name)).toEqual(['b'])
  })

  it('is told worst first: silence, what does not end, what is not known, what is closed', () => {
    const problems = problemsOf(
      [
        nodeOf({ name: 'closed', problem: 'the disk for output is full' }),
        nodeOf({ name: 'strange', problem: 'unknown', unknownTasks: [{ taskId: '9', attempt: 1 }] }),
        nodeOf({
          name: 'silent',
          status: 'unreachable',
          tasksHeld: 2,
          lastSeenAt: '2026-11-28T11:00:00.000Z',
        }),
      ],
      [taskOf({ id: '7', name: 'fit', status: 'killing', stuck: 'process 41 hangs in the kernel' })],
    )
    expect(problems.map(({ kind, of, words }) => [kind, of, words])).toEqual([
      ['unreachable', 'silent', '2 tasks may still be running there'],
      ['stuck', '7', 'does not end: process 41 hangs in the kernel'],
      ['unknown', 'strange', 'holds 1 task that this host does not know'],
      ['closed', 'closed', 'takes no new tasks: the disk for output is full'],
    ])
    expect(problems[0]?.since).toBe('2026-11-28T11:00:00.000Z')
  })
})

describe('why most of them wait', () => {
  it('is the commonest reason', () => {
    expect(commonestReason([{ reason: 'a' }, { reason: 'b' }, { reason: 'b' }, { reason: null }])).toEqual({
      reason: 'b',
      count: 2,
    })
    expect(commonestReason([{ reason: null }])).toBeNull()
  })
})
