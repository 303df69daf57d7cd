/** D-Bus messages: header and body, written and cut out of a byte stream (D-Bus Specification, "Message Format"). */
import { type DbusValue, MarshalError, Reader, Variant, Writer } from './marshal.ts'

export const messageTypes = { call: 1, reply: 2, error: 3, signal: 4 } as const

export interface Message {
  type: number
  serial: number
  path?: string
  interface?: string
  member?: string
  errorName?: string
  replySerial?: number
  destination?: string
  sender?: string
  signature: string
  body: DbusValue[]
}

/** What a caller says of a message to be sent. */
export interface Call {
  path: string
  interface: string
  member: string
  destination?: string | undefined
  signature?: string
  body?: DbusValue[]
}

/** systemd sends nothing near this; the specification allows 128 MiB. */
const maxMessageBytes = 16 * 1024 * 1024
const littleEndian = 0x6c

/** A method call as bytes. @throws MarshalError when the body does not fit its signature */
export function encodeCall(serial: number, call: Call): Buffer {
  const signature = call.signature ?? ''
  const body = new Writer()
  const types = signature
  writeBody(body, types, call.body ?? [])
  const header = new Writer(256)
  header.write('y', littleEndian)
  header.write('y', messageTypes.call)
  header.write('y', 0)
  header.write('y', 1)
  header.write('u', body.size)
  header.write('u', serial)
  const fields: DbusValue[] = [
    [1, new Variant('o', call.path)],
    [2, new Variant('s', call.interface)],
    [3, new Variant('s', call.member)],
  ]
  if (call.destination !== undefined) fields.push([6, new Variant('s', call.destination)])
  if (signature !== '') fields.push([8, new Variant('g', signature)])
  header.write('a(yv)', fields)
  header.align(8)
  header.raw(body.bytes())
  return header.bytes()
}

function writeBody(writer: Writer, signature: string, body: DbusValue[]): void {
  if (signature === '') return
  // a body is marshalled like the fields of a struct, and starts at an aligned place
  writer.write(`(${signature})`, body)
}

/** Cuts messages out of a stream of bytes, however it is fragmented. */
export class MessageParser {
  private pending: Buffer = Buffer.alloc(0)

  /** @throws MarshalError for bytes that are no D-Bus message */
  push(chunk: Buffer): Message[] {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk])
    const messages: Message[] = []
    for (;;) {
      const size = sizeOf(this.pending)
      if (size === null || this.pending.length < size) return messages
      messages.push(decode(this.pending.subarray(0, size)))
      this.pending = this.pending.subarray(size)
    }
  }
}

/** Whole size of the message that begins here; null: not enough bytes to tell. */
function sizeOf(bytes: Buffer): number | null {
  if (bytes.length < 16) return null
  if (bytes[0] !== littleEndian) throw new MarshalError('not a little-endian D-Bus message')
  const bodySize = bytes.readUInt32LE(4)
  const fieldsSize = bytes.readUInt32LE(12)
  const size = 16 + fieldsSize + (-(16 + fieldsSize) & 7) + bodySize
  if (size > maxMessageBytes) throw new MarshalError(`a message of ${size} bytes is too large`)
  return size
}

function decode(bytes: Buffer): Message {
  const reader = new Reader(bytes)
  const [, type, , , , serial, fields] = reader.readAll('yyyyuua(yv)')
  const message: Message = { type: Number(type), serial: Number(serial), signature: '', body: [] }
  for (const field of fields as [number, Variant][]) setField(message, field[0], field[1].value)
  reader.align(8)
  message.body = reader.readAll(message.signature)
  return message
}

function setField(message: Message, code: number, value: DbusValue): void {
  switch (code) {
    case 1:
      message.path = String(value)
      break
    case 2:
      message.interface = String(value)
      break
    case 3:
      message.member = String(value)
      break
    case 4:
      message.errorName = String(value)
      break
    case 5:
      message.replySerial = Number(value)
      break
    case 6:
      message.destination = String(value)
      break
    case 7:
      message.sender = String(value)
      break
    case 8:
      message.signature = String(value)
      break
    default: // fields of later versions are to be ignored
  }
}
