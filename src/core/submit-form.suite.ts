/** Random forms, odd ones too. */
import fc from 'fast-check'
import type { SubmitForm } from './submit-form.ts'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', '-', '--', '-x', '--json', "it's", 'a\nb', '$HOME', '=', '#', '5', '-5', ' '),
)
const plainText = text.map((value) => value.replaceAll('span:', ''))
const variable = fc.constantFrom('A', 'B_2', '_x', '__proto__', 'PATH')

/** Words without spans behind a command. */
const words = fc
  .tuple(fc.constantFrom('true', './job.sh', 'a b', '-x', "'"), fc.array(plainText, { maxLength: 4 }))
  .map(([command, rest]) => [command, ...rest])
/** Spans of three values each, so that they can be paired. */
const spans = fc.constantFrom(
  'span:{1..3}',
  '--lr=span:[0.1,"a b",c]',
  'x-span:{A..C}-y',
  'span::literal',
  'plain',
)
const sweptWords = fc
  .tuple(words, fc.array(spans, { maxLength: 3 }))
  .map(([plain, swept]) => [...plain, ...swept])

const common = {
  targets: fc.array(fc.constantFrom('any', 'n1', 'n2:0', '-n', ''), { maxLength: 3 }),
  cores: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100_000 })),
  memoryBytes: fc.option(
    fc.oneof(
      fc.integer({ min: 1, max: 2 ** 53 - 1 }),
      fc.integer({ min: 1, max: 64 }).map((size) => size * 512 * 1024 ** 2),
      fc.integer({ min: 1, max: 64 }).map((size) => size * 1000 ** 3),
    ),
    { nil: null },
  ),
  timeoutMs: fc.option(
    fc.oneof(
      fc.integer({ min: 1, max: 315_360_000_000 }),
      fc.integer({ min: 1, max: 9999 }).map((seconds) => seconds * 1000),
    ),
    { nil: null },
  ),
  env: fc
    .array(fc.tuple(variable, text), { maxLength: 3 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
  secrets: fc
    .array(fc.tuple(variable, text), { maxLength: 3 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
  cwd: fc.option(text, { nil: null }),
  name: fc.option(text, { nil: null }),
  privateNetwork: fc.boolean(),
  privatePids: fc.boolean(),
  queue: fc.boolean(),
  requeue: fc.constantFrom(0, 1, 3, 7),
  allOrNothing: fc.boolean(),
}

export const forms: fc.Arbitrary<SubmitForm> = fc.oneof(
  fc.record({ ...common, words: fc.oneof(words, sweptWords), sweep: fc.constant(null) }),
  fc.record({ ...common, words: sweptWords, sweep: fc.constantFrom('product' as const, 'zip' as const) }),
)
