import { expect, it } from 'vitest'
import { outcomeOfKill, outcomeOfRerun } from './outcome.ts'
import { splitFor } from './selection.ts'

const split = splitFor('kill', new Map([['9', 'completed']]))

it('tells of each task of a kill what became of it', () => {
  const items = [
    { id: '1', isAsked: true, status: 'killing', message: null },
    { id: '2', isAsked: true, status: 'killed', message: null },
    { id: '3', isAsked: false, status: 'completed', message: 'cannot kill task 3: it has ended (completed)' },
  ] as const
  expect(outcomeOfKill(items, split)).toEqual({
    title: 'Kill',
    done: '1 task is killed. The end of 1 task is asked for: killing until nothing of it is left.',
    batchId: null,
    refused: [{ id: '3', why: 'cannot kill task 3: it has ended (completed)' }],
    asked: [
      { id: '1', becomes: null },
      { id: '2', becomes: null },
    ],
    leftOut: '1 has ended already',
  })
  expect(outcomeOfKill([], split).done).toBe('Nothing was killed.')
})

it('tells of each task of a rerun what it became', () => {
  const items = [
    { id: '1', taskId: '11', error: null },
    {
      id: '2',
      taskId: null,
      error: { code: 'conflict', message: 'cannot run task 2 again: it has not ended' },
    },
  ]
  expect(outcomeOfRerun({ batchId: '10', items }, { ids: [], leftOut: [], notMine: 0 })).toEqual({
    title: 'Run again',
    done: '1 task submitted again.',
    batchId: '10',
    refused: [{ id: '2', why: 'cannot run task 2 again: it has not ended' }],
    asked: [{ id: '1', becomes: '11' }],
    leftOut: '',
  })
})
