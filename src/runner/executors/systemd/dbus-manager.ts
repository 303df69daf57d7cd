/**
 * systemd over one open D-Bus connection. As root that is PID 1's own socket, as a user that of the user
 * manager: fewer hops than the message bus, and every signal comes unasked (org.freedesktop.systemd1(5)).
 */

import { attemptOfUnit } from '../../../core/unit-name.ts'
import { DbusError } from '../../../platform/dbus/connection.ts'
import type { DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import type { Message } from '../../../platform/dbus/message.ts'
import type { Fence } from '../executor.ts'
import { type FenceOptions, openSystemdFence } from './fence.ts'
import type { StartOutcome, UnitEvents, UnitManager } from './manager.ts'
import type { UnitFacts } from './record.ts'
import { isUnknownOutcome, SystemdConnection } from './systemd-connection.ts'
import { slice, type UnitPlan, unitPattern, unitProperties } from './unit.ts'
import { noFacts, pathOfUnit, takeFacts, unitOfPath } from './unit-facts.ts'

export interface DbusManagerOptions {
  socketPath: string
  /** Default `private`. On a `bus` others than root can watch, but not start or stop. */
  kind?: 'private' | 'bus'
  events: UnitEvents
  log: (message: string, fields?: Record<string, unknown>) => void
  reconnectDelayMs?: (attempt: number) => number
}

export const noSuchUnit = 'org.freedesktop.systemd1.NoSuchUnit'
export const unitExists = 'org.freedesktop.systemd1.UnitExists'
const sigkill = 9

export class DbusUnitManager implements UnitManager {
  private readonly events: UnitEvents
  private connection!: SystemdConnection // set by open(), before anybody has the object
  /** What signals told of each unit that is watched. */
  private readonly facts = new Map<string, UnitFacts>()
  /** Units whose start job is not done yet. */
  private readonly starting = new Set<string>()
  /** Units that we asked to stop. */
  private readonly stopping = new Set<string>()
  private isReloading = false

  private constructor(options: DbusManagerOptions) {
    this.events = options.events
  }

  /** @throws DbusError when systemd cannot be reached */
  static async open(options: DbusManagerOptions): Promise<DbusUnitManager> {
    const manager = new DbusUnitManager(options)
    manager.connection = await SystemdConnection.open({
      socketPath: options.socketPath,
      kind: options.kind ?? 'private',
      onSignal: (message) => manager.onSignal(message),
      onReconnected: () => manager.onReconnected(),
      log: options.log,
      ...(options.reconnectDelayMs === undefined ? {} : { reconnectDelayMs: options.reconnectDelayMs }),
    })
    return manager
  }

  start(plan: UnitPlan): Promise<StartOutcome> {
    return this.startBy(plan.name, async () => {
      await this.connection.manager('StartTransientUnit', 'ssa(sv)a(sa(sv))', [
        plan.name,
        'fail',
        unitProperties(plan),
        [],
      ])
    })
  }

  /** Watches a unit's start, however it is asked for. */
  async startBy(name: string, ask: () => Promise<void>): Promise<StartOutcome> {
    this.starting.add(name)
    this.facts.set(name, noFacts())
    try {
      await ask()
      return 'started'
    } catch (error) {
      this.starting.delete(name)
      if (error instanceof DbusError && error.errorName === unitExists) return 'exists'
      if (isUnknownOutcome(error)) return 'unknown'
      this.facts.delete(name)
      throw error
    }
  }

  stop(name: string): Promise<boolean> {
    return this.stopBy(name, async () => {
      await this.connection.manager('StopUnit', 'ss', [name, 'replace'])
    })
  }

  /** Watches a unit's stop, however it is asked for. @returns false where there is no such unit */
  async stopBy(name: string, ask: () => Promise<void>): Promise<boolean> {
    this.stopping.add(name)
    try {
      await ask()
      return true
    } catch (error) {
      this.stopping.delete(name)
      if (error instanceof DbusError && error.errorName === noSuchUnit) return false
      throw error
    }
  }

  async killAll(name: string): Promise<void> {
    try {
      await this.connection.manager('KillUnit', 'ssi', [name, 'all', sigkill])
    } catch (error) {
      if (!(error instanceof DbusError && error.errorName === noSuchUnit)) throw error
    }
  }

  async list(): Promise<Set<string>> {
    const [units] = await this.connection.manager('ListUnitsByPatterns', 'asas', [[], [unitPattern]])
    const rows = units as [name: string, description: string, loadState: string, ...rest: DbusValue[]][]
    const loaded = rows.filter(
      ([name, , loadState]) => loadState === 'loaded' && attemptOfUnit(name) !== null,
    )
    return new Set(loaded.map(([name]) => name))
  }

  async look(name: string): Promise<UnitFacts | null> {
    // watched before it is asked for: an end that comes between is told by its signal
    const facts = this.facts.get(name) ?? noFacts()
    this.facts.set(name, facts)
    try {
      // asking for properties would load a unit that is not there
      await this.connection.manager('GetUnit', 's', [name])
    } catch (error) {
      if (!(error instanceof DbusError && error.errorName === noSuchUnit)) throw error
      this.facts.delete(name)
      return null
    }
    takeFacts(facts, await this.connection.properties(pathOfUnit(name), ''))
    return facts
  }

  openFence(options: FenceOptions): Promise<Fence | null> {
    return openSystemdFence(this.connection, options)
  }

  cgroupOf(name: string): string {
    return `${this.connection.cgroupRoot}/${slice}/${name}`
  }

  close(): void {
    this.connection.close()
  }

  private onReconnected(): void {
    // their jobs may be done: nobody would say so again
    this.starting.clear()
    this.isReloading = false
    this.events.onReconnected()
  }

  private onSignal(message: Message): void {
    switch (message.member) {
      case 'PropertiesChanged':
        this.onProperties(message)
        break
      case 'JobNew':
        this.onJobNew(String(message.body[2]))
        break
      case 'JobRemoved':
        this.onJobRemoved(String(message.body[2]), String(message.body[3]))
        break
      case 'UnitRemoved':
        this.onUnitRemoved(String(message.body[0]))
        break
      case 'Reloading':
        this.onReloading(message.body[0] === true)
        break
      default: // UnitNew and such
    }
  }

  private onProperties(message: Message): void {
    const name = unitOfPath(message.path ?? '')
    const facts = name === null ? undefined : this.facts.get(name)
    if (name === null || facts === undefined) return
    const hadEnded = facts.endedAtMs !== null
    takeFacts(facts, message.body[1] as [string, Variant][])
    if (!hadEnded && facts.endedAtMs !== null) this.events.onMainExit(name, facts)
  }

  private onJobNew(name: string): void {
    // while it starts, the job is a start; later the only job that can come is a stop
    if (this.facts.get(name)?.activeState !== 'active' || this.starting.has(name)) return
    if (this.stopping.has(name)) return
    this.events.onStopJob(name)
  }

  private onJobRemoved(name: string, result: string): void {
    const facts = this.facts.get(name)
    if (!this.starting.delete(name) || facts === undefined || result !== 'done') return
    this.events.onStartDone(name, facts)
  }

  private onUnitRemoved(name: string): void {
    const facts = this.facts.get(name)
    if (facts === undefined || this.isReloading) return
    this.facts.delete(name)
    this.starting.delete(name)
    this.stopping.delete(name)
    this.events.onGone(name, facts)
  }

  /** While it reloads its files systemd forgets and finds again every unit, and says so. */
  private onReloading(isReloading: boolean): void {
    this.isReloading = isReloading
    if (!isReloading) this.events.onReconnected()
  }
}
