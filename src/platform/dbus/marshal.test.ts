import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  completeType,
  type DbusValue,
  MarshalError,
  Reader,
  splitSignature,
  Variant,
  Writer,
} from './marshal.ts'

interface Typed {
  type: string
  value: DbusValue
}

const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed())

function typed(type: string, values: fc.Arbitrary<DbusValue>): fc.Arbitrary<Typed> {
  return values.map((value) => ({ type, value }))
}

const basic: fc.Arbitrary<Typed> = fc.oneof(
  typed('y', fc.integer({ min: 0, max: 0xff })),
  typed('b', fc.boolean()),
  typed('n', fc.integer({ min: -0x8000, max: 0x7fff })),
  typed('q', fc.integer({ min: 0, max: 0xffff })),
  typed('i', fc.integer({ min: -0x80000000, max: 0x7fffffff })),
  typed('u', fc.integer({ min: 0, max: 0xffffffff })),
  typed('x', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  typed('t', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  typed('d', fc.double({ noNaN: true })),
  typed('s', text),
  typed('o', fc.constantFrom('/', '/org/freedesktop/systemd1')),
  typed('g', fc.constantFrom('', 'a{sv}', 'a(sasas)')),
)

/** Any value of any type, nested some levels deep. */
const anything = fc.letrec<{ value: Typed }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    basic,
    tie('value').map(({ type, value }): Typed => ({ type: 'v', value: new Variant(type, value) })),
    fc.array(tie('value'), { minLength: 1, maxLength: 4 }).map(
      (fields): Typed => ({
        type: `(${fields.map((field) => field.type).join('')})`,
        value: fields.map((field) => field.value),
      }),
    ),
    fc.tuple(tie('value'), fc.nat({ max: 3 })).map(
      ([item, count]): Typed => ({
        type: `a${item.type}`,
        value: Array.from({ length: count }, () => item.value),
      }),
    ),
    fc
      .tuple(text, tie('value'))
      .map(([key, item]): Typed => ({ type: `a{s${item.type}}`, value: [[key, item.value]] })),
  ),
})).value

describe('values', () => {
  test('come back as they were written, wherever they begin', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 5 }), fc.nat({ max: 7 }), (values, offset) => {
        const writer = new Writer(1)
        writer.raw(new Uint8Array(offset))
        for (const { type, value } of values) writer.write(type, value)
        const read = new Reader(writer.bytes(), offset).readAll(values.map(({ type }) => type).join(''))
        expect(read).toEqual(values.map(({ value }) => value))
      }),
    )
  })

  test('that end too early are refused, never read beyond', () => {
    fc.assert(
      fc.property(anything, fc.nat(), ({ type, value }, cut) => {
        const writer = new Writer()
        writer.write(type, value)
        fc.pre(writer.size > 0)
        const bytes = Buffer.from(writer.bytes().subarray(0, cut % writer.size))
        expect(() => new Reader(bytes).readAll(type)).toThrow(MarshalError)
      }),
    )
  })

  test('of noise are read or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), anything, (noise, { type }) => {
        try {
          new Reader(Buffer.from(noise)).readAll(type)
        } catch (error) {
          expect(error).toBeInstanceOf(MarshalError)
        }
      }),
    )
  })

  test.each([
    ['t', 1],
    ['u', 1n],
    ['u', -1],
    ['y', 256],
    ['s', 'a\0b'],
    ['s', 7],
    ['v', 'bare'],
    ['as', 'bare'],
    ['(ss)', ['one']],
  ] as [string, DbusValue][])('that do not fit "%s" are refused', (type, value) => {
    expect(() => new Writer().write(type, value)).toThrow(MarshalError)
  })
})

describe('signatures', () => {
  test('are split into complete types', () => {
    expect(splitSignature('sa{sv}a(sasas)(i(ss))v')).toEqual(['s', 'a{sv}', 'a(sasas)', '(i(ss))', 'v'])
    expect(completeType('aaib')).toBe('aai')
  })

  test.each(['a', '(', '(s', '{s', 'z', 'a{', '()', 'a()'])('"%s" is refused', (signature) => {
    expect(() => splitSignature(signature)).toThrow(MarshalError)
  })

  test('nested too deeply are refused', () => {
    expect(() => splitSignature(`${'a'.repeat(100)}y`)).toThrow(MarshalError)
    expect(() => splitSignature(`${'('.repeat(100)}y${')'.repeat(100)}`)).toThrow(MarshalError)
  })
})

test('variants nested too deeply are refused before the stack is used up', () => {
  const bytes = Buffer.from('017600'.repeat(100_000), 'hex')
  expect(() => new Reader(bytes).readAll('v')).toThrow(MarshalError)
})

test('the bytes are those of the specification', () => {
  const writer = new Writer()
  writer.write('y', 1)
  writer.write('(sv)', ['ab', new Variant('t', 5n)])
  expect(writer.bytes().toString('hex')).toBe(
    // byte, padding to 8, length 2 "ab" NUL, signature 1 "t" NUL, padding to 8, 5
    '0100000000000000' + '0200000061620001' + '7400000000000000' + '0500000000000000',
  )
})
