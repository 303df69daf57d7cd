import { describe, expect, it } from 'vitest'
import { readFilter } from './filter.ts'
import { canBeCounted, nothingNewer, withDigest } from './newer.ts'

type Task = Parameters<typeof withDigest>[1]['tasks'][number]
const task = (id: number, given: Partial<Task> = {}): Task => ({
  id: String(id),
  batchId: '1',
  status: 'pending',
  node: null,
  ...given,
})
const told = (query: Parameters<typeof readFilter>[0], ...tasks: Task[]) => {
  const list = { filter: readFilter(query), firstId: '100', isShown: (id: string) => Number(id) <= 100 }
  return [...withDigest(nothingNewer, { tasks, hasMore: false }, list).ids]
}

describe('what is new above a list', () => {
  it('are tasks that were submitted since', () => {
    expect(told({}, task(99), task(100), task(101), task(1000))).toEqual(['101', '1000'])
  })

  it('are only those that the filter lets through', () => {
    const running = task(101, { status: 'running', node: 'n1' })
    expect(told({ status: 'running' }, running, task(102))).toEqual(['101'])
    expect(told({ node: 'n1' }, running, task(102))).toEqual(['101'])
    expect(told({ batch: '2' }, running, task(102, { batchId: '2' }))).toEqual(['102'])
  })

  it('are tasks that ended since, where it is sorted by that', () => {
    const ended = task(50, { status: 'failed' })
    const list = {
      filter: readFilter({ sort: 'ended' }),
      firstId: '100',
      isShown: (id: string) => id === '60',
    }
    const digest = { tasks: [ended, task(60, { status: 'failed' }), task(101)], hasMore: false }
    expect([...withDigest(nothingNewer, digest, list).ids]).toEqual(['50'])
  })

  it('are no more new when they no longer match, and each counts once', () => {
    const list = { filter: readFilter({ status: 'pending' }), firstId: '100', isShown: () => false }
    const first = withDigest(nothingNewer, { tasks: [task(101), task(102)], hasMore: false }, list)
    const again = withDigest(first, { tasks: [task(101), task(102)], hasMore: false }, list)
    expect(again).toBe(first)
    const started = { tasks: [task(101, { status: 'running' })], hasMore: true }
    expect(withDigest(again, started, list)).toEqual({ ids: new Set(['102']), isMore: true })
  })

  it('are not kept without end', () => {
    const list = { filter: readFilter({}), firstId: '0', isShown: () => false }
    const tasks = Array.from({ length: 9_000 }, (_, at) => task(at + 1))
    const { ids, isMore } = withDigest(nothingNewer, { tasks, hasMore: false }, list)
    expect(ids.size).toBe(5_000)
    expect(isMore).toBe(true)
  })
})

it('can be told of lists whose new ones come first', () => {
  const can = (query: Parameters<typeof readFilter>[0]) => canBeCounted(readFilter(query))
  expect([{}, { sort: 'ended' }, { status: 'failed' }].map(can)).toEqual([true, true, true])
  expect([{ order: 'asc' }, { q: 'x' }, { sort: 'duration', batch: '1' }].map(can)).toEqual([
    false,
    false,
    false,
  ])
})
