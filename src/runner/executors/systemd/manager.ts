/** The part of systemd that the executor needs: starting, stopping and being told of units. */
import type { UnitFacts } from './record.ts'
import type { UnitPlan } from './unit.ts'

/** What a manager tells, as it happens. */
export interface UnitEvents {
  /** The unit's start is done: its script is executing, or could not be. */
  onStartDone(name: string): void
  /** Someone other than us asked for the unit's stop. */
  onStopJob(name: string): void
  /** The main process has ended; the unit is being cleaned up. */
  onMainExit(name: string, facts: UnitFacts): void
  /** The unit is gone: nothing of it runs under systemd's eye any more. `facts`: what was last told of it. */
  onGone(name: string, facts: UnitFacts | null): void
  /** The connection was lost and is back: what happened between has to be asked for. */
  onReconnected(): void
}

export interface UnitManager {
  /** Starts a transient unit. @returns false where a unit of this name is loaded already */
  start(plan: UnitPlan): Promise<boolean>
  /** Asks for the unit's stop. @returns false where there is no such unit */
  stop(name: string): Promise<boolean>
  /** Our units that are loaded, by name. */
  list(): Promise<Map<string, UnitFacts>>
  /** Path of the unit's cgroup below the mount point of a hierarchy. */
  cgroupOf(name: string): string
  close(): void
}
