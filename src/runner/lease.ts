/**
 * This node's lease: how long what may be started again elsewhere goes on here without a word of the host's. Each
 * answer renews it from the moment at which was sent what it answers; the executor's fence ends what outlives it,
 * also where this runner is dead or hangs.
 */
import { AppError } from '../core/errors.ts'
import { deadlineOf } from '../core/lease.ts'
import { formatDuration } from '../core/units.ts'
import type { Log } from '../platform/log.ts'
import type { Fence } from './executors/executor.ts'

export interface LeaseDeps {
  /** null: nothing leased can run here. */
  fence: Fence | null
  /** Is something leased going on here, beside this attempt? */
  isInUse: (besides: string | null) => boolean
  log: Log
}

/** The part of a lease after which the fence is moved: each heartbeat would only make work. */
const moveAfter = 1 / 8
/** So short before its deadline the fence is not moved any more: it could strike meanwhile. */
const lastMomentMs = 250

export class Lease {
  private readonly deps: LeaseDeps
  /** null: the host knows no leases. */
  private leaseMs: number | null = null
  /** When was sent what the host has answered last; null: nothing was. */
  private renewedAtMs: number | null = null
  private helloAtMs = 0
  private lastBeat = 0
  /** Heartbeats of this link that are not answered yet, and when they were sent. */
  private readonly sent = new Map<number, number>()
  private moving: Promise<void> = Promise.resolve()

  constructor(deps: LeaseDeps) {
    this.deps = deps
  }

  /** A hello is about to be sent. */
  onHello(): void {
    this.sent.clear()
    this.leaseMs = null
    this.helloAtMs = this.deps.fence?.now() ?? 0
  }

  /** The hello was answered. `leaseMs` is undefined where the host knows no leases. */
  onWelcome(leaseMs: number | undefined): void {
    this.leaseMs = leaseMs ?? null
    this.renew(this.helloAtMs)
  }

  /** A heartbeat is about to be sent. @returns the number to send with it; null: none */
  onBeat(): number | null {
    const { fence } = this.deps
    if (fence === null || this.leaseMs === null) return null
    this.lastBeat += 1
    this.sent.set(this.lastBeat, fence.now())
    return this.lastBeat
  }

  /** The host has heard a heartbeat, and so all before it. */
  onHeard(beat: number): void {
    const sentAtMs = this.sent.get(beat)
    if (sentAtMs === undefined) return
    for (const earlier of this.sent.keys()) if (earlier <= beat) this.sent.delete(earlier)
    this.renew(sentAtMs)
  }

  /**
   * Resolves when an attempt may start under the lease, with the fence behind it.
   * @throws AppError `unavailable` where the lease is over
   */
  async ready(attempt: string): Promise<void> {
    const { fence } = this.deps
    const deadlineMs = this.deadline()
    if (fence === null || this.leaseMs === null || deadlineMs === null)
      throw new AppError('unavailable', 'its node has no lease of the host')
    const words = `its node has not heard the host for ${formatDuration(this.leaseMs)}`
    if (fence.now() >= deadlineMs) throw new AppError('unavailable', words)
    if (this.isOver(fence, attempt))
      throw new AppError('unavailable', 'the lease before is over, and what ran under it is being ended')
    if (this.isBehind(fence, deadlineMs, this.leaseMs)) await this.move(deadlineMs, attempt)
    if (fence.now() >= (fence.deadlineMs ?? 0)) throw new AppError('unavailable', words)
  }

  private renew(sentAtMs: number): void {
    this.renewedAtMs = Math.max(sentAtMs, this.renewedAtMs ?? sentAtMs)
    const { fence, isInUse, log } = this.deps
    const deadlineMs = this.deadline()
    if (fence === null || deadlineMs === null || this.leaseMs === null || !isInUse(null)) return
    if (this.isOver(fence, null)) return
    if (!this.isBehind(fence, deadlineMs, this.leaseMs)) return
    this.move(deadlineMs, null).catch((error: unknown) =>
      // what runs is ended by the fence as it stands
      log.error({ error: String(error) }, 'The lease of tasks cannot be renewed'),
    )
  }

  /** Is it worth moving the fence? While nothing was leased it stood still. */
  private isBehind(fence: Fence, deadlineMs: number, leaseMs: number): boolean {
    return deadlineMs - (fence.deadlineMs ?? 0) >= leaseMs * moveAfter
  }

  private move(deadlineMs: number, besides: string | null): Promise<void> {
    const { fence } = this.deps
    const moved = this.moving.then(async () => {
      if (fence === null || this.isOver(fence, besides)) return
      if (deadlineMs > (fence.deadlineMs ?? 0)) await fence.arm(deadlineMs)
    })
    this.moving = moved.catch(() => {}) // told to who asked
    return moved
  }

  /** A lease that ran out is not revived: what ran under it has to end first. */
  private isOver(fence: Fence, besides: string | null): boolean {
    const { deadlineMs } = fence
    return deadlineMs !== null && fence.now() >= deadlineMs - lastMomentMs && this.deps.isInUse(besides)
  }

  private deadline(): number | null {
    if (this.renewedAtMs === null || this.leaseMs === null) return null
    return deadlineOf(this.renewedAtMs, this.leaseMs)
  }
}
