/**
 * Wrong tokens and links by the address that sends them. Guessing leads nowhere anyway: all of them are at least 192
 * random bits. This bounds what a program costs that goes on with a wrong one. What is right is let through all the
 * same, or whoever sends wrong ones could lock all others behind the same address out.
 */
import { AppError } from '../core/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { networkOf } from './counts.ts'

/** Wrong tries of one address in a minute. */
export const maxTries = 10
const triesMs = 60_000
const maxAddresses = 10_000

/** Counts wrong tries by address. */
export class WrongTries {
  private readonly clock: Pick<Clock, 'monotonic'>
  private readonly log: Log | undefined
  /** Addresses that were wrong lately, the earliest first. */
  private readonly byNetwork = new Map<string, { count: number; endMs: number }>()

  constructor(clock: Pick<Clock, 'monotonic'>, log?: Log) {
    this.clock = clock
    this.log = log
  }

  /** Counts one. @returns how long the address is to wait, in whole seconds; null: it has not tried too often */
  wrong(address: string): number | null {
    const nowMs = this.clock.monotonic()
    const network = networkOf(address)
    const before = this.byNetwork.get(network)
    if (before !== undefined && before.endMs > nowMs) {
      before.count += 1
      if (before.count === maxTries + 1) this.log?.warn({ address }, 'Too many wrong tokens or links')
      return before.count > maxTries ? Math.ceil((before.endMs - nowMs) / 1000) : null
    }
    this.byNetwork.delete(network)
    this.byNetwork.set(network, { count: 1, endMs: nowMs + triesMs })
    const [oldest] = this.byNetwork.keys()
    if (this.byNetwork.size > maxAddresses && oldest !== undefined) this.byNetwork.delete(oldest)
    return null
  }

  /** The refusal of a wrong try, which is counted: `refusal`, or that it is one too many. */
  refuse(address: string, refusal: AppError): AppError {
    const waitSeconds = this.wrong(address)
    return waitSeconds === null ? refusal : tooManyTries(waitSeconds)
  }
}

function tooManyTries(retryAfterSeconds: number): AppError {
  return new AppError(
    'too_many',
    `too many wrong tokens or links came from this address: wait ${retryAfterSeconds} s before the next try; what is right is taken at once`,
    { details: { retryAfterSeconds } },
  )
}
