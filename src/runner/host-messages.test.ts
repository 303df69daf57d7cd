import fc from 'fast-check'
import { Check } from 'typebox/value'
import { describe, expect, test } from 'vitest'
import { AppError } from '../core/errors.ts'
import { FromHost } from '../protocol/link.ts'
import { readFromHost } from './host-messages.ts'

const integer = fc.maxSafeInteger()
const natural = fc.maxSafeNat()
const positive = natural.map((value) => Math.max(1, value))
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\0', '\ud800', '__proto__'),
)
const id = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 16 })
const attempt = fc.integer({ min: 1, max: 2 ** 40 })
/** The schema does not look at the value of a name with a line break: no host sends one. */
const key = fc
  .oneof(text, fc.constantFrom('constructor', 'toString', 'hasOwnProperty', 'PATH'))
  .filter((name) => !/[\n\r\u2028\u2029]/.test(name))

const specKeys = [
  'command',
  'arguments',
  'env',
  'cwd',
  'name',
  'cores',
  'memoryBytes',
  'timeoutMs',
  'privateNetwork',
  'privatePids',
  'queue',
] as const
const spec = fc.record(
  {
    command: text,
    arguments: fc.array(text, { maxLength: 4 }),
    env: fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true }),
    cwd: fc.option(text),
    name: fc.option(text),
    cores: positive,
    memoryBytes: fc.option(positive),
    timeoutMs: fc.option(positive),
    privateNetwork: fc.boolean(),
    privatePids: fc.boolean(),
    queue: fc.boolean(),
    requeue: natural,
  },
  { requiredKeys: [...specKeys] },
)

const logOfAttempt = {
  requestId: integer,
  taskId: id,
  attempt,
  stream: fc.constantFrom('stdout', 'stderr'),
}

const messages: Record<FromHost['type'], fc.Arbitrary<FromHost>> = {
  welcome: fc.record(
    {
      type: fc.constant('welcome'),
      version: integer,
      heartbeatMs: positive,
      leaseMs: positive,
      usageMs: positive,
      logViews: fc.boolean(),
      secrets: fc.boolean(),
    },
    { requiredKeys: ['type', 'version', 'heartbeatMs'] },
  ),
  renew: fc.record({ type: fc.constant('renew') }),
  heard: fc.record({ type: fc.constant('heard'), beat: natural.map((beat) => Math.max(1, beat)) }),
  refused: fc.record({ type: fc.constant('refused'), code: text, message: text, retry: fc.boolean() }),
  start: fc.record(
    {
      type: fc.constant('start'),
      taskId: id,
      attempt,
      batchId: id,
      spec,
      numaId: fc.option<number>(natural),
      owner: text.map((name) => name.slice(0, 32)),
      secrets: fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true }),
    },
    { requiredKeys: ['type', 'taskId', 'attempt', 'batchId', 'spec', 'numaId'] },
  ),
  kill: fc.record({ type: fc.constant('kill'), taskId: id, attempt }),
  ack: fc.record({ type: fc.constant('ack'), seq: integer }),
  log_read: fc.record({
    type: fc.constant('log_read'),
    ...logOfAttempt,
    offset: natural,
    limit: natural.map((limit) => Math.max(1, limit)),
    waitMs: natural,
  }),
  log_lines: fc.record({
    type: fc.constant('log_lines'),
    ...logOfAttempt,
    query: fc.record(
      { from: natural, offset: natural, tail: fc.boolean(), count: natural, waitMs: natural, seen: natural },
      { requiredKeys: [] },
    ),
  }),
  log_search: fc.record({
    type: fc.constant('log_search'),
    ...logOfAttempt,
    query: fc.record(
      { q: text, matchCase: fc.boolean(), offset: natural, limit: natural },
      { requiredKeys: ['q'] },
    ),
  }),
  log_cancel: fc.record({ type: fc.constant('log_cancel'), requestId: integer }),
}
const anyMessage = fc.oneof(...Object.values(messages))

/** What a reader gives, or the code of its refusal; any other error is thrown. */
function outcome(sent: string): { message: FromHost } | { refused: string } {
  try {
    return { message: readFromHost(sent) }
  } catch (error) {
    if (error instanceof AppError) return { refused: error.code }
    throw error
  }
}

type Json = Record<string, unknown>

/** Every place in a message, as a path of keys. */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...path, name]))]
}

function changed(value: unknown, path: string[], change: (holder: Json, name: string) => void): unknown {
  const root = { value: structuredClone(value) } as Json
  const [name = 'value', ...outer] = ['value', ...path].toReversed()
  const holder = outer.toReversed().reduce<Json>((inner, step) => inner[step] as Json, root)
  change(holder, name)
  return root.value
}

/** The schema takes whole numbers that are not exact; the runner does not. */
function withoutHugeNumbers(_: string, value: unknown): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? 1 : value
}

describe('messages of the host', () => {
  test.each(Object.entries(messages))('%s is read as it was sent', (_, message) => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(Check(FromHost, sent)).toBe(true)
        expect(readFromHost(JSON.stringify(sent))).toEqual(JSON.parse(JSON.stringify(sent)))
      }),
    )
  })

  test('a variable called __proto__ is a variable', () => {
    const sent = { ...fc.sample(messages.start, 1)[0] } as Extract<FromHost, { type: 'start' }>
    const json = JSON.stringify({ ...sent, spec: { ...sent.spec, env: 'ENV' } }).replace(
      '"ENV"',
      '{"__proto__":"x"}',
    )
    const read = readFromHost(json)
    expect(read.type === 'start' && Object.entries(read.spec.env)).toEqual([['__proto__', 'x']])
  })

  test('any text is read or refused, never anything else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.constantFrom('', 'null', '[]', '1', '{')),
        (sent) => {
          expect(outcome(sent)).toEqual({ refused: 'invalid_request' })
        },
      ),
      { numRuns: 500 },
    )
  })

  test('a message with one place changed is read where the protocol allows it, and refused or read otherwise', () => {
    const other = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>(
        '',
        '0',
        '-1',
        '1e3',
        '12345678901234567',
        'stdin',
        1.5,
        -1,
        0,
        null,
        true,
        [],
        {},
        [1],
        { a: 1 },
      ),
    )
    fc.assert(
      fc.property(anyMessage, fc.nat(), other, fc.boolean(), (sent, pick, value, isRemoved) => {
        const places = placesIn(sent)
        const place = places[pick % places.length] ?? []
        const made = changed(sent, place, (holder, name) => {
          if (isRemoved && !Array.isArray(holder)) delete holder[name]
          else holder[name] = value
        })
        const json = JSON.stringify(made, withoutHugeNumbers) ?? 'null'
        const read = outcome(json)
        if (Check(FromHost, JSON.parse(json))) expect(read).toEqual({ message: JSON.parse(json) })
        else if ('message' in read) expect(read.message.type).toBe(sent.type)
      }),
      { numRuns: 3_000 },
    )
  })

  test('a field of the wrong type is refused by its name', () => {
    const kill = { type: 'kill', taskId: '12', attempt: 1 }
    expect(readFromHost(JSON.stringify(kill))).toEqual(kill)
    const wrong: [Json, string][] = [
      [{ taskId: 12 }, 'taskId'],
      [{ taskId: '12345678901234567' }, 'taskId'],
      [{ taskId: '1\n' }, 'taskId'],
      [{ taskId: '../1' }, 'taskId'],
      [{ attempt: '1' }, 'attempt'],
      [{ attempt: 1.5 }, 'attempt'],
      [{ attempt: 2 ** 53 }, 'attempt'],
      [{ attempt: null }, 'attempt'],
    ]
    for (const [change, name] of wrong) {
      expect(() => readFromHost(JSON.stringify({ ...kill, ...change }))).toThrow(new RegExp(`"${name}"`))
    }
  })

  test('a field that a newer host adds is left out', () => {
    const sent = { type: 'ack', seq: 3, later: true }
    expect(readFromHost(JSON.stringify(sent))).toEqual({ type: 'ack', seq: 3 })
  })
})
