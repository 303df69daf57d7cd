/**
 * systemd over one open D-Bus connection. As root that is PID 1's own socket, as a user that of the user
 * manager: fewer hops than the message bus, and every signal comes unasked (org.freedesktop.systemd1(5)).
 */
import { DbusConnection, DbusError } from '../../../platform/dbus/connection.ts'
import type { DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import type { Message } from '../../../platform/dbus/message.ts'
import type { UnitEvents, UnitManager } from './manager.ts'
import type { UnitFacts } from './record.ts'
import { attemptOfUnit, slice, type UnitPlan, unitPattern, unitProperties } from './unit.ts'

const managerInterface = 'org.freedesktop.systemd1.Manager'
const managerPath = '/org/freedesktop/systemd1'
const unitPathPrefix = '/org/freedesktop/systemd1/unit/'

export interface DbusManagerOptions {
  socketPath: string
  events: UnitEvents
  log: (message: string, fields?: Record<string, unknown>) => void
  /** Waits before the n-th try to connect again, in milliseconds. */
  reconnectDelayMs?: (attempt: number) => number
}

export class DbusUnitManager implements UnitManager {
  private readonly options: DbusManagerOptions
  private connection: DbusConnection | null = null
  private reconnecting: NodeJS.Timeout | null = null
  private closed = false
  private cgroupRoot = ''
  /** What signals told of each of our units. */
  private readonly facts = new Map<string, UnitFacts>()
  /** Units whose start job is not done yet. */
  private readonly starting = new Set<string>()
  /** Units that we asked to stop. */
  private readonly stopping = new Set<string>()

  private constructor(options: DbusManagerOptions) {
    this.options = options
  }

  /** @throws DbusError when systemd cannot be reached */
  static async open(options: DbusManagerOptions): Promise<DbusUnitManager> {
    const manager = new DbusUnitManager(options)
    await manager.connect()
    return manager
  }

  async start(plan: UnitPlan): Promise<boolean> {
    this.starting.add(plan.name)
    this.facts.set(plan.name, noFacts())
    try {
      await this.call('StartTransientUnit', 'ssa(sv)a(sa(sv))', [plan.name, 'fail', unitProperties(plan), []])
      return true
    } catch (error) {
      this.starting.delete(plan.name)
      if (error instanceof DbusError && error.errorName === 'org.freedesktop.systemd1.UnitExists') return false
      this.facts.delete(plan.name)
      throw error
    }
  }

  async stop(name: string): Promise<boolean> {
    this.stopping.add(name)
    try {
      await this.call('StopUnit', 'ss', [name, 'replace'])
      return true
    } catch (error) {
      this.stopping.delete(name)
      if (error instanceof DbusError && error.errorName === 'org.freedesktop.systemd1.NoSuchUnit') return false
      throw error
    }
  }

  async list(): Promise<Map<string, UnitFacts>> {
    const [units] = await this.call('ListUnitsByPatterns', 'asas', [[], [unitPattern]])
    const names = (units as DbusValue[][]).map((unit) => String(unit[0])).filter((name) => attemptOfUnit(name) !== null)
    const found = new Map<string, UnitFacts>()
    for (const name of names) {
      const facts = await this.factsOf(name)
      if (facts === null) continue
      found.set(name, facts)
      this.facts.set(name, facts)
    }
    return found
  }

  cgroupOf(name: string): string {
    return `${this.cgroupRoot}/${slice}/${name}`
  }

  close(): void {
    this.closed = true
    if (this.reconnecting !== null) clearTimeout(this.reconnecting)
    this.connection?.close()
  }

  private async connect(): Promise<void> {
    this.connection = await DbusConnection.open({
      path: this.options.socketPath,
      isBus: false,
      onSignal: (message) => this.onSignal(message),
      onClose: (reason) => this.onClose(reason),
    })
    const [root] = await this.connection.call({
      path: managerPath,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      body: [managerInterface, 'ControlGroup'],
    })
    this.cgroupRoot = String((root as Variant).value).replace(/\/$/, '')
  }

  private onClose(reason: string): void {
    if (this.closed || this.reconnecting !== null) return
    this.options.log('Lost the connection to systemd, connecting again', { reason })
    this.scheduleReconnect(1)
  }

  private scheduleReconnect(attempt: number): void {
    const delayMs = this.options.reconnectDelayMs?.(attempt) ?? Math.min(50 * 2 ** attempt, 5_000)
    this.reconnecting = setTimeout(() => {
      this.connect().then(
        () => {
          this.reconnecting = null
          this.options.events.onReconnected()
        },
        (error: unknown) => {
          if (attempt === 1) this.options.log('Cannot reach systemd', { error: String(error) })
          if (!this.closed) this.scheduleReconnect(attempt + 1)
        },
      )
    }, delayMs)
  }

  private call(member: string, signature: string, body: DbusValue[]): Promise<DbusValue[]> {
    if (this.connection === null) throw new Error('not connected')
    return this.connection.call({ path: managerPath, interface: managerInterface, member, signature, body })
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
        this.onJobRemoved(String(message.body[2]))
        break
      case 'UnitRemoved':
        this.onUnitRemoved(String(message.body[0]))
        break
      default: // UnitNew, Reloading and such
    }
  }

  private onProperties(message: Message): void {
    const [interfaceName, changed] = message.body
    if (interfaceName !== 'org.freedesktop.systemd1.Service' && interfaceName !== 'org.freedesktop.systemd1.Unit') return
    const name = unitOfPath(message.path ?? '')
    const facts = name === null ? undefined : this.facts.get(name)
    if (name === null || facts === undefined) return
    const hadEnded = facts.endedAtMs !== null
    takeFacts(facts, changed as [string, Variant][])
    if (!hadEnded && facts.endedAtMs !== null) this.options.events.onMainExit(name, facts)
  }

  private onJobNew(name: string): void {
    // while it starts, the job is our start; later the only job that can come is a stop
    if (!this.facts.has(name) || this.starting.has(name) || this.stopping.has(name)) return
    this.options.events.onStopJob(name)
  }

  private onJobRemoved(name: string): void {
    if (this.starting.delete(name)) this.options.events.onStartDone(name)
  }

  private onUnitRemoved(name: string): void {
    const facts = this.facts.get(name)
    if (facts === undefined) return
    this.facts.delete(name)
    this.starting.delete(name)
    this.stopping.delete(name)
    this.options.events.onGone(name, facts)
  }

  private async factsOf(name: string): Promise<UnitFacts | null> {
    const path = `${unitPathPrefix}${escapeUnit(name)}`
    const facts = noFacts()
    for (const interfaceName of ['org.freedesktop.systemd1.Unit', 'org.freedesktop.systemd1.Service']) {
      const [properties] = (await this.connection?.call({
        path,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'GetAll',
        signature: 's',
        body: [interfaceName],
      })) ?? [[]]
      const pairs = properties as [string, Variant][]
      // a unit that is not loaded answers all the same, with the values of a success
      if (pairs.some(([key, variant]) => key === 'LoadState' && variant.value === 'not-found')) return null
      takeFacts(facts, pairs)
    }
    return facts
  }
}

function noFacts(): UnitFacts {
  return { activeState: '', result: '', mainCode: null, mainStatus: null, controlPid: 0, startedAtMs: null, endedAtMs: null }
}

function takeFacts(facts: UnitFacts, properties: [string, Variant][]): void {
  for (const [key, { value }] of properties) {
    if (key === 'ActiveState') facts.activeState = String(value)
    else if (key === 'Result') facts.result = String(value)
    else if (key === 'ExecMainCode') facts.mainCode = Number(value)
    else if (key === 'ControlPID') facts.controlPid = Number(value)
    else if (key === 'ExecMainStatus') facts.mainStatus = Number(value)
    else if (key === 'ExecMainStartTimestamp') facts.startedAtMs = milliseconds(value)
    else if (key === 'ExecMainExitTimestamp') facts.endedAtMs = milliseconds(value)
  }
}

/** Microseconds since the epoch, 0 for never. */
function milliseconds(value: DbusValue): number | null {
  return typeof value === 'bigint' && value > 0n ? Number(value / 1000n) : null
}

/** Bytes other than letters and digits are `_xx` in an object path (sd_bus_path_encode(3)). */
function escapeUnit(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, (char) => `_${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function unitOfPath(path: string): string | null {
  if (!path.startsWith(unitPathPrefix)) return null
  return path
    .slice(unitPathPrefix.length)
    .replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
