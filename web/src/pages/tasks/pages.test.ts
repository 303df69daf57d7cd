import { describe, expect, it } from 'vitest'
import { taskOf } from '../../api/builders.suite.ts'
import { held, type ListPage, PagePlaces, pageOf, rowsOf } from './pages.ts'

function page(ids: number[], next: string | null, given: Partial<ListPage> = {}): ListPage {
  const items = ids.map((id) => taskOf({ id: String(id) }))
  return { ...pageOf({ items, total: 9, next, begin: `begin-${ids[0]}`, looked: null }), ...given }
}

describe('places of pages', () => {
  it('tell how many rows are before what is loaded', () => {
    const places = new PagePlaces()
    places.note({ pages: [page([9, 8, 7], 'b'), page([6, 5], 'c')], pageParams: [null, 'b'] })
    expect(places.of('b')).toMatchObject({ rows: 3, before: null })
    expect(places.of('c')).toMatchObject({ rows: 5, before: 'b' })
    expect(places.of('elsewhere')).toMatchObject({ rows: 0, before: undefined })
    // the first page was let go
    places.note({ pages: [page([6, 5], 'c'), page([4], null)], pageParams: ['b', 'c'] })
    expect(places.of('b').rows).toBe(3)
    expect(places.extent).toBe(6)
  })

  it('find the page about a row', () => {
    const places = new PagePlaces()
    places.note({ pages: [page([9, 8, 7], 'b'), page([6, 5], 'c')], pageParams: [null, 'b'] })
    expect([0, 2, 3, 4, 5, 99].map((row) => places.nearest(row))).toEqual([null, null, 'b', 'b', 'c', 'c'])
  })

  it('add up what a search has looked at, also where it found nothing', () => {
    const places = new PagePlaces()
    const searched = [page([], 'b', { looked: 500 }), page([3], 'c', { looked: 200 })]
    places.note({ pages: searched, pageParams: [null, 'b'] })
    expect(places.of('c')).toMatchObject({ rows: 1, looked: 700 })
  })

  it('are not kept without end', () => {
    const places = new PagePlaces()
    for (let at = 0; at < 25_000; at += 1)
      places.note({ pages: [page([1], `p${at + 1}`)], pageParams: [at === 0 ? null : `p${at}`] })
    expect(places.of('p25000').rows).toBe(25_000)
    expect(places.of('p10').rows).toBe(0)
    expect(places.nearest(3)).toBeNull()
  })
})

describe('a list that is held still', () => {
  it('begins with what is first now', () => {
    const pages = [page([9, 8], 'b'), page([7], null)]
    expect(held({ pages, pageParams: [null, 'b'] })).toEqual({ pages, pageParams: ['begin-9', 'b'] })
  })

  it('is as it is where it is held, is elsewhere, or is empty', () => {
    expect(held({ pages: [page([9], null)], pageParams: ['begin-9'] })).toBeNull()
    expect(held({ pages: [page([], null, { begin: null })], pageParams: [null] })).toBeNull()
    expect(held({ pages: [], pageParams: [null] })).toBeNull()
  })

  it('knows that nothing is before it', () => {
    const places = new PagePlaces()
    const data = { pages: [page([9, 8], 'b'), page([7], null)], pageParams: [null, 'b'] }
    places.note(data)
    places.note(held(data) ?? data)
    expect(places.of('begin-9')).toMatchObject({ rows: 0, before: undefined })
    expect(places.of('b').before).toBe('begin-9')
  })
})

it('a task that is on two pages is one row', () => {
  expect(rowsOf([page([3, 2], 'b'), page([2, 1], null)]).map(({ id }) => id)).toEqual(['3', '2', '1'])
})
