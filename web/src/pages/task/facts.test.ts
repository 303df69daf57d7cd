import { describe, expect, it } from 'vitest'
import { cpuWords, zonedInstant } from './facts.ts'

describe('CPU time', () => {
  const ran = { startedAt: '2026-11-28T12:00:00Z', endedAt: '2026-11-28T12:00:10Z', cores: 4 }
  it.each([
    [18_000, '18 s, 1.8 of 4 cores on average'],
    [40_000, '40 s, 4 of 4 cores on average'],
    [100, '100 ms, hardly any of 4 cores on average'],
    [null, null],
  ])('of %s ms in ten seconds is told', (cpuTimeMs, words) =>
    expect(cpuWords({ ...ran, cpuTimeMs })).toBe(words),
  )

  it('has no average where there is hardly a time', () => {
    expect(cpuWords({ ...ran, endedAt: '2026-11-28T12:00:00.400Z', cpuTimeMs: 90 })).toBe('90 ms')
    expect(cpuWords({ ...ran, endedAt: null, cpuTimeMs: 90 })).toBe('90 ms')
  })
})

it('an instant says in which zone it is told', () => {
  expect(zonedInstant('2026-11-28T12:00:00Z')).toMatch(/^2026-11-2\d \d\d:\d\d:00 \S+/)
})
