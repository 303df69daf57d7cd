import { expect, test } from 'vitest'
import { exit } from '../core/builders.suite.ts'
import { mostTold, ToldEnds } from './told-ends.ts'

test('the newest ends are remembered, and a bounded number of them', () => {
  const ends = new ToldEnds()
  for (let at = 0; at < mostTold; at += 1) ends.add(`${at}-1`, exit({ exitCode: at % 256 }))
  ends.add('0-1', exit({ exitCode: 7 }))
  ends.add('one-more', exit())
  expect(ends.get('0-1')?.exitCode).toBe(7)
  expect(ends.get('1-1')).toBeNull()
  expect(ends.get('2-1')?.exitCode).toBe(2)
})
