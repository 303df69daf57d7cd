import { describe, expect, it } from 'vitest'
import {
  beginOf,
  type ChartSeries,
  formatValue,
  lonely,
  momentLabel,
  newestKnown,
  summaryOf,
  thinned,
  tickLabel,
  timesOf,
  topOf,
} from './time-chart.ts'

const GiB = 1024 ** 3
const series = (values: (number | null)[], as: ChartSeries['as'] = 'line'): ChartSeries => ({
  label: 'Busy',
  values,
  as,
})

describe('values of a chart', () => {
  it('have their unit, and a dash where nothing is known', () => {
    expect(formatValue(36.21, 'cores')).toBe('36 cores')
    expect(formatValue(1, 'cores')).toBe('1 core')
    expect(formatValue(0.25, 'cores')).toBe('0.3 cores')
    expect(formatValue(1.5 * GiB, 'bytes')).toBe('1.5 GiB')
    expect(formatValue(41.6, 'percent')).toBe('42 %')
    expect(formatValue(3, 'tasks', true)).toBe('3')
    expect(formatValue(null, 'bytes')).toBe('–')
  })

  it('end below the top of the axis, which is never nothing', () => {
    expect(topOf([series([1, 10, null])], 'cores')).toBeGreaterThan(10)
    expect(topOf([series([null]), series([0])], 'cores')).toBe(1)
    expect(topOf([series([3])], 'percent')).toBe(100)
  })

  it('are drawn as points where nothing is known beside them', () => {
    expect(lonely([1, null, 2, 3, null, 4])).toEqual([0, 5])
    expect(lonely([null, 7, null])).toEqual([1])
    expect(lonely([])).toEqual([])
  })

  it('begin where something is known of one of them, but for the last few', () => {
    expect(
      beginOf(
        [
          [null, null, 1, 2, 3],
          [null, 4, 4, 4, 4],
        ],
        2,
      ),
    ).toBe(1)
    expect(beginOf([[null, null, null, null, 1]], 3)).toBe(2)
    expect(beginOf([[null, null]], 1)).toBe(1)
    expect(beginOf([[1, null]], 5)).toBe(0)
    expect(beginOf([], 5)).toBe(0)
  })

  it('become means of equal parts', () => {
    expect(thinned([1, 3, null, null, 5], 3)).toEqual([2, null, 5])
    expect(thinned([1, 2], 10)).toEqual([1, 2])
    expect(thinned([], 10)).toEqual([])
  })
})

describe('a chart in words', () => {
  it('tells range and newest value of each series, and the limit', () => {
    expect(summaryOf([series([12, 48, 36]), series([64, 64], 'limit')], 'cores')).toBe(
      'Busy: 12 to 48 cores, now 36 cores. Busy: 64 cores.',
    )
  })

  it('says what is not known', () => {
    expect(summaryOf([series([null, null])], 'cores')).toBe('Busy: nothing is known.')
    expect(summaryOf([series([4, null])], 'cores')).toBe('Busy: 4 to 4 cores, last known 4 cores.')
  })

  it('finds the newest step of which something is known, whatever the limit is', () => {
    expect(newestKnown([series([1, 2, null]), series([9, 9, 9], 'limit')])).toBe(1)
    expect(newestKnown([series([null])])).toBeNull()
    expect(newestKnown([])).toBeNull()
  })
})

describe('times of a chart', () => {
  const at = (text: string) => new Date(text).getTime()

  it('begin at the start and go on by steps', () => {
    expect(timesOf('2026-11-28T14:00:00.000Z', 10_000, 3).map((time) => time * 1000)).toEqual([
      at('2026-11-28T14:00:00Z'),
      at('2026-11-28T14:00:10Z'),
      at('2026-11-28T14:00:20Z'),
    ])
  })

  it('are hours on the axis, and dates at midnight or days apart', () => {
    expect(tickLabel(at('2026-11-28T14:00'), 3_600_000)).toBe('14:00')
    expect(tickLabel(at('2026-11-28T00:00'), 3_600_000)).toBe('28 Nov')
    expect(tickLabel(at('2026-11-28T14:00'), 86_400_000)).toBe('28 Nov')
  })

  it('are as exact as the steps', () => {
    expect(momentLabel(at('2026-11-28T14:05:30'), 10_000)).toBe('14:05:30')
    expect(momentLabel(at('2026-11-28T14:05:00'), 60_000)).toBe('14:05')
    expect(momentLabel(at('2026-11-28T14:00:00'), 3_600_000)).toBe('28 Nov 14:00')
  })
})
