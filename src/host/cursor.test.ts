import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { taskSorts } from '../protocol/choices.ts'
import { type ListedAs, type Position, readCursor, writeCursor } from './cursor.ts'

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 })
const list: fc.Arbitrary<ListedAs> = fc.record({
  sort: fc.constantFrom(...taskSorts),
  order: fc.constantFrom('asc', 'desc'),
  isSearch: fc.boolean(),
})
const position: fc.Arbitrary<Position> = fc.record({
  part: fc.constantFrom('ids', 'all'),
  place: fc.option(fc.record({ key: fc.option(fc.oneof(id, fc.constant(-5))), id })),
})

describe('a cursor', () => {
  it('is read back as it was written, and is short', () => {
    fc.assert(
      fc.property(list, position, (listed, at) => {
        fc.pre(at.place?.key !== null || !['submitted', 'ended'].includes(listed.sort))
        const cursor = writeCursor(listed, at)
        expect(readCursor(cursor, listed)).toEqual(at)
        expect(cursor.length).toBeLessThanOrEqual(100)
      }),
    )
  })

  it('of another list is refused', () => {
    fc.assert(
      fc.property(list, list, position, (listed, other, at) => {
        fc.pre(JSON.stringify(listed) !== JSON.stringify(other))
        expect(() => readCursor(writeCursor(listed, at), other)).toThrow(/sorted or searched otherwise/)
      }),
    )
  })

  it('that nobody gave out is refused', () => {
    const listed: ListedAs = { sort: 'submitted', order: 'desc', isSearch: false }
    const ours = writeCursor(listed, { part: 'all', place: { key: 5, id: 5 } })
    const keyless = writeCursor(listed, { part: 'all', place: { key: null, id: 5 } })
    for (const cursor of [keyless, '', '12', 'last', `${ours}=`, ` ${ours}`, ours.slice(1)])
      expect(() => readCursor(cursor, listed), cursor).toThrow(/not one that this host gave out/)
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => readCursor(text, listed)).toThrow()
      }),
    )
  })
})
