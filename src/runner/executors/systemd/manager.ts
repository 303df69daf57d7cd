/** The part of systemd that the executor needs: starting, stopping and being told of units. */
import type { Fence } from '../executor.ts'
import type { FenceOptions } from './fence.ts'
import type { UnitFacts } from './record.ts'
import type { UnitPlan } from './unit.ts'

/** What a manager tells, as it happens. */
export interface UnitEvents {
  /** The unit's start is done: its script is executing. */
  onStartDone(name: string, facts: UnitFacts): void
  /** Someone other than us asked for the unit's stop. */
  onStopJob(name: string): void
  /** The main process has ended; the unit is being cleaned up. */
  onMainExit(name: string, facts: UnitFacts): void
  /** The unit is gone: nothing of it runs under systemd's eye any more. `facts`: what was last told of it. */
  onGone(name: string, facts: UnitFacts): void
  /** The connection was lost and is back: what happened between has to be asked for. */
  onReconnected(): void
}

/**
 * What became of a start. `unknown`: the connection went between request and answer; `onReconnected` will follow,
 * and then it can be found out.
 */
export type StartOutcome = 'started' | 'exists' | 'unknown'

export interface UnitManager {
  /** Starts a transient unit. @throws DbusError, AppError where systemd refuses it or cannot be reached */
  start(plan: UnitPlan): Promise<StartOutcome>
  /** Asks for the unit's stop. @returns false where there is no such unit */
  stop(name: string): Promise<boolean>
  /** Sends SIGKILL to all processes of the unit; nothing where there is no such unit. */
  killAll(name: string): Promise<void>
  /** Our units that are loaded. */
  list(): Promise<Set<string>>
  /** What systemd knows of a unit, and watches it from now on; null where it is not loaded. */
  look(name: string): Promise<UnitFacts | null>
  /** Path of the unit's cgroup below the mount point of a hierarchy. */
  cgroupOf(name: string): string
  /** Makes the fence of a runner here; null, or left out, where systemd cannot be trusted with it. */
  openFence?(options: FenceOptions): Promise<Fence | null>
  close(): void
}
