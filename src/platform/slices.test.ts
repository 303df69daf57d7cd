import { expect, it } from 'vitest'
import { inSlices } from './slices.ts'

it('does all in order, and lets everything else have its turn in between', async () => {
  let turns = 0
  let isOver = false
  const turn = () => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const seen: number[] = []
  const results = await inSlices([1, 2, 3, 4, 5], 2, (item) => {
    seen.push(turns)
    return item === 3 ? [] : [item, -item]
  })
  isOver = true
  expect(results).toEqual([1, -1, 2, -2, 4, -4, 5, -5])
  const [first, second, third, fourth, fifth] = seen
  expect([second, fourth]).toEqual([first, third])
  expect(third).toBeGreaterThan(second ?? Number.NaN)
  expect(fifth).toBeGreaterThan(fourth ?? Number.NaN)
})
