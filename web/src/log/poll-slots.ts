/**
 * A browser has six connections to a host over HTTP/1.1, for all its tabs together, and each tab keeps one for the live
 * stream. So of all tabs only two may have a request that waits for a log to grow; the others ask again and again.
 */
const slots = ['hakuriver.poll.1', 'hakuriver.poll.2']
const taken = new Set<string>()

/** Runs with a place if one is free, else without: it is told which. */
export async function withPollSlot<T>(run: (mayWait: boolean) => Promise<T>): Promise<T> {
  for (const slot of slots) {
    if (taken.has(slot)) continue
    taken.add(slot)
    try {
      const done = await acrossTabs(slot, run)
      if (done !== null) return done.value
    } finally {
      taken.delete(slot)
    }
  }
  return run(false)
}

/** null: another tab has it. Without TLS a browser has no locks: then each tab counts for itself. */
async function acrossTabs<T>(
  slot: string,
  run: (mayWait: boolean) => Promise<T>,
): Promise<{ value: T } | null> {
  if (navigator.locks === undefined) return { value: await run(true) }
  return navigator.locks.request(slot, { ifAvailable: true }, async (lock) =>
    lock === null ? null : { value: await run(true) },
  )
}
