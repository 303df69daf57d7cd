/**
 * Keeps one connection to a systemd manager: opens it, and opens it again after a daemon-reexec or a restart of
 * the message bus. A call waits for the connection to be back; a call that was on its way when it broke is told so.
 */
import { closedError, DbusConnection, DbusError, lateError } from '../../../platform/dbus/connection.ts'
import type { DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import type { Call, Message } from '../../../platform/dbus/message.ts'

const busName = 'org.freedesktop.DBus'
const systemdName = 'org.freedesktop.systemd1'
export const managerPath = '/org/freedesktop/systemd1'
export const managerInterface = 'org.freedesktop.systemd1.Manager'

export interface SystemdConnectionOptions {
  socketPath: string
  /** `private`: systemd's own socket. `bus`: a message bus that systemd is on; anybody may listen there. */
  kind: 'private' | 'bus'
  onSignal: (message: Message) => void
  onReconnected: () => void
  log: (message: string, fields?: Record<string, unknown>) => void
  /** Wait before the n-th try to connect again, in milliseconds. */
  reconnectDelayMs?: (attempt: number) => number
}

/** How long a call waits for a lost connection to be back. */
const connectionDeadlineMs = 30_000

export class SystemdConnection {
  private readonly options: SystemdConnectionOptions
  private connection: DbusConnection | null = null
  private timer: NodeJS.Timeout | null = null
  private isClosed = false
  private waiting = new Set<() => void>()
  /** Where this manager's cgroup lies; empty for PID 1 of a whole machine. */
  cgroupRoot = ''

  private constructor(options: SystemdConnectionOptions) {
    this.options = options
  }

  /** @throws DbusError when systemd cannot be reached */
  static async open(options: SystemdConnectionOptions): Promise<SystemdConnection> {
    const connection = new SystemdConnection(options)
    await connection.connect()
    return connection
  }

  /**
   * Calls a method of systemd.
   * @throws DbusError: systemd's own, or `closedError` where the connection is gone and stays so, or
   * `lateError` / `closedError` where it may or may not have been done (see `isUnknownOutcome`)
   */
  async call(call: Omit<Call, 'destination'>): Promise<DbusValue[]> {
    if (this.connection === null) await this.connected()
    const connection = this.connection
    if (connection === null) throw new DbusError(closedError, 'systemd cannot be reached')
    try {
      return await connection.call({ ...call, destination: this.destination })
    } catch (error) {
      if (!(error instanceof DbusError)) throw error
      // a systemd that does not answer is asked again from the start, so that nothing is missed
      if (error.errorName === lateError) this.drop(connection, 'systemd does not answer')
      throw error
    }
  }

  /** Calls a method of the manager object. */
  manager(member: string, signature: string, body: DbusValue[]): Promise<DbusValue[]> {
    return this.call({ path: managerPath, interface: managerInterface, member, signature, body })
  }

  /** Properties of an object; an empty interface means all (the sd-bus implementation does so). */
  async properties(path: string, interfaceName: string): Promise<[string, Variant][]> {
    const [pairs] = await this.call({
      path,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'GetAll',
      signature: 's',
      body: [interfaceName],
    })
    return pairs as [string, Variant][]
  }

  close(): void {
    this.isClosed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.connection?.close()
    this.connection = null
    this.wake()
  }

  private get destination(): string | undefined {
    return this.options.kind === 'bus' ? systemdName : undefined
  }

  private async connect(): Promise<void> {
    const connection = await DbusConnection.open({
      path: this.options.socketPath,
      isBus: this.options.kind === 'bus',
      onSignal: (message) => this.onSignal(message),
      onClose: (reason) => this.onClose(reason),
    })
    try {
      if (this.options.kind === 'bus') await this.subscribe(connection)
      const [root] = await connection.call({
        destination: this.destination,
        path: managerPath,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: [managerInterface, 'ControlGroup'],
      })
      this.cgroupRoot = String((root as Variant).value).replace(/\/$/, '')
    } catch (error) {
      connection.close()
      throw error
    }
    if (this.isClosed) connection.close()
    else this.connection = connection
  }

  /** On a message bus systemd says nothing unless asked, and asks the bus to pass it on. */
  private async subscribe(connection: DbusConnection): Promise<void> {
    const rules = [
      `type='signal',sender='${systemdName}',path_namespace='${managerPath}'`,
      `type='signal',sender='${busName}',member='NameOwnerChanged',arg0='${systemdName}'`,
    ]
    for (const rule of rules) {
      await connection.call({
        destination: busName,
        path: '/org/freedesktop/DBus',
        interface: busName,
        member: 'AddMatch',
        signature: 's',
        body: [rule],
      })
    }
    await connection.call({
      destination: systemdName,
      path: managerPath,
      interface: managerInterface,
      member: 'Subscribe',
    })
  }

  private onSignal(message: Message): void {
    const { connection } = this
    if (message.member === 'NameOwnerChanged' && connection !== null) {
      // systemd left the bus or came back to it: it has forgotten that we listen
      this.drop(connection, 'systemd left the message bus')
      return
    }
    this.options.onSignal(message)
  }

  private drop(connection: DbusConnection, reason: string): void {
    if (this.connection !== connection) return
    connection.close()
    this.onClose(reason)
  }

  private onClose(reason: string): void {
    if (this.isClosed || this.connection === null) return
    this.connection = null
    this.options.log('Lost the connection to systemd, connecting again', { reason })
    this.retry(1)
  }

  private retry(attempt: number): void {
    const delayMs = this.options.reconnectDelayMs?.(attempt) ?? Math.min(25 * 2 ** attempt, 5_000)
    this.timer = setTimeout(() => {
      this.timer = null
      this.connect().then(
        () => {
          if (this.isClosed) return
          this.options.log('Connected to systemd again', { attempt })
          this.wake()
          this.options.onReconnected()
        },
        (error: unknown) => {
          if (attempt === 1) this.options.log('Cannot reach systemd', { error: String(error) })
          if (!this.isClosed) this.retry(attempt + 1)
        },
      )
    }, delayMs)
  }

  private connected(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, this.isClosed ? 0 : connectionDeadlineMs)
      this.waiting.add(done)
    })
  }

  private wake(): void {
    for (const done of [...this.waiting]) done()
  }
}

/** Was the answer lost, so that the request may or may not have been carried out? */
export function isUnknownOutcome(error: unknown): boolean {
  return error instanceof DbusError && (error.errorName === closedError || error.errorName === lateError)
}
