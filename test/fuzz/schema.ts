/** Values for a schema of the contract, as JSON texts: such as fit it, and such as nearly do. */
import fc from 'fast-check'
import type { TSchema } from 'typebox'

/** The keywords of JSON Schema that the contract uses. */
interface Keywords {
  type?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: TSchema[]
  properties?: Record<string, TSchema>
  required?: string[]
  patternProperties?: Record<string, TSchema>
  items?: TSchema
  minItems?: number
  maxItems?: number
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
}

/** Texts that mean something to whatever they may come to. */
export const nastyTexts = [
  '',
  "'; drop table tasks; --",
  '" or 1=1 --',
  "%' union select hash from tokens --",
  '%',
  '_',
  '\\',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\u202e',
  '\u001b]0;x\u0007',
  '\r\nX-Injected: 1',
  '../../../etc/passwd',
  '$HOME',
  '%n%n%s',
  '$(reboot)',
  '`reboot`',
  'any',
  'n1',
  'n1:0',
  '9007199254740993',
  '18446744073709551616',
  '-1',
  '1e309',
  'NaN',
  '١٢٣',
  '𝟙',
  'x'.repeat(300),
  'x'.repeat(70_000),
]

const nastyNumbers = [-1, 0, 0.5, 2 ** 31, 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 2 ** 63, 1e308, Number.MIN_VALUE]

/** A value that fits. `known`: texts that fit and mean something, by the pattern that they are to have. */
export function fitting(schema: TSchema, known: readonly string[]): fc.Arbitrary<unknown> {
  const of = schema as Keywords
  if ('const' in of) return fc.constant(of.const)
  if (of.enum !== undefined) return fc.constantFrom(...of.enum)
  if (of.anyOf !== undefined) return fc.oneof(...of.anyOf.map((each) => fitting(each, known)))
  switch (of.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return fc.integer({
        min: of.minimum ?? -5,
        max: Math.min(of.maximum ?? 1_000, (of.minimum ?? 0) + 1_000),
      })
    case 'string':
      return textFor(of, known)
    case 'array': {
      const { items = {} as TSchema, minItems = 0, maxItems = 3 } = of
      return fc.array(fitting(items, known), {
        minLength: minItems,
        maxLength: Math.max(minItems, Math.min(3, maxItems)),
      })
    }
    case 'object':
      return objectFor(of, known)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function textFor({ pattern, minLength = 0, maxLength = 1_000 }: Keywords, known: readonly string[]) {
  const fits = (text: string) =>
    text.length >= minLength &&
    text.length <= maxLength &&
    (pattern === undefined || new RegExp(pattern, 'u').test(text))
  const some = [...known, ...nastyTexts].filter(fits)
  const made =
    pattern === undefined
      ? fc.string({ unit: 'binary', minLength, maxLength: Math.min(maxLength, minLength + 12) })
      : fc.stringMatching(new RegExp(pattern))
  return some.length === 0 ? made : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...some) }, made)
}

function objectFor(
  { properties = {}, required = [], patternProperties }: Keywords,
  known: readonly string[],
) {
  const [values] = Object.values(patternProperties ?? {})
  if (values !== undefined)
    return fc.dictionary(
      fc.oneof(fc.constantFrom('A', 'PATH', '__proto__', 'constructor', ''), fc.string()),
      fitting(values, known),
      {
        maxKeys: 3,
      },
    )
  const parts = Object.fromEntries(
    Object.entries(properties).map(([key, each]) => [key, fitting(each, known)]),
  )
  return fc.record(parts, { requiredKeys: required.filter((key) => key in parts) })
}

const nasty = fc.oneof(
  fc.constantFrom<unknown>(...nastyTexts),
  fc.constantFrom<unknown>(...nastyNumbers),
  fc.constantFrom<unknown>(null, true, [], {}, [[]], [null], { a: {} }, [{}, {}]),
  fc.jsonValue({ maxDepth: 3 }),
)

/** What is done to a text of JSON so that it may not fit any more. */
const spoilings = fc.constantFrom<(text: string) => string>(
  (text) => text,
  (text) => text.slice(0, text.length >> 1),
  // a key twice: the last one counts, or nothing does
  (text) => text.replace('{', '{"specs":1,"ids":null,"reason":[],"name":{},"command":7,'),
  (text) => text.replace('{', '{"__proto__":{"admin":true},'),
  (text) => text.replace('{', '{"constructor":{"prototype":{"admin":true}},'),
  (text) => text.replace(/\d+/, '9007199254740993'),
  (text) => text.replace(/\d+/, '1e999'),
  (text) => text.replace(/\d+/, '-0'),
  (text) => text.replace(/"[^"]*"/, '"\\ud800"'),
  (text) => text.replace(/"[^"]*"/, '"\\u0000"'),
  (text) => `[${text}]`,
  (text) => `${text}${text}`,
  (text) => `\ufeff${text}`,
  (text) => `${'['.repeat(40)}${text}${']'.repeat(40)}`,
)

/** JSON texts around a schema: two of five fit. */
export function textsAround(schema: TSchema, known: readonly string[]): fc.Arbitrary<string> {
  const value = fitting(schema, known)
  const changed = fc.tuple(value, fc.nat(), nasty, fc.boolean()).map(([made, at, other, isGone]) => {
    const places = placesIn(made)
    return changeAt(made, places[at % places.length] ?? [], other, isGone)
  })
  const text = (made: fc.Arbitrary<unknown>) => made.map((each) => JSON.stringify(each) ?? 'null')
  return fc.oneof(
    { weight: 4, arbitrary: text(value) },
    { weight: 4, arbitrary: text(changed) },
    { weight: 2, arbitrary: fc.tuple(text(value), spoilings).map(([each, spoil]) => spoil(each)) },
  )
}

/** Every place in a value, as a path of keys. */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...path, name]))]
}

function changeAt(value: unknown, path: readonly string[], other: unknown, isGone: boolean): unknown {
  const [key, ...rest] = path
  if (key === undefined) return other
  const entries = Object.entries(value as object).flatMap(([name, inner]): [string, unknown][] => {
    if (name !== key) return [[name, inner]]
    return rest.length === 0 && isGone ? [] : [[name, changeAt(inner, rest, other, isGone)]]
  })
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries)
}
