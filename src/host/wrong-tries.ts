/** Counts wrong tries by address, so that nobody can guess for long. */
import type { Clock } from '../platform/clock.ts'

/** Wrong tries of one address in a minute. */
export const maxTries = 10
const triesMs = 60_000
const maxAddresses = 10_000

export class WrongTries {
  private readonly clock: Clock
  /** Addresses that were wrong lately, the earliest first. */
  private readonly byAddress = new Map<string, { count: number; endMs: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  mayTry(address: string): boolean {
    const tried = this.byAddress.get(networkOf(address))
    return tried === undefined || tried.endMs <= this.clock.monotonic() || tried.count < maxTries
  }

  wrong(address: string): void {
    const nowMs = this.clock.monotonic()
    const network = networkOf(address)
    const before = this.byAddress.get(network)
    if (before !== undefined && before.endMs > nowMs) {
      before.count += 1
      return
    }
    this.byAddress.delete(network)
    this.byAddress.set(network, { count: 1, endMs: nowMs + triesMs })
    const [oldest] = this.byAddress.keys()
    if (this.byAddress.size > maxAddresses && oldest !== undefined) this.byAddress.delete(oldest)
  }
}

/** Of IPv6 the first half: whoever has one address of a network has all of them (RFC 4291, section 2.5.4). */
function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [front = '', back = ''] = address.split('::')
  const [before, after] = [front, back].map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(Math.max(0, 8 - (before?.length ?? 0) - (after?.length ?? 0))).fill('0')
  return [...(before ?? []), ...zeros, ...(after ?? [])].slice(0, 4).join(':')
}
