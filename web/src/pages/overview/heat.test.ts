import { describe, expect, it } from 'vitest'
import { heatWords, inkOf, sharesOf, stripOf } from './heat.ts'

describe('the picture of node × time', () => {
  const item = { node: 'a', cpuPercent: [10, null, 90], coresAllocated: [4, null, 8], cores: 8 }

  it('shows what is busy or allocated, as a share of the cores', () => {
    expect(sharesOf(item, 'busy')).toEqual([10, null, 90])
    expect(sharesOf(item, 'allocated')).toEqual([50, null, 100])
    expect(sharesOf({ ...item, cores: 0 }, 'allocated')).toEqual([null, null, null])
  })

  it('goes from nearly the ground to the river', () => {
    expect(inkOf(0)).toContain(' 7%')
    expect(inkOf(100)).toContain(' 100%')
    expect(inkOf(130)).toBe(inkOf(100))
  })

  it('has a step for each value, joins those that are alike, and leaves gaps open', () => {
    expect(stripOf([50, 50, null, 100])).toBe(
      `linear-gradient(90deg, ${inkOf(50)} 0% 50%, transparent 50% 75%, ${inkOf(100)} 75% 100%)`,
    )
    expect(stripOf([])).toBe('none')
  })

  it('is told in words', () => {
    expect(heatWords([10, null, 90], 'busy')).toBe('50 % busy on average, 90 % at most, 90 % now')
    expect(heatWords([10, null], 'allocated')).toBe('10 % allocated on average, 10 % at most, not heard now')
    expect(heatWords([null], 'busy')).toBe('nothing was heard')
  })
})
