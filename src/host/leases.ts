/**
 * The leases that runners have of this host: when each was last answered, and whose lease is over. The clock is this
 * host's own and its start forgets all answers, so every lease counts anew from there.
 */
import { isLeaseOver } from '../core/lease.ts'
import { formatDuration } from '../core/units.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Cluster } from './cluster.ts'

export interface LeasesDeps {
  cluster: Pick<Cluster, 'leasedAttempts' | 'apply'>
  leaseMs: number
  clock: Pick<Clock, 'monotonic'>
  log: Log
}

export class Leases {
  readonly leaseMs: number
  private readonly deps: LeasesDeps
  private readonly startedAt: number
  /** By runner, not by node: one that comes with an empty disk does not speak for what the one before has started. */
  private readonly answeredAt = new Map<string, number>()

  constructor(deps: LeasesDeps) {
    this.deps = deps
    this.leaseMs = deps.leaseMs
    this.startedAt = deps.clock.monotonic()
  }

  /** Called before the runner is answered: its own lease then ends earlier than we think, never later. */
  answering(runnerId: string): void {
    this.answeredAt.set(runnerId, this.deps.clock.monotonic())
  }

  /** Lets go of what its node has ended by now, because it has not heard this host for the whole lease. */
  endThoseOver(): void {
    const { cluster, clock, log, leaseMs } = this.deps
    const now = clock.monotonic()
    for (const { taskId, attempt, node, runnerId } of cluster.leasedAttempts()) {
      if (!isLeaseOver(this.answeredAt.get(runnerId) ?? this.startedAt, now, leaseMs)) continue
      log.warn({ node, taskId, attempt }, 'The lease of an attempt ran out')
      const reason = `its lease ran out: ${node} was silent for more than ${formatDuration(leaseMs)}`
      cluster.apply(taskId, { type: 'node_lost', attempt, reason })
    }
  }
}
