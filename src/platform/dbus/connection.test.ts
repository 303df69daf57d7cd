import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { waitFor } from '../wait.ts'
import { closedError, DbusConnection, DbusError, lateError } from './connection.ts'
import { type DbusValue, Variant, Writer } from './marshal.ts'
import { type Message, MessageParser, messageTypes } from './message.ts'

const ping = { path: '/', interface: 'a.b', member: 'Ping' }

/** The other side of a connection: greets, keeps what it is asked, and answers when told to. */
class Peer {
  readonly server: Server
  readonly calls: Message[] = []
  greeting = 'OK 0123\r\n'
  heard = Buffer.alloc(0)
  socket: Socket | null = null
  onCall: (call: Message) => void = () => {}

  constructor(path: string) {
    this.server = createServer((socket) => this.accept(socket)).listen(path)
  }

  private accept(socket: Socket): void {
    this.socket = socket
    const parser = new MessageParser()
    let isGreeted = false
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      let rest = chunk
      if (!isGreeted) {
        this.heard = Buffer.concat([this.heard, chunk])
        const end = this.heard.indexOf('BEGIN\r\n')
        if (end < 0) return
        isGreeted = true
        if (this.greeting !== '') socket.write(this.greeting)
        rest = this.heard.subarray(end + 7)
      }
      for (const call of parser.push(rest)) {
        this.calls.push(call)
        this.onCall(call)
      }
    })
  }

  reply(call: Message, signature: string, body: DbusValue[]): void {
    this.send(messageTypes.reply, [[5, new Variant('u', call.serial)]], signature, body)
  }

  fail(call: Message, name: string, text: string): void {
    this.send(
      messageTypes.error,
      [
        [4, new Variant('s', name)],
        [5, new Variant('u', call.serial)],
      ],
      's',
      [text],
    )
  }

  signal(member: string, signature: string, body: DbusValue[]): void {
    this.send(
      messageTypes.signal,
      [
        [1, new Variant('o', '/')],
        [2, new Variant('s', 'a.b')],
        [3, new Variant('s', member)],
      ],
      signature,
      body,
    )
  }

  private send(type: number, fields: DbusValue[], signature: string, body: DbusValue[]): void {
    const content = new Writer()
    content.write(`(${signature})`, body)
    const header = new Writer()
    for (const byte of [0x6c, type, 0, 1]) header.write('y', byte)
    header.write('u', content.size)
    header.write('u', 1)
    header.write('a(yv)', [...fields, [8, new Variant('g', signature)]])
    header.align(8)
    header.raw(content.bytes())
    this.socket?.write(Buffer.from(header.bytes()))
  }
}

let directory: string
let path: string
let peer: Peer
let connection: DbusConnection | null
let signals: Message[]
let closings: string[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'dbus-'))
  path = join(directory, 'socket')
  peer = new Peer(path)
  connection = null
  signals = []
  closings = []
})

afterEach(() => {
  connection?.close()
  peer.socket?.destroy()
  peer.server.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: { isBus?: boolean; deadlineMs?: number } = {}): Promise<DbusConnection> {
  connection = await DbusConnection.open({
    path,
    isBus: false,
    onSignal: (message) => signals.push(message),
    onClose: (reason) => closings.push(reason),
    ...options,
  })
  return connection
}

describe('opening', () => {
  test('says who it is, in one write, and no Hello to a direct peer', async () => {
    await open()
    const uid = Buffer.from(String(process.getuid?.())).toString('hex')
    expect(peer.heard.toString()).toBe(`\0AUTH EXTERNAL ${uid}\r\nBEGIN\r\n`)
    expect(peer.calls).toEqual([])
  })

  test('says Hello to a message bus', async () => {
    peer.onCall = (call) => peer.reply(call, 's', [':1.1'])
    await open({ isBus: true })
    expect(peer.calls.map((call) => call.member)).toEqual(['Hello'])
  })

  test('fails where nobody listens', async () => {
    path = join(directory, 'nobody')
    await expect(open()).rejects.toMatchObject({ errorName: closedError })
    expect(closings).toEqual([])
  })

  test('fails where it is not let in', async () => {
    peer.greeting = 'REJECTED EXTERNAL\r\n'
    await expect(open()).rejects.toThrow(/not let in: REJECTED/)
  })

  test('fails where nothing is answered', async () => {
    peer.greeting = ''
    await expect(open({ deadlineMs: 30 })).rejects.toMatchObject({ errorName: closedError })
  })

  test('fails when Hello is not answered', async () => {
    await expect(open({ isBus: true, deadlineMs: 30 })).rejects.toMatchObject({ errorName: closedError })
  })

  test('takes a greeting and a message that arrive together', async () => {
    peer.greeting = ''
    const opening = open()
    await waitFor('the greeting', () => peer.heard.length > 0)
    peer.socket?.cork()
    peer.socket?.write('OK 0123\r\n')
    peer.signal('Early', 'u', [7])
    peer.socket?.uncork()
    await opening
    await waitFor('the signal', () => signals.length === 1)
  })
})

describe('calls', () => {
  test('are answered each with its own answer, in any order', async () => {
    const bus = await open()
    const answers = Promise.all([1, 2, 3].map((n) => bus.call({ ...ping, signature: 'u', body: [n] })))
    await waitFor('the calls', () => peer.calls.length === 3)
    for (const call of [...peer.calls].reverse()) peer.reply(call, 'su', ['pong', Number(call.body[0])])
    expect(await answers).toEqual([
      ['pong', 1],
      ['pong', 2],
      ['pong', 3],
    ])
  })

  test('are gone on with before the signals that came after the answer in one read', async () => {
    const opened = await open()
    peer.onCall = (call) => {
      peer.socket?.cork()
      peer.reply(call, 's', ['done'])
      peer.signal('Gone', 's', ['unit'])
      peer.signal('Late', 's', ['unit'])
      peer.socket?.uncork()
    }
    const seenBy = async () => {
      await opened.call(ping)
      return signals.map(({ member }) => member)
    }
    // as many steps as lie between a caller and the connection
    const wrapped = async () => await (async () => await seenBy())()
    expect(await wrapped()).toEqual([])
    await waitFor('the signals', () => signals.length === 2)
    expect(signals.map(({ member }) => member)).toEqual(['Gone', 'Late'])
  })

  test('that are refused carry the name of the error', async () => {
    const bus = await open()
    peer.onCall = (call) => peer.fail(call, 'org.freedesktop.systemd1.NoSuchUnit', 'Unit x not loaded.')
    const error = await bus.call(ping).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(DbusError)
    expect(error).toMatchObject({
      errorName: 'org.freedesktop.systemd1.NoSuchUnit',
      message: 'Unit x not loaded.',
    })
  })

  test('have a deadline, and a late answer disturbs nobody', async () => {
    const bus = await open()
    await expect(bus.call(ping, 20)).rejects.toMatchObject({ errorName: lateError })
    peer.reply(peer.calls[0] as Message, 's', ['late'])
    peer.onCall = (call) => peer.reply(call, 's', ['in time'])
    expect(await bus.call(ping)).toEqual(['in time'])
  })

  test('that are waiting are rejected when the other side goes', async () => {
    const bus = await open()
    const waiting = [bus.call(ping), bus.call(ping)]
    await waitFor('the calls', () => peer.calls.length === 2)
    peer.socket?.destroy()
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { errorName: closedError } })
    }
    expect(closings).toHaveLength(1)
  })

  test('after closing are rejected at once', async () => {
    const bus = await open()
    bus.close()
    await expect(bus.call(ping)).rejects.toMatchObject({ errorName: closedError })
    expect(closings).toEqual(['closed'])
    expect(bus.isOpen).toBe(false)
  })

  test('whose body does not fit are refused and leave nothing behind', async () => {
    const bus = await open()
    await expect(bus.call({ ...ping, signature: 'u', body: ['text'] })).rejects.toThrow(/number/)
    peer.onCall = (call) => peer.reply(call, 's', ['fine'])
    expect(await bus.call(ping)).toEqual(['fine'])
  })
})

describe('what arrives', () => {
  test('unasked is told in order', async () => {
    await open()
    for (let n = 0; n < 50; n++) peer.signal('Tick', 'u', [n])
    await waitFor('the signals', () => signals.length === 50)
    expect(signals.map((message) => message.body[0])).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })

  test('and is no D-Bus ends the connection', async () => {
    const bus = await open()
    const waiting = bus.call(ping)
    peer.socket?.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    await expect(waiting).rejects.toMatchObject({ errorName: closedError })
    expect(bus.isOpen).toBe(false)
  })
})
