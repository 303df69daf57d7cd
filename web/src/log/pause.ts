/** Waits, that end at once when a signal says so. */

/** @throws the signal's reason */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** How long to wait after so many failures: from half a second to ten. */
export function backOffMs(failures: number): number {
  return Math.min(10_000, 500 * 2 ** Math.min(failures, 5))
}
