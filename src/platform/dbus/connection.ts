/**
 * One open D-Bus connection over a Unix socket: method calls with deadlines, and signals. A call never hangs:
 * it is answered, late, or rejected because the connection is closed.
 */
import { connect, type Socket } from 'node:net'
import { type DbusValue, MarshalError } from './marshal.ts'
import { type Call, encodeCall, type Message, MessageParser, messageTypes } from './message.ts'

/** What the other side answered instead of a result, or why there is no answer. */
export class DbusError extends Error {
  override readonly name = 'DbusError'
  /** The error's D-Bus name, such as `org.freedesktop.systemd1.UnitExists`. */
  readonly errorName: string

  constructor(errorName: string, message: string) {
    super(message)
    this.errorName = errorName
  }
}

export const closedError = 'hakuriver.ConnectionClosed'
export const lateError = 'hakuriver.Timeout'

interface PendingCall {
  resolve: (body: DbusValue[]) => void
  reject: (error: DbusError) => void
  timer: NodeJS.Timeout
}

export interface ConnectOptions {
  /** Path of the socket. */
  path: string
  /** A message bus wants Hello first; a direct connection (systemd's private socket) does not. */
  isBus: boolean
  onSignal: (message: Message) => void
  /** Told once, however the connection ended; never of one that could not be opened. */
  onClose: (reason: string) => void
  deadlineMs?: number
}

const callDeadlineMs = 25_000

export class DbusConnection {
  private readonly socket: Socket
  private readonly parser = new MessageParser()
  private readonly pending = new Map<number, PendingCall>()
  private readonly options: ConnectOptions
  private serial = 0
  private authenticated = false
  private authLine = Buffer.alloc(0)
  /** Read, but not handed on yet. */
  private readonly inbox: Message[] = []
  private isPaused = false
  private closeReason: string | null = null
  private readonly ready: Promise<void>
  private isOpened = false
  private settleReady: { resolve: () => void; reject: (error: DbusError) => void } | null = null

  private constructor(options: ConnectOptions) {
    this.options = options
    this.ready = new Promise((resolve, reject) => {
      this.settleReady = { resolve, reject }
    })
    this.socket = connect(options.path)
    this.socket.on('data', (chunk) => this.receive(chunk))
    this.socket.on('error', (error) => this.end(error.message))
    this.socket.on('close', () => this.end('the other side closed the connection'))
    // AUTH and BEGIN in one write: systemd's private socket answers only then
    const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex')
    this.socket.write(`\0AUTH EXTERNAL ${uid}\r\nBEGIN\r\n`)
  }

  /** @throws DbusError when there is nobody, or no right to connect */
  static async open(options: ConnectOptions): Promise<DbusConnection> {
    const connection = new DbusConnection(options)
    const timer = setTimeout(() => connection.end('no answer to the greeting'), options.deadlineMs ?? 5_000)
    try {
      await connection.ready
      if (options.isBus) {
        const bus = 'org.freedesktop.DBus'
        await connection.call({
          destination: bus,
          path: '/org/freedesktop/DBus',
          interface: bus,
          member: 'Hello',
        })
      }
      connection.isOpened = true
    } catch (error) {
      connection.end('it could not be opened')
      throw error
    } finally {
      clearTimeout(timer)
    }
    return connection
  }

  get isOpen(): boolean {
    return this.closeReason === null
  }

  /** Calls a method. @throws DbusError with the answer's error name, `closedError` or `lateError` */
  async call(call: Call, deadlineMs = callDeadlineMs): Promise<DbusValue[]> {
    if (this.closeReason !== null) throw new DbusError(closedError, this.closeReason)
    this.serial = (this.serial % 0xfffffffe) + 1
    const serial = this.serial
    const bytes = encodeCall(serial, call)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(serial)
        reject(new DbusError(lateError, `${call.member} took longer than ${deadlineMs / 1000} s`))
      }, deadlineMs)
      this.pending.set(serial, { resolve, reject, timer })
      this.socket.write(bytes)
    })
  }

  close(): void {
    this.end('closed')
  }

  private receive(chunk: Buffer): void {
    const rest = this.authenticated ? chunk : this.authenticate(chunk)
    if (rest === null || rest.length === 0) return
    try {
      this.inbox.push(...this.parser.push(rest))
      this.handOn()
    } catch (error) {
      if (!(error instanceof MarshalError)) throw error
      this.end(error.message)
    }
  }

  /** Takes the line that answers AUTH; what follows it are messages. */
  private authenticate(chunk: Buffer): Buffer | null {
    this.authLine = Buffer.concat([this.authLine, chunk])
    const end = this.authLine.indexOf('\r\n')
    if (end < 0) {
      if (this.authLine.length > 4096) this.end('this is no D-Bus')
      return null
    }
    const line = this.authLine.toString('latin1', 0, end)
    if (!line.startsWith('OK')) {
      this.end(`not let in: ${line}`)
      return null
    }
    this.authenticated = true
    this.settleReady?.resolve()
    return this.authLine.subarray(end + 2)
  }

  /**
   * Hands messages on in their order: whoever awaits a reply goes on before the signals that came after it are
   * told, also where both came in one read.
   */
  private handOn(): void {
    while (!this.isPaused && this.isOpen) {
      const message = this.inbox.shift()
      if (message === undefined) return
      this.dispatch(message)
      if (message.type === messageTypes.signal || this.inbox.length === 0) continue
      this.isPaused = true
      setImmediate(() => {
        this.isPaused = false
        this.handOn()
      })
    }
  }

  private dispatch(message: Message): void {
    if (message.type === messageTypes.signal) {
      this.options.onSignal(message)
      return
    }
    const call = this.pending.get(message.replySerial ?? -1)
    if (call === undefined) return
    this.pending.delete(message.replySerial ?? -1)
    clearTimeout(call.timer)
    if (message.type === messageTypes.reply) call.resolve(message.body)
    else call.reject(new DbusError(message.errorName ?? 'unknown', String(message.body[0] ?? '')))
  }

  private end(reason: string): void {
    if (this.closeReason !== null) return
    for (const message of this.inbox.splice(0)) this.dispatch(message)
    this.closeReason = reason
    this.socket.destroy()
    const error = new DbusError(closedError, reason)
    this.settleReady?.reject(error)
    for (const call of this.pending.values()) {
      clearTimeout(call.timer)
      call.reject(error)
    }
    this.pending.clear()
    if (this.isOpened) this.options.onClose(reason)
  }
}
