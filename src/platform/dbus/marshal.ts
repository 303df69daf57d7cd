/**
 * D-Bus values to bytes and back, little-endian (D-Bus Specification, "Marshaling").
 * In JavaScript: 64-bit integers are bigint, arrays are arrays, dict entries are pairs, structs are arrays,
 * variants are `Variant`.
 */

export type DbusValue = boolean | number | bigint | string | Variant | DbusValue[]

/** A value that carries its own type. */
export class Variant {
  readonly signature: string
  readonly value: DbusValue
  constructor(signature: string, value: DbusValue) {
    this.signature = signature
    this.value = value
  }
}

/** Thrown for bytes that are no D-Bus message, and for values that do not fit their signature. */
export class MarshalError extends Error {
  override readonly name = 'MarshalError'
}

const alignments: Record<string, number> = {
  y: 1, b: 4, n: 2, q: 2, i: 4, u: 4, x: 8, t: 8, d: 8, s: 4, o: 4, g: 1, v: 1, a: 4, '(': 8, '{': 8,
} // biome-ignore format: a table

/** Containers within containers: the specification allows 32 arrays in 32 structs, and variants within variants. */
const maxDepth = 64

/** The first complete type of a signature, from an index on. @throws MarshalError where there is none */
export function completeType(signature: string, from = 0, depth = 0): string {
  const code = signature[from]
  if (code === undefined) throw new MarshalError(`the signature "${signature}" ends too early`)
  if (depth > maxDepth) throw new MarshalError('a type is nested too deeply')
  if (code === 'a') return `a${completeType(signature, from + 1, depth + 1)}`
  if (code !== '(' && code !== '{') {
    if (alignments[code] === undefined) throw new MarshalError(`unknown type "${code}" in "${signature}"`)
    return code
  }
  const close = code === '(' ? ')' : '}'
  let at = from + 1
  while (signature[at] !== close) at += completeType(signature, at, depth + 1).length
  // an empty struct would take no bytes, and an array of them would never end
  if (at === from + 1) throw new MarshalError(`an empty struct in "${signature}"`)
  return signature.slice(from, at + 1)
}

/** The types that stand one after the other in a signature. */
export function splitSignature(signature: string): string[] {
  const types: string[] = []
  for (let at = 0; at < signature.length; ) {
    const type = completeType(signature, at)
    types.push(type)
    at += type.length
  }
  return types
}

/** Writes values behind each other, each at its alignment. */
export class Writer {
  private buffer: Buffer
  private length = 0

  constructor(capacity = 512) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  get size(): number {
    return this.length
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  align(to: number): void {
    const padding = -this.length & (to - 1)
    this.reserve(padding)
    this.buffer.fill(0, this.length, this.length + padding)
    this.length += padding
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  /** @throws MarshalError when the value is not of the type */
  write(type: string, value: DbusValue): void {
    const code = type[0] ?? ''
    this.align(alignments[code] ?? 1)
    switch (code) {
      case 'y':
        this.number(1, (at) => this.buffer.writeUInt8(asWhole(type, value, 0, 0xff), at))
        break
      case 'b':
        this.number(4, (at) => this.buffer.writeUInt32LE(asBoolean(value) ? 1 : 0, at))
        break
      case 'n':
        this.number(2, (at) => this.buffer.writeInt16LE(asWhole(type, value, -0x8000, 0x7fff), at))
        break
      case 'q':
        this.number(2, (at) => this.buffer.writeUInt16LE(asWhole(type, value, 0, 0xffff), at))
        break
      case 'i':
        this.number(4, (at) => this.buffer.writeInt32LE(asWhole(type, value, -0x80000000, 0x7fffffff), at))
        break
      case 'u':
        this.number(4, (at) => this.buffer.writeUInt32LE(asWhole(type, value, 0, 0xffffffff), at))
        break
      case 'x':
        this.number(8, (at) =>
          this.buffer.writeBigInt64LE(asBigInt(type, value, -(2n ** 63n), 2n ** 63n - 1n), at),
        )
        break
      case 't':
        this.number(8, (at) => this.buffer.writeBigUInt64LE(asBigInt(type, value, 0n, 2n ** 64n - 1n), at))
        break
      case 'd':
        this.number(8, (at) => this.buffer.writeDoubleLE(asNumber(type, value), at))
        break
      case 's':
      case 'o':
        this.text(asString(type, value))
        break
      case 'g':
        this.signature(asString(type, value))
        break
      case 'v':
        this.variant(value)
        break
      case 'a':
        this.array(type.slice(1), asArray(type, value))
        break
      default:
        this.fields(splitSignature(type.slice(1, -1)), asArray(type, value))
    }
  }

  private variant(value: DbusValue): void {
    if (!(value instanceof Variant)) throw new MarshalError('a variant is wanted')
    this.signature(value.signature)
    this.write(value.signature, value.value)
  }

  private array(itemType: string, items: DbusValue[]): void {
    const lengthAt = this.length
    this.number(4, () => 0)
    this.align(alignments[itemType[0] ?? ''] ?? 1)
    const start = this.length
    for (const item of items) this.write(itemType, item)
    this.buffer.writeUInt32LE(this.length - start, lengthAt)
  }

  private fields(types: string[], values: DbusValue[]): void {
    if (types.length !== values.length) {
      throw new MarshalError(`${types.length} fields are wanted, not ${values.length}`)
    }
    types.forEach((type, index) => {
      this.write(type, values[index] as DbusValue) // as many as types: checked above
    })
  }

  private text(text: string): void {
    const size = Buffer.byteLength(text)
    this.number(4, (at) => this.buffer.writeUInt32LE(size, at))
    this.reserve(size + 1)
    this.buffer.write(text, this.length)
    this.buffer[this.length + size] = 0
    this.length += size + 1
  }

  private signature(text: string): void {
    this.reserve(text.length + 2)
    this.buffer[this.length] = text.length
    this.buffer.write(text, this.length + 1, 'latin1')
    this.buffer[this.length + 1 + text.length] = 0
    this.length += text.length + 2
  }

  private number(size: number, put: (at: number) => void): void {
    this.reserve(size)
    put(this.length)
    this.length += size
  }

  private reserve(size: number): void {
    if (this.length + size <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + size))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }
}

function asNumber(type: string, value: DbusValue): number {
  if (typeof value !== 'number') throw new MarshalError(`a number is wanted for "${type}"`)
  return value
}
function asWhole(type: string, value: DbusValue, min: number, max: number): number {
  if (!Number.isInteger(value) || asNumber(type, value) < min || asNumber(type, value) > max) {
    throw new MarshalError(`a whole number from ${min} to ${max} is wanted for "${type}"`)
  }
  return asNumber(type, value)
}
function asBigInt(type: string, value: DbusValue, min: bigint, max: bigint): bigint {
  if (typeof value !== 'bigint' || value < min || value > max) {
    throw new MarshalError(`a bigint from ${min} to ${max} is wanted for "${type}"`)
  }
  return value
}
function asBoolean(value: DbusValue): boolean {
  if (typeof value !== 'boolean') throw new MarshalError('a boolean is wanted for "b"')
  return value
}
function asString(type: string, value: DbusValue): string {
  if (typeof value !== 'string' || value.includes('\0')) {
    throw new MarshalError(`a text is wanted for "${type}"`)
  }
  return value
}
function asArray(type: string, value: DbusValue): DbusValue[] {
  if (!Array.isArray(value)) throw new MarshalError(`an array is wanted for "${type}"`)
  return value
}

/** Reads values in the order of a signature. */
export class Reader {
  private readonly buffer: Buffer
  private offset: number
  private depth = 0

  constructor(buffer: Buffer, offset = 0) {
    this.buffer = buffer
    this.offset = offset
  }

  align(to: number): void {
    this.offset += -this.offset & (to - 1)
  }

  /** @throws MarshalError when the bytes end too early */
  readAll(signature: string): DbusValue[] {
    return splitSignature(signature).map((type) => this.read(type))
  }

  read(type: string): DbusValue {
    const code = type[0] ?? ''
    this.align(alignments[code] ?? 1)
    switch (code) {
      case 'y':
        return this.buffer.readUInt8(this.take(1))
      case 'b':
        return this.buffer.readUInt32LE(this.take(4)) !== 0
      case 'n':
        return this.buffer.readInt16LE(this.take(2))
      case 'q':
        return this.buffer.readUInt16LE(this.take(2))
      case 'i':
        return this.buffer.readInt32LE(this.take(4))
      case 'u':
        return this.buffer.readUInt32LE(this.take(4))
      case 'x':
        return this.buffer.readBigInt64LE(this.take(8))
      case 't':
        return this.buffer.readBigUInt64LE(this.take(8))
      case 'd':
        return this.buffer.readDoubleLE(this.take(8))
      case 's':
      case 'o':
        return this.text(this.buffer.readUInt32LE(this.take(4)), 'utf8')
      case 'g':
        return this.text(this.buffer.readUInt8(this.take(1)), 'latin1')
      case 'v': {
        const signature = this.text(this.buffer.readUInt8(this.take(1)), 'latin1')
        if (completeType(signature) !== signature) throw new MarshalError(`a variant of type "${signature}"`)
        return this.nested(() => new Variant(signature, this.read(signature)))
      }
      case 'a':
        return this.nested(() => this.array(type.slice(1)))
      default:
        return this.nested(() => this.readAll(type.slice(1, -1)))
    }
  }

  private nested<T>(read: () => T): T {
    this.depth += 1
    if (this.depth > maxDepth) throw new MarshalError('a value is nested too deeply')
    const value = read()
    this.depth -= 1
    return value
  }

  private array(itemType: string): DbusValue[] {
    const size = this.buffer.readUInt32LE(this.take(4))
    this.align(alignments[itemType[0] ?? ''] ?? 1)
    const end = this.offset + size
    if (end > this.buffer.length) throw new MarshalError('an array reaches beyond its message')
    const items: DbusValue[] = []
    while (this.offset < end) items.push(this.read(itemType))
    return items
  }

  private text(size: number, encoding: 'utf8' | 'latin1'): string {
    const at = this.take(size + 1)
    return this.buffer.toString(encoding, at, at + size)
  }

  private take(size: number): number {
    const at = this.offset
    if (at + size > this.buffer.length) throw new MarshalError('the message ends too early')
    this.offset = at + size
    return at
  }
}
