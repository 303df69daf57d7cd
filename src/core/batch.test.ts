import { describe, expect, it } from 'vitest'
import { countStatuses, isBatchFinal, totalOf } from './batch.ts'
import { finalStatuses, isFinal, statuses } from './task.ts'

describe('countStatuses', () => {
  it('counts what occurs, in the order of a life', () => {
    const tasks = (['failed', 'pending', 'failed', 'running'] as const).map((status) => ({ status }))
    const counts = countStatuses(tasks)
    expect(Object.entries(counts)).toEqual([
      ['pending', 1],
      ['running', 1],
      ['failed', 2],
    ])
    expect(totalOf(counts)).toBe(4)
  })

  it('counts nothing of nothing', () => {
    expect(countStatuses([])).toEqual({})
    expect(totalOf({})).toBe(0)
  })
})

describe('isBatchFinal', () => {
  it.each(statuses)('with one task %s beside ended ones', (status) => {
    const counts = countStatuses([...finalStatuses, status].map((each) => ({ status: each })))
    expect(isBatchFinal(counts)).toBe(isFinal(status))
  })
})
