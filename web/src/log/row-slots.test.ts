import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RowSlots } from './row-slots.ts'

it('uses rows again, but where that is not wanted', () => {
  const slots = new RowSlots()
  const rows = (first: number, mayReuse = true) => {
    slots.keep(first, first + 10, mayReuse)
    return Array.from({ length: 10 }, (_, at) => slots.of(first + at))
  }
  const before = rows(0)
  expect(rows(1_000).sort()).toEqual(before.sort())
  expect(rows(1_003).filter((row) => !before.includes(row))).toEqual([])
  expect(rows(1_006, false).filter((row) => !before.includes(row))).toHaveLength(3)
})

it('has a row for each line, the same as long as it is drawn', () => {
  const window = fc.record({
    first: fc.nat(300),
    length: fc.integer({ min: 1, max: 60 }),
    mayReuse: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(window, { maxLength: 30 }), (windows) => {
      const slots = new RowSlots()
      let before = new Map<number, number>()
      for (const { first, length, mayReuse } of windows) {
        slots.keep(first, first + length, mayReuse)
        const now = new Map(Array.from({ length }, (_, at) => [first + at, slots.of(first + at)]))
        expect(new Set(now.values()).size).toBe(length)
        for (const [line, slot] of now) if (before.has(line)) expect(before.get(line)).toBe(slot)
        before = now
      }
    }),
  )
})
