/**
 * When a lease is over. An attempt that may be started again elsewhere runs under a lease, which its node renews by
 * hearing the host and ends by itself: on the node `deadlineOf` counts from what it sent, on the host `isLeaseOver`
 * from its later answer, with a margin. So the old attempt has ended before the host lets the next one start. Both
 * count on clocks that nobody can set.
 */

/** From SIGTERM to SIGKILL, and for the stop to be carried out. */
const stopMs = 15_000
/** How far the rates of two clocks may differ. */
const rateDifference = 0.05

/** When a node has to end what is leased, on its own clock: so long after it sent what the host has answered last. */
export function deadlineOf(sentAtMs: number, leaseMs: number): number {
  return sentAtMs + leaseMs
}

/** How long after its last answer the host knows that a node has ended what is leased. */
export function leaseOverAfterMs(leaseMs: number): number {
  return Math.ceil(leaseMs * (1 + rateDifference)) + stopMs
}

/** Has the node ended what is leased? Both moments are on the host's own clock. */
export function isLeaseOver(answeredAtMs: number, nowMs: number, leaseMs: number): boolean {
  return nowMs - answeredAtMs > leaseOverAfterMs(leaseMs)
}
