import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { statuses, taskCan } from '../../../../src/core/task.ts'
import { rangeOf, refreshed, splitFor, statusesFor, tellLeftOut, toggled, withAll } from './selection.ts'

const running = { id: '1', status: 'running' } as const
const failed = { id: '2', status: 'failed' } as const

describe('a selection', () => {
  it('has what was ticked, and not what was ticked twice', () => {
    const one = toggled(new Map(), running)
    expect([...one]).toEqual([['1', 'running']])
    expect(toggled(one, running).size).toBe(0)
  })

  it('takes no more than can be done at a time', () => {
    const rows = Array.from({ length: 5 }, (_, at) => ({ id: String(at), status: 'running' }) as const)
    expect([...withAll(new Map(), rows, 3).keys()]).toEqual(['0', '1', '2'])
    expect(withAll(new Map([['4', 'running']]), rows, 1)).toEqual(new Map([['4', 'running']]))
  })

  it('has ranges in both directions', () => {
    const rows = ['1', '2', '3', '4'].map((id) => ({ id }))
    const ids = (from: string | null, to: string) => rangeOf(rows, from, to).map(({ id }) => id)
    expect(ids('2', '4')).toEqual(['2', '3', '4'])
    expect(ids('4', '2')).toEqual(['2', '3', '4'])
    expect(ids('9', '2')).toEqual(['2'])
    expect(ids(null, '3')).toEqual(['3'])
    expect(ids('1', '9')).toEqual([])
  })

  it('follows the tasks, and is the same where nothing is new', () => {
    const selection = new Map([['1', 'running']] as const)
    expect(refreshed(selection, [running, failed])).toBe(selection)
    expect(refreshed(selection, [{ id: '1', status: 'killed' }])).toEqual(new Map([['1', 'killed']]))
  })
})

describe('an action', () => {
  it('is for those that can, and leaves out all others', () => {
    const all = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }).map(String), fc.constantFrom(...statuses)))
    fc.assert(
      fc.property(all, fc.constantFrom('kill', 'rerun'), (entries, action) => {
        const selection = new Map(entries)
        const { ids, leftOut } = splitFor(action, selection)
        expect(ids.every((id) => taskCan(action, selection.get(id) ?? 'pending'))).toBe(true)
        const left = leftOut.reduce((sum, { number }) => sum + number, 0)
        expect(ids.length + left).toBe(selection.size)
      }),
    )
  })

  it('says why it leaves some out', () => {
    const left = (action: 'kill' | 'rerun', ...wanted: (typeof statuses)[number][]) => {
      const selection = new Map(wanted.map((status, at) => [String(at), status]))
      return tellLeftOut(action, splitFor(action, selection))
    }
    expect(left('kill', 'completed', 'lost', 'killing', 'running')).toBe(
      '2 have ended already, 1 is being killed already',
    )
    expect(left('rerun', 'pending', 'killing', 'failed')).toBe('2 have not ended yet')
    expect(left('rerun', 'running')).toBe('1 has not ended yet')
    expect(left('kill', 'running')).toBe('')
  })

  it('is asked of the statuses of the filter in which it can be', () => {
    expect(statusesFor('kill', ['running', 'failed'])).toEqual(['running'])
    expect(statusesFor('rerun', [])).toEqual([
      'completed',
      'failed',
      'killed',
      'killed_oom',
      'timed_out',
      'lost',
    ])
    expect(statusesFor('kill', ['failed'])).toEqual([])
  })
})

it('leaves out what is not one’s own, and says so', () => {
  const selection = new Map([
    ['1', 'running'],
    ['2', 'running'],
    ['3', 'failed'],
  ] as const)
  const split = splitFor('kill', selection, new Set(['2', '3']))
  expect(split).toEqual({ ids: ['1'], leftOut: [], notMine: 2 })
  expect(tellLeftOut('kill', split)).toBe('2 are not yours')
})
