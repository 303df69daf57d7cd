import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deadlineOf, isLeaseOver, leaseOverAfterMs } from './lease.ts'

const stopMs = 10_000

describe('a lease', () => {
  it('is over on the host only once the node has ended what is leased, with a margin', () => {
    expect(leaseOverAfterMs(300_000)).toBe(330_000)
    expect(isLeaseOver(1_000, 331_000, 300_000)).toBe(false)
    expect(isLeaseOver(1_000, 331_001, 300_000)).toBe(true)
  })

  it('ends on the node first, whenever the answer came, and though the clocks run at different rates', () => {
    const times = fc.nat(1e7)
    const cases = fc.record({
      sentAt: times,
      answerMs: times,
      leaseMs: fc.integer({ min: 1_000, max: 1e7 }),
      // of the node's clock to the host's
      rate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
      waitMs: times,
    })
    fc.assert(
      fc.property(cases, ({ sentAt, answerMs, leaseMs, rate, waitMs }) => {
        const answeredAt = sentAt + answerMs
        const now = answeredAt + waitMs
        if (!isLeaseOver(answeredAt, now, leaseMs)) return
        // by the host's clock; the node's begins with what it sent
        const endedAt = sentAt + deadlineOf(0, leaseMs) / rate + stopMs
        expect(now).toBeGreaterThan(endedAt)
      }),
    )
  })
})
