import fc from 'fast-check'
import { expect, test } from 'vitest'
import { statuses } from '../../../../src/core/task.ts'
import { taskSorts } from '../../../../src/protocol/choices.ts'
import { batchSorts, isNarrowed, readFilter, type TaskFilter, wantedOf, writeFilter } from './filter.ts'

const plain = readFilter({})

test('an empty address shows everything, newest first, and is written as nothing', () => {
  expect(plain).toEqual({
    statuses: [],
    node: null,
    batchId: null,
    owner: null,
    q: '',
    sort: 'submitted',
    order: 'desc',
  })
  expect(writeFilter(plain, {})).toEqual({})
  expect(wantedOf(plain)).toEqual({})
  expect(isNarrowed(plain)).toBe(false)
})

test('what makes no sense in an address is left out', () => {
  const query = {
    status: ['failed', 'broken', null],
    batch: '12; drop',
    sort: 'cost',
    order: 'up',
    q: null,
    owner: 'A b',
  }
  expect(readFilter(query)).toEqual({ ...plain, statuses: ['failed'] })
})

test('sorts of a batch hold only within one', () => {
  expect(readFilter({ sort: 'duration' }).sort).toBe('submitted')
  expect(readFilter({ sort: 'duration', batch: '7' })).toMatchObject({ sort: 'duration', batchId: '7' })
  expect(readFilter({ sort: 'duration' }, '7').sort).toBe('duration')
  expect(batchSorts).not.toContain('ended')
})

test('what is not of the list stays in the address', () => {
  expect(writeFilter({ ...plain, q: 'fit' }, { tab: 'tasks', q: 'old', status: 'failed' })).toEqual({
    tab: 'tasks',
    q: 'fit',
  })
})

test('those of one user are asked for alone', () => {
  const filter = readFilter({ owner: 'ann' })
  expect(wantedOf(filter)).toEqual({ owner: 'ann' })
  expect(isNarrowed(filter)).toBe(true)
})

test('a search of blanks is none', () => {
  expect(wantedOf({ ...plain, q: '  ' })).toEqual({})
  expect(isNarrowed({ ...plain, q: ' ' })).toBe(false)
})

test('every filter is read from the address as it was written', () => {
  const filters = fc.record<TaskFilter>({
    statuses: fc.subarray([...statuses]),
    node: fc.option(fc.string({ minLength: 1, maxLength: 20 })),
    batchId: fc.constant('123'),
    owner: fc.option(fc.stringMatching(/^[a-z_][a-z0-9_-]{0,31}$/)),
    q: fc.string({ minLength: 1, maxLength: 200 }).filter((text) => text.trim() !== ''),
    sort: fc.constantFrom(...taskSorts),
    order: fc.constantFrom('asc', 'desc'),
  })
  fc.assert(
    fc.property(filters, (filter) => {
      expect(readFilter(writeFilter(filter, { tab: 'x' }))).toEqual(filter)
      expect(readFilter(writeFilter(filter, {}, true), '123')).toEqual(filter)
    }),
  )
})
