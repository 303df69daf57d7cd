/** Ends a daemon as it should: the first SIGTERM or SIGINT in order, the second at once. */
import type { Log } from './log.ts'

/** Runs `close` on the first signal, and ends the process with 0 when it is done. */
export function closeOnSignals(close: () => Promise<void>, log: Log): void {
  let isClosing = false
  const onSignal = (signal: string) => {
    if (isClosing) process.exit(1)
    isClosing = true
    log.info({ signal }, 'Stopping')
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: String(error) }, 'Could not stop in order')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
