import { expect, it, onTestFinished, vi } from 'vitest'
import { after } from './wait.ts'

const dayMs = 86_400_000

it('calls back after months, once, and not before', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let calls = 0
  after(60 * dayMs, () => {
    calls += 1
  })
  vi.advanceTimersByTime(60 * dayMs - 1)
  expect(calls).toBe(0)
  vi.advanceTimersByTime(1)
  expect(calls).toBe(1)
  vi.advanceTimersByTime(60 * dayMs)
  expect(calls).toBe(1)
})

it('can be stopped in every part of the wait', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const stop = after(60 * dayMs, () => expect.unreachable())
  vi.advanceTimersByTime(40 * dayMs)
  stop()
  vi.advanceTimersByTime(60 * dayMs)
})
