import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedList } from './sorted-list.ts'

type Step = { add: boolean; value: number }
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ add: fc.boolean(), value: fc.integer({ min: 0, max: 400 }) }),
  { maxLength: 400 },
)

it('holds what a sorted set holds, whatever is added and removed', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const list = new SortedList<number>((a, b) => a - b)
      const model = new Set<number>()
      for (const { add, value } of script) {
        expect(add ? list.add(value) : list.delete(value)).toBe(add ? !model.has(value) : model.has(value))
        if (add) model.add(value)
        else model.delete(value)
      }
      const sorted = [...model].sort((a, b) => a - b)
      expect([...list]).toEqual(sorted)
      expect([...list.backwards()]).toEqual([...sorted].reverse())
      expect(list.size).toBe(sorted.length)
      expect(list.first()).toBe(sorted[0])
      expect(list.firstWhere((value) => value >= 200)).toBe(sorted.find((value) => value >= 200))
    }),
  )
})

it('stays right over many chunks, filled in any order and emptied again', () => {
  const list = new SortedList<number>((a, b) => a - b)
  const values = Array.from({ length: 5_000 }, (_, at) => (at * 3_989) % 5_000)
  for (const value of values) list.add(value)
  expect([...list]).toEqual([...values].sort((a, b) => a - b))
  expect(list.firstWhere((value) => value > 4_321)).toBe(4_322)
  for (const value of values) expect(list.delete(value)).toBe(true)
  expect(list.first()).toBeUndefined()
  expect(list.size).toBe(0)
})
