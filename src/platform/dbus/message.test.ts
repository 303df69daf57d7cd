import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MarshalError, Variant } from './marshal.ts'
import { type Call, encodeCall, type Message, MessageParser, messageTypes } from './message.ts'

const call: Call = {
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
  member: 'StopUnit',
  destination: 'org.freedesktop.systemd1',
  signature: 'ss',
  body: ['hakuriver-task-1-1.service', 'replace'],
}

/** What PID 1 of systemd 252 sent over its private socket. */
const recorded = {
  jobRemoved: Buffer.from(
    '6c040101450000000e000000a200000001016f00190000002f6f72672f667265656465736b746f702f73797374656d64' +
      '310000000000000002017300200000006f72672e667265656465736b746f702e73797374656d64312e4d616e61676572' +
      '0000000000000000030173000a0000004a6f6252656d6f76656400000000000007017300180000006f72672e66726565' +
      '6465736b746f702e73797374656d643100000000000000000801670004756f7373000000000000003200000020000000' +
      '2f6f72672f667265656465736b746f702f73797374656d64312f6a6f622f3530000000000b0000007265632e73657276' +
      '6963650004000000646f6e6500',
    'hex',
  ),
  noSuchUnit: Buffer.from(
    '6c030101220000001600000067000000050175000200000004017300230000006f72672e667265656465736b746f702e' +
      '73797374656d64312e4e6f53756368556e6974000000000007017300180000006f72672e667265656465736b746f702e' +
      '73797374656d6431000000000000000008016700017300001d000000556e6974206e6f70652e73657276696365206e6f' +
      '74206c6f616465642e00',
    'hex',
  ),
  propertiesChanged: Buffer.from(
    '6c040101cd00000008000000c600000001016f003a0000002f6f72672f667265656465736b746f702f73797374656d64' +
      '312f756e69742f73797374656d645f32646a6f75726e616c645f3265736f636b6574000000000000020173001f000000' +
      '6f72672e667265656465736b746f702e444275732e50726f7065727469657300030173001100000050726f7065727469' +
      '65734368616e6765640000000000000007017300180000006f72672e667265656465736b746f702e73797374656d6431' +
      '0000000000000000080167000873617b73767d61730000001f0000006f72672e667265656465736b746f702e73797374' +
      '656d64312e536f636b657400580000000a000000436f6e74726f6c504944000175000000000000000600000052657375' +
      '6c7400017300000007000000737563636573730000000000030000005549440001750000ffffffff0300000047494400' +
      '01750000ffffffff490000000c000000457865635374617274507265000000000d000000457865635374617274506f73' +
      '740000000b0000004578656353746f70507265000c0000004578656353746f70506f737400',
    'hex',
  ),
}

/** What a parser makes of the bytes when they arrive in pieces of these lengths. */
function parseInPieces(bytes: Buffer, lengths: number[]): Message[] {
  const parser = new MessageParser()
  const found: Message[] = []
  let at = 0
  for (const length of lengths) {
    found.push(...parser.push(bytes.subarray(at, at + length)))
    at += length
  }
  return [...found, ...parser.push(bytes.subarray(at))]
}

describe('a call', () => {
  test('comes back as it was written', () => {
    expect(new MessageParser().push(encodeCall(7, call))).toEqual([
      { type: messageTypes.call, serial: 7, ...call },
    ])
  })

  test('without destination and body has neither', () => {
    const bytes = encodeCall(1, { path: '/', interface: 'a.b', member: 'C' })
    expect(new MessageParser().push(bytes)).toEqual([
      {
        type: messageTypes.call,
        serial: 1,
        path: '/',
        interface: 'a.b',
        member: 'C',
        signature: '',
        body: [],
      },
    ])
  })

  test('carries what StartTransientUnit takes', () => {
    const properties = [
      ['CPUQuotaPerSecUSec', new Variant('t', 2_000_000n)],
      ['ExecStartEx', new Variant('a(sasas)', [['/bin/sh', ['/bin/sh', 'x y'], ['no-env-expand']]])],
    ]
    const start = {
      ...call,
      signature: 'ssa(sv)a(sa(sv))',
      body: ['u.service', 'fail', properties, []] as never,
    }
    expect(new MessageParser().push(encodeCall(9, start))[0]?.body).toEqual(start.body)
  })
})

describe('what systemd sent', () => {
  const sender = 'org.freedesktop.systemd1'

  test('a signal', () => {
    expect(new MessageParser().push(recorded.jobRemoved)).toEqual([
      {
        type: messageTypes.signal,
        serial: 14,
        path: '/org/freedesktop/systemd1',
        interface: 'org.freedesktop.systemd1.Manager',
        member: 'JobRemoved',
        sender,
        signature: 'uoss',
        body: [50, '/org/freedesktop/systemd1/job/50', 'rec.service', 'done'],
      },
    ])
  })

  test('an error', () => {
    expect(new MessageParser().push(recorded.noSuchUnit)).toEqual([
      {
        type: messageTypes.error,
        serial: 22,
        errorName: 'org.freedesktop.systemd1.NoSuchUnit',
        replySerial: 2,
        sender,
        signature: 's',
        body: ['Unit nope.service not loaded.'],
      },
    ])
  })

  test('changed properties', () => {
    const [message] = new MessageParser().push(recorded.propertiesChanged)
    expect(message?.body).toEqual([
      'org.freedesktop.systemd1.Socket',
      [
        ['ControlPID', new Variant('u', 0)],
        ['Result', new Variant('s', 'success')],
        ['UID', new Variant('u', 0xffffffff)],
        ['GID', new Variant('u', 0xffffffff)],
      ],
      ['ExecStartPre', 'ExecStartPost', 'ExecStopPre', 'ExecStopPost'],
    ])
  })
})

describe('a stream', () => {
  test('gives the same messages however it is cut', () => {
    const stream = Buffer.concat([
      encodeCall(1, call),
      encodeCall(2, { ...call, signature: '', body: [] }),
      encodeCall(3, call),
      recorded.jobRemoved,
    ])
    const whole = new MessageParser().push(stream)
    expect(whole.map((message) => message.serial)).toEqual([1, 2, 3, 14])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }), (lengths) => {
        expect(parseInPieces(stream, lengths)).toEqual(whole)
      }),
    )
    expect(
      parseInPieces(
        stream,
        Array.from(stream, () => 1),
      ),
    ).toEqual(whole)
  })

  test('of another byte order or version is refused', () => {
    const bytes = encodeCall(1, call)
    bytes[0] = 'B'.charCodeAt(0)
    expect(() => new MessageParser().push(bytes)).toThrow(MarshalError)
  })

  test('with a message beyond the bound is refused before it is stored', () => {
    const bytes = Buffer.from(encodeCall(1, call))
    bytes.writeUInt32LE(100 * 1024 * 1024, 4)
    expect(() => new MessageParser().push(bytes.subarray(0, 16))).toThrow(/too large/)
  })

  test('of noise is refused or waited for, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 200 }), (noise) => {
        noise[0] = 0x6c
        try {
          new MessageParser().push(Buffer.from(noise))
        } catch (error) {
          expect(error).toBeInstanceOf(MarshalError)
        }
      }),
    )
  })
})
