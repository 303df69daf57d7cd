import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isDeeperThan } from './json-depth.ts'

const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

test('the depth of every JSON text is that of its value', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6, stringUnit: 'binary' }), fc.nat(8), (text, most) => {
      expect(isDeeperThan(most, text)).toBe(depthOf(JSON.parse(text)) > most)
    }),
  )
})

test('texts with brackets and quotes in them are no deeper than they are', () => {
  expect(isDeeperThan(1, '["[[[\\"[[["]')).toBe(false)
  expect(isDeeperThan(1, '["\\\\",[]]')).toBe(true)
  expect(isDeeperThan(0, '"[')).toBe(false)
})

test('a megabyte of brackets takes one look at each until it is too deep', () => {
  expect(isDeeperThan(32, '['.repeat(1_000_000))).toBe(true)
  expect(isDeeperThan(32, '[]'.repeat(1_000_000))).toBe(false)
})
