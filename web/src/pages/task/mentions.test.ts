import fc from 'fast-check'
import { expect, it } from 'vitest'
import { partsOf } from './mentions.ts'

it('finds the tasks that a sentence names, and nothing else', () => {
  expect(partsOf('needs 8 cores on n3: 6 free, 2 held by task 2862199100044')).toEqual([
    { text: 'needs 8 cores on n3: 6 free, 2 held by ', taskId: null },
    { text: 'task 2862199100044', taskId: '2862199100044' },
  ])
  expect(partsOf('started again as task 7').every(({ taskId }) => taskId === null)).toBe(true)
  expect(partsOf('')).toEqual([])
})

it('leaves every sentence as it is', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('task ', '2862199100044', 'x', ' ')), (words) => {
      const sentence = words.join('')
      expect(
        partsOf(sentence)
          .map(({ text }) => text)
          .join(''),
      ).toBe(sentence)
    }),
  )
})
