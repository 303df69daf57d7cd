import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AnsiFilter, createAnsiFilter, terminalJson, terminalText } from './ansi.ts'

const bytesOf = (text: string) => Buffer.from(text, 'latin1')
const utf8 = (text: string) => Buffer.from(text)

function shown(chunks: readonly Uint8Array[], keepColors = true): string {
  const filter = createAnsiFilter(keepColors)
  return Buffer.concat([...chunks.map((chunk) => filter.push(chunk)), filter.end()]).toString('latin1')
}

const color = new RegExp(`${'\x1b'}\\[[0-9;:]*m`, 'g')

/** C0, DEL and C1 in a text but for these. */
function controlsIn(text: string, besides: string): string[] {
  return [...text].filter((char) => /\p{Cc}/u.test(char) && !besides.includes(char))
}

/** Pieces of which sequences are made, and of which they are not. */
const pieces = [
  '\x1b', '\x1b[', '\x1b]', '\x1bP', '\x1b_', '\x1b^', '\x1bX', '\x1b\\', '\x1b(', '\x1bc', '\x1b[31m',
  '\x1b[0m', '\x1b[38;2;1;2;3m', '\x1b[>4;2m', '\x1b[2J', '\x1b]0;title\x07', '\x1b]52;c;aGk=\x1b\\', '\x9b',
  '\x9d', '\x90', '\x98', '\x9c', '\xc2', '\xc2\x9b', '\xc2\x9d', '\xe2', '\x82', '\xac', '\xe2\x82\xac',
  '\xf0\x9f\x98\x80', '\xed\xa0\x80', '\xc0\x80', '\x07', '\x08', '\x0e', '\x18', '\x1a', '\x7f', '\0', '\n', '\r',
  '\t', 'm', 'A', '0', ';', '?', 'text',
] // biome-ignore format: a table
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.uint8Array({ maxLength: 6 })), { maxLength: 40 })
  .map((parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? bytesOf(part) : part))))

/** The bytes, cut at these places. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
    bytes.length,
  ]
  return cuts.slice(1).map((to, at) => bytes.subarray(cuts[at], to))
}

describe('what a terminal sees of any bytes in any pieces', () => {
  it('is characters, line ends, tabs and colours, and nothing else', () => {
    fc.assert(
      fc.property(
        hostile,
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.boolean(),
        (bytes, places, keepColors) => {
          const text = Buffer.from(shown(cutAt(bytes, places), keepColors), 'latin1').toString()
          // whole characters: a replacement is one that was put there
          expect(Buffer.from(text).toString('latin1')).toBe(shown(cutAt(bytes, places), keepColors))
          const rest = keepColors ? text.replace(color, '') : text
          expect(controlsIn(rest, '\n\t\r')).toEqual([])
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it('is the same however they are cut', () => {
    fc.assert(
      fc.property(hostile, fc.array(fc.nat(), { maxLength: 12 }), (bytes, places) => {
        expect(shown(cutAt(bytes, places))).toBe(shown([bytes]))
        expect(shown([...bytes].map((byte) => Uint8Array.of(byte)))).toBe(shown([bytes]))
      }),
    )
  })

  it('is every honest text as it is', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((each) => !/[\p{Cc}]/u.test(each))
    fc.assert(
      fc.property(text, (each) => {
        expect(shown([utf8(each)])).toBe(utf8(each).toString('latin1'))
      }),
    )
  })

  it('ends in the colours that were there before', () => {
    expect(shown([utf8('\x1b[31mred')])).toBe('\x1b[31mred\x1b[0m')
    expect(shown([utf8('\x1b[31mred')], false)).toBe('red')
  })
})

it.each([
  ['a title', '\x1b]0;owned\x07after', 'after'],
  ['the clipboard', '\x1b]52;c;aGFja2Vk\x1b\\after', 'after'],
  ['a device string', '\x1bP$q"p\x1b\\after', 'after'],
  ['an application string, not ended', '\x1b_never ended\nafter', '\nafter'],
  ['a CSI of one byte', '\x9b2Jafter', '\xef\xbf\xbd2Jafter'],
  ['a CSI of one character', '\xc2\x9b2Jafter', 'after'],
  ['an OSC of one character', '\xc2\x9d0;owned\x07after', 'after'],
  ['a reset', '\x1bcafter', 'after'],
  ['a question to the terminal', '\x1b[6n\x1b[cafter', 'after'],
  ['a sequence within a sequence', '\x1b]0;\x1b]0;x\x07after', 'after'],
  ['an escape behind an escape', '\x1b\x1b]0;owned\x07after', 'after'],
  ['a colour that is none', '\x1b[>4;2mafter', 'after'],
  ['a colour without end', `\x1b[${'1;'.repeat(500)}mafter`, 'after'],
  ['what rubs out', 'ab\b\b\bcd', 'abcd'],
])('of %s nothing arrives', (_, given, expected) => {
  expect(shown([bytesOf(given)])).toBe(expected)
})

it('holds a bounded part of a sequence that never ends, and shows what comes behind', () => {
  const filter: AnsiFilter = createAnsiFilter(true)
  let after = 0
  for (let chunk = 0; chunk < 100; chunk += 1)
    after += filter.push(bytesOf(chunk === 0 ? `\x1b[${'1'.repeat(9_998)}` : '1'.repeat(10_000))).length
  expect(after).toBeGreaterThan(990_000)
})

it('a text of the host is shown without what would steer the terminal', () => {
  expect(terminalText('no node \x1b]0;owned\x07n1\u009b2J')).toBe('no node n1')
  expect(terminalText('\x1b[1mbold\x1b[22m ä €')).toBe('\x1b[1mbold\x1b[22m ä €\x1b[0m')
  expect(terminalText('lines\n\tas they are')).toBe('lines\n\tas they are')
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
      const shown = terminalJson(JSON.stringify(JSON.parse(text), null, 2))
      expect(controlsIn(shown, '\n')).toEqual([])
      expect(JSON.parse(shown)).toEqual(JSON.parse(text))
    }),
  )
})
