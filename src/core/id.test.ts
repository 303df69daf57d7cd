import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPlausibleId, nextId, parseId } from './id.ts'

const start2026 = Date.UTC(2026, 0, 1)

describe('nextId', () => {
  it('counts seconds since 2026 in steps of 100,000', () => {
    expect(nextId(0, start2026 + 5_999)).toBe(500_000)
    expect(nextId(500_000, start2026 + 5_999)).toBe(500_001)
  })

  it('goes on from the last id where the clock stands before 2026 or was set back', () => {
    expect(nextId(0, 0)).toBe(100_000)
    expect(nextId(9_000_000, start2026 + 1_000)).toBe(9_000_001)
  })

  it('stays below 2^53 for longer than anybody will run it', () => {
    expect(nextId(0, Date.UTC(2826, 0, 1))).toBeLessThan(2 ** 53)
  })

  it('always grows, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: start2026 * 2 }), { maxLength: 50 }), (clock) => {
        let last = 0
        for (const nowMs of clock) {
          const id = nextId(last, nowMs)
          expect(id).toBeGreaterThan(last)
          expect(Number.isSafeInteger(id)).toBe(true)
          expect(parseId(String(id))).toBe(id)
          last = id
        }
      }),
    )
  })
})

it('an id that no clock has given is not plausible', () => {
  expect([1, nextId(0, start2026), nextId(0, Date.UTC(3400, 0, 1))].every(isPlausibleId)).toBe(true)
  expect([0, -1, 1.5, Number.NaN, Number('9999999999999999'), 2 ** 53 - 1].some(isPlausibleId)).toBe(false)
})

describe('parseId', () => {
  it.each(['', '0', '-1', '1.5', '1e3', ' 1', '0x10', '9007199254740993', '12345678901234567', 'abc', '١'])(
    'refuses %j',
    (text) => expect(parseId(text)).toBeNull(),
  )

  it('reads the largest', () => expect(parseId('9007199254740991')).toBe(9_007_199_254_740_991))
})
