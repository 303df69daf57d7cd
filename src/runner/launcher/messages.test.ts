import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changeableByOthers } from '../../platform/owned-path.ts'
import { LineReader } from './lines.ts'
import { readRequest } from './messages.ts'
import { uidOfPeer } from './peer.ts'

const spec = {
  ...{ command: 'id', arguments: [], env: {}, cwd: null, cores: 1, memoryBytes: null, timeoutMs: null },
  ...{ privateNetwork: false, privatePids: false },
}
const start = { n: 1, op: 'start', taskId: 1, attempt: 1, owner: 'alice', numaId: null, spec, extraEnv: {} }

describe('a request', () => {
  it('is what the schema names', () => {
    expect(readRequest(JSON.stringify(start))).toMatchObject({
      n: 1,
      request: { op: 'start', owner: 'alice' },
    })
    const secrets = { TOKEN: 'x' }
    expect(readRequest(JSON.stringify({ ...start, secrets })).request).toMatchObject({ secrets })
  })

  it.each([
    ['a local user', { ...start, user: 'root' }],
    ['an id of one', { ...start, uid: 0 }],
    ['a path of ours', { ...start, stdoutPath: '/etc/passwd' }],
    ['a property of a unit', { ...start, properties: [['User', 'root']] }],
    ['a property in what to run', { ...start, spec: { ...spec, User: 'root' } }],
    ['more than ids', { n: 1, op: 'usage', attempts: [{ taskId: 1, attempt: 1, path: '/' }] }],
    ['an id that is a path', { ...start, taskId: '../../etc' }],
    ['an owner that is none', { ...start, owner: 'Alice\n' }],
    [
      'how much of a log is kept',
      { n: 1, op: 'cut', taskId: 1, stream: 'stdout', size: 9, isLast: true, keptBytes: 0 },
    ],
    ['an unknown wish', { n: 1, op: 'exec', command: 'id' }],
  ])('with %s is refused, and not repeated', (_, request) => {
    expect(() => readRequest(JSON.stringify(request))).toThrow(
      /^the launcher was asked for something whose "[\w ]+" is not [\w ]+$/,
    )
  })
})

describe('the peer', () => {
  it('is the last part of the name that systemd gives the instance', () => {
    expect(uidOfPeer('5-194-997')).toBe(997)
    expect(uidOfPeer('5-194_2283-997')).toBe(997)
  })

  it('is nobody in any other name', () => {
    for (const name of [
      '',
      'unknown',
      '1-2',
      '5-194-',
      '5-194-997x',
      '5-10.0.0.1:1-10.0.0.2:2',
      '1-2-3-4',
      '1-2--1',
      '5-194-0x0',
    ])
      expect(() => uidOfPeer(name)).toThrow('does not tell who asks')
  })
})

describe('lines', () => {
  it('are the same however their bytes are parted', () => {
    const text = fc.string({ unit: 'binary' }).map((line) => line.replaceAll('\n', ''))
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 5 }),
        fc.array(fc.nat(40), { maxLength: 20 }),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
          const reader = new LineReader(1_000)
          const read = [...ends, bytes.length].flatMap((end, at) =>
            reader.feed(bytes.subarray(ends[at - 1] ?? 0, end)),
          )
          expect(read).toEqual(lines.map((line) => Buffer.from(line).toString()))
        },
      ),
    )
  })

  it('have a longest one', () => {
    const reader = new LineReader(10)
    expect(reader.feed(Buffer.from('0123456789\n'))).toEqual(['0123456789'])
    expect(() => reader.feed(Buffer.from('0123456789a'))).toThrow('longer than 10 bytes')
  })
})

it('what belongs to root alone cannot be changed by others; what lies in a common directory can', () => {
  expect(changeableByOthers('/etc/passwd')).toBeNull()
  expect(changeableByOthers('/tmp')).toBe('/tmp')
})
