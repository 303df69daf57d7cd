/**
 * Refused calls of nobody that is known. A few a minute have a row each; the rest of that minute is one row together, so
 * that whoever knocks fills no disk and hides nothing: it is told how many there were, and from where.
 */
import type { AuditEntry } from '../core/audit.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'

/** Rows of their own in a minute. */
export const ownRows = 10
const minuteMs = 60_000
/** Addresses that are named. */
const mostAddresses = 5

export interface RefusedCallsDeps {
  write: (entry: AuditEntry) => Promise<void>
  clock: Clock
  log: Log
}

export class RefusedCalls {
  private readonly deps: RefusedCallsDeps
  private written = 0
  private counted = 0
  private addresses = new Set<string>()
  /** Ends the minute early; null: none is going on. */
  private cancel: (() => void) | null = null

  constructor(deps: RefusedCallsDeps) {
    this.deps = deps
  }

  /** Resolves when its row is on disk, or it is counted. */
  async take(entry: AuditEntry): Promise<void> {
    this.cancel ??= this.deps.clock.after(minuteMs, () => void this.endMinute())
    if (this.written < ownRows) {
      this.written += 1
      return this.deps.write(entry)
    }
    this.counted += 1
    if (this.addresses.size < mostAddresses && entry.address !== null) this.addresses.add(entry.address)
  }

  /** What was counted is written. */
  async close(): Promise<void> {
    this.cancel?.()
    await this.endMinute()
  }

  private async endMinute(): Promise<void> {
    const { counted, addresses } = this
    this.cancel = null
    this.written = 0
    this.counted = 0
    this.addresses = new Set()
    if (counted === 0) return
    try {
      await this.deps.write({
        atMs: this.deps.clock.now(),
        who: null,
        role: null,
        token: null,
        via: 'nobody',
        address: null,
        action: 'refusedCalls',
        target: [],
        details: { count: counted, addresses: [...addresses].join(' ') },
        result: 'unauthenticated',
      })
    } catch (error) {
      this.deps.log.warn({ counted, error: String(error) }, 'Refused calls could not be written down')
    }
  }
}
