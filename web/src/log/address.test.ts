import { describe, expect, it } from 'vitest'
import { extended, formatRange, isWithin, lineKey, parseRange, viewOf } from './address.ts'

describe('the address of a log', () => {
  it('names the stream; where both are shown each has a line of its own', () => {
    expect(viewOf({ stream: 'stderr' })).toBe('stderr')
    expect(viewOf({ stream: 'no such' })).toBe('stdout')
    expect(viewOf({})).toBe('stdout')
    expect([lineKey('both', 'stdout'), lineKey('both', 'stderr'), lineKey('stderr', 'stderr')]).toEqual([
      'line',
      'errline',
      'line',
    ])
  })

  it('names a line, or lines from one to another', () => {
    expect(parseRange('120')).toEqual({ from: 120, to: 120 })
    expect(parseRange('140-120')).toEqual({ from: 120, to: 140 })
    for (const wrong of ['0', '-3', 'x', '1-', '1,2', '', null, undefined, ['1'], '9'.repeat(13)])
      expect(parseRange(wrong)).toBeNull()
    expect(formatRange({ from: 3, to: 3 })).toBe('3')
    expect(parseRange(formatRange({ from: 3, to: 9 }))).toEqual({ from: 3, to: 9 })
  })

  it('extends to the line that is chosen last', () => {
    expect(extended(null, 5)).toEqual({ from: 5, to: 5 })
    expect(extended({ from: 5, to: 5 }, 9)).toEqual({ from: 5, to: 9 })
    expect(extended({ from: 5, to: 9 }, 7)).toEqual({ from: 5, to: 7 })
    expect(extended({ from: 5, to: 9 }, 2)).toEqual({ from: 2, to: 9 })
    expect(isWithin({ from: 5, to: 9 }, 9)).toBe(true)
    expect(isWithin({ from: 5, to: 9 }, 10)).toBe(false)
    expect(isWithin(null, 1)).toBe(false)
  })
})
