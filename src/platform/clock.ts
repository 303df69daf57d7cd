/** Time as host and runner see it: the machine's own, or one that a simulation turns. */
import { after } from './wait.ts'

export interface Clock {
  /** Milliseconds since the epoch. Somebody may set it forth and back. */
  now(): number
  /** Milliseconds of a clock that nobody can set; its zero means nothing. */
  monotonic(): number
  /** Calls back once after so long. @returns how to take that back */
  after(delayMs: number, action: () => void): () => void
  /** Calls back once all that has come in by now is handled. @returns how to take that back */
  soon(action: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after,
  soon: (action) => {
    const immediate = setImmediate(action)
    return () => clearImmediate(immediate)
  },
}
