import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { formatPlacement, formatTarget, isNodeName, parseTarget, type Target } from './target.ts'

const letters = fc.constantFrom(...'abcXYZ019')
const label = fc.string({ unit: fc.constantFrom(...'abcXYZ019-'), maxLength: 20 })
const labels = fc.tuple(letters, label, letters).map((parts) => parts.join(''))
const names = fc
  .array(labels, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('.'))
  .filter((name) => name !== 'any')

const targets: fc.Arbitrary<Target> = fc.oneof(
  fc.constant<Target>({ kind: 'any' }),
  names.map((node): Target => ({ kind: 'node', node })),
  fc
    .tuple(names, fc.integer({ min: 0, max: 9999 }))
    .map(([node, numaId]): Target => ({ kind: 'numa', node, numaId })),
)

describe('parseTarget', () => {
  it('reads what formatTarget writes', () => {
    fc.assert(
      fc.property(targets, (target) => {
        expect(parseTarget(formatTarget(target))).toEqual(target)
      }),
    )
  })

  it('gives a target that reads back, or an AppError, for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const target = parseTarget(text)
          expect(parseTarget(formatTarget(target))).toEqual(target)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })

  it.each([
    '',
    ':',
    ':0',
    'node1:',
    'node1:x',
    'node1:-1',
    'node1:0:1',
    'node1::0',
    'node1:12345',
    'a b',
    'node1\n',
  ])('refuses %j and says what to write', (text) =>
    expect(() => parseTarget(text)).toThrow(/cannot read the target .* write any, a node/s),
  )

  it('knows no NUMA node of any', () =>
    expect(() => parseTarget('any:0')).toThrow(/"any" is not a host name/))
})

describe('isNodeName', () => {
  it.each(['node1', 'n', '7', 'a.b-c.D', `${'x'.repeat(63)}.lab`])('takes %j', (name) => {
    expect(isNodeName(name)).toBe(true)
  })

  it.each([
    '',
    'any',
    '-a',
    'a-',
    'a..b',
    '.a',
    'a.',
    'a_b',
    'a/b',
    '..',
    'ä',
    'x'.repeat(64),
    'a.'.repeat(127).concat('aa'),
  ])('refuses %j', (name) => expect(isNodeName(name)).toBe(false))
})

describe('formatPlacement', () => {
  it('names the NUMA node where there is one', () => {
    expect(formatPlacement({ node: 'n1', numaId: null })).toBe('n1')
    expect(formatPlacement({ node: 'n1', numaId: 0 })).toBe('n1:0')
  })
})
