import { describe, expect, it } from 'vitest'
import type { BatchTarget } from '../../../../src/protocol/schemas.ts'
import { columnsOfMatrix, endedOf, failedOf, matrixOf, paceSentence, progressSentence } from './progress.ts'

describe('progress of a batch', () => {
  it.each([
    [{}, 'It has no tasks'],
    [{ completed: 1 }, 'Its task completed'],
    [{ completed: 1_200 }, 'All 1,200 tasks completed'],
    [{ failed: 1 }, 'Its task ended without success'],
    [{ running: 1 }, 'Its task has not ended yet'],
    [{ running: 1, pending: 9 }, 'None of 10 tasks has ended yet'],
    [{ completed: 3, lost: 1 }, 'All 4 tasks have ended, 1 of them without success'],
    [{ completed: 1, running: 2 }, '1 of 3 tasks has ended'],
    [{ completed: 2, killed: 1, pending: 5 }, '3 of 8 tasks have ended, 1 of them without success'],
  ])('of %o is told', (counts, sentence) => expect(progressSentence(counts)).toBe(sentence))

  it('counts what has ended and what has not succeeded', () => {
    const counts = { pending: 1, unreachable: 2, completed: 4, killed_oom: 8, killed: 16 }
    expect(endedOf(counts)).toBe(28)
    expect(failedOf(counts)).toBe(24)
  })

  it('has a column for each status that occurs, in the order of a life', () => {
    const rows = [{ counts: { failed: 1, running: 2 } }, { counts: { pending: 3 } }]
    expect(columnsOfMatrix(rows)).toEqual(['pending', 'running', 'failed'])
  })
})

describe('the pace of a batch', () => {
  const took = (...seconds: number[]) =>
    seconds.map((second) => ({
      startedAt: '2026-11-28T12:00:00Z',
      endedAt: new Date(Date.parse('2026-11-28T12:00:00Z') + second * 1_000).toISOString(),
    }))
  it.each([
    [took(180, 180, 180, 180), 'The last 4 that ended took 3 m each'],
    [took(60, 62, 64), 'The last 3 that ended took 1 m 2 s each'],
    [took(300, 2, 60), 'The last 3 that ended took 2 s to 5 m'],
    [took(0, 0, 0), 'The last 3 that ended took 0 ms each'],
    [took(5, 5), null],
    [[...took(5, 5), { startedAt: null, endedAt: '2026-11-28T12:00:00Z' }], null],
  ])('is told of those that ran', (ended, sentence) => expect(paceSentence(ended)).toBe(sentence))
})

describe('a batch by target and status', () => {
  const row = (target: string, node: string | null, counts: BatchTarget['counts']): BatchTarget => ({
    target,
    node,
    counts,
    total: Object.values(counts).reduce((sum, count) => sum + count, 0),
  })

  it('has those that wait for a node in the row of those that are there', () => {
    const rows = matrixOf([row('n1', 'n1', { running: 2, failed: 1 }), row('n1', null, { pending: 4 })])
    expect(rows).toEqual([
      {
        place: 'n1',
        counts: { pending: 4, running: 2, failed: 1 },
        links: { pending: { node: null }, running: { node: 'n1' }, failed: { node: 'n1' } },
        total: 7,
      },
    ])
  })

  it('links a number only to exactly those tasks', () => {
    const rows = matrixOf([
      row('n1', null, { pending: 4 }),
      row('n2', null, { pending: 1 }),
      row('any', 'n2', { running: 3 }),
      row('n2:0', 'n2', { running: 1, completed: 5 }),
      row('any', 'n3', { killed: 1 }),
      row('any', null, { killed: 2 }),
    ])
    expect(rows.map(({ place, links }) => [place, links])).toEqual([
      ['n1', {}],
      ['n2', {}],
      ['any → n2', {}],
      ['n2:0', { completed: { node: 'n2' } }],
      ['any → n3', { killed: { node: 'n3' } }],
      ['any', {}],
    ])
  })
})
