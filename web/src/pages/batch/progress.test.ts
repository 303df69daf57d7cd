import { describe, expect, it } from 'vitest'
import { columnsOfMatrix, endedOf, failedOf, matrixOf, progressSentence } from './progress.ts'

describe('progress of a batch', () => {
  it.each([
    [{}, 'It has no tasks'],
    [{ completed: 1 }, 'Its task completed'],
    [{ completed: 1_200 }, 'All 1,200 tasks completed'],
    [{ failed: 1 }, 'Its task has ended, 1 of them without success'],
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

  it('puts what waits for a node beside what is there', () => {
    const rows = matrixOf([
      { target: 'n1', node: null, counts: { pending: 2 }, total: 2 },
      { target: 'n1', node: 'n1', counts: { running: 1, failed: 1 }, total: 2 },
      { target: 'n1:0', node: 'n1', counts: { running: 1 }, total: 1 },
      { target: 'any', node: 'n2', counts: { lost: 1 }, total: 1 },
      { target: 'any', node: null, counts: { pending: 1 }, total: 1 },
    ])
    expect(rows.map(({ place, node, total }) => [place, node, total])).toEqual([
      ['n1', 'n1', 4],
      ['n1:0', 'n1', 1],
      ['any → n2', 'n2', 1],
      ['any', null, 1],
    ])
  })
})
