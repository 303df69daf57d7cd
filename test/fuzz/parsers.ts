/** Everything that reads what people and machines write: it is read or refused, never anything else, and in time. */
import fc from 'fast-check'
import { TomlError } from 'smol-toml'
import { createSseParser } from '../../src/cli/event-stream.ts'
import { AppError } from '../../src/core/errors.ts'
import { isDeeperThan } from '../../src/core/json-depth.ts'
import { bytePattern } from '../../src/core/log-search.ts'
import { taskSearch } from '../../src/core/search.ts'
import { splitShellWords } from '../../src/core/shell-words.ts'
import { parseWord } from '../../src/core/span.ts'
import { parseSubmitLine } from '../../src/core/submit-line.ts'
import { parseSweep, spanLines } from '../../src/core/sweep.ts'
import { parseTarget } from '../../src/core/target.ts'
import { cut, displayWidth, printable } from '../../src/core/text.ts'
import { parseDuration, parseSize } from '../../src/core/units.ts'
import { readCursor } from '../../src/host/cursor.ts'
import { LaxBody, LaxError } from '../../src/host/seed-routes/lax-body.ts'
import { createAnsiFilter, terminalText } from '../../src/platform/ansi.ts'
import { keysOf, linesOfKeys } from '../../src/platform/toml-lines.ts'
import { limits } from '../../src/protocol/limits.ts'
import { formOfJson } from '../../src/protocol/submit-json.ts'
import { parseRecord } from '../../src/runner/executors/systemd/record.ts'
import { readFromHost } from '../../src/runner/host-messages.ts'
import { parseRange } from '../../web/src/log/address.ts'
import { segmentsOf, stateAfter } from '../../web/src/log/ansi.ts'
import { nastyTexts } from './schema.ts'
import type { FuzzTarget } from './target.ts'

const listed = { sort: 'submitted', order: 'desc', isSearch: false } as const

/** Each takes any text. */
export const parsers: Record<string, (text: string) => unknown> = {
  size: parseSize,
  duration: parseDuration,
  target: parseTarget,
  span: parseWord,
  'lines of a span': spanLines,
  sweep: (text) => parseSweep(['echo', text, text], 'product'),
  'zipped sweep': (text) => parseSweep([text, text], 'zip'),
  'shell words': splitShellWords,
  'line of a submit': parseSubmitLine,
  'JSON of a submit': formOfJson,
  search: (text) => taskSearch(text.slice(0, limits.searchChars)),
  'search in a log': (text) => bytePattern(text.slice(0, limits.searchChars), false),
  cursor: (text) => readCursor(text, listed),
  'configuration file': (text) => keysOf(text.slice(0, 2_000)).size + linesOfKeys(text.slice(0, 2_000)).size,
  'message of the host': readFromHost,
  record: parseRecord,
  'lax body': (text) => new LaxBody(text).text('command'),
  events: (text) => createSseParser().push(text),
  'terminal filter': (text) => createAnsiFilter(true).push(Buffer.from(text)),
  'terminal text': terminalText,
  'colours of a log': (text) => [segmentsOf(text), stateAfter(text, '')],
  'range of lines': parseRange,
  printable,
  width: displayWidth,
  cut: (text) => cut(text, 40),
  depth: (text) => isDeeperThan(32, text),
}

/** Pieces that mean something to one of them. */
const pieces = [
  ...nastyTexts.filter((text) => text.length < 100),
  '{', '}', '{1..5}', '{a,b}', '{1..9999999999}', '{01..10..2}', '{@file}', '{{', '}}', '..', ',', ':', '=', '"',
  "'", '\\', '$', '#', '[', ']', '[a]', '[[', 'a.b', '\n', '\r', '\t', ' ', '1', '0', '-', '+', '.', 'e', 'K', 'GiB',
  'ms', 'h', '1h30m', 'any', 'n1:0', ':', '\u001b[', '\u001b]', 'm', ';', '38;5;1', 'data: x', 'id: 1', 'd1.s.',
  'all', '"""', "'''", '1979-05-27', 'inf', 'true', 'null', 'hakuriver submit', '--', '-e', '--cores', '-t',
] // biome-ignore format: a list
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.json({ maxDepth: 4 }),
)

/** @throws what is neither an answer nor a refusal */
export function parseOrRefuse(parse: (text: string) => unknown, text: string): void {
  try {
    parse(text)
  } catch (error) {
    // of the library that reads TOML: who reads a configuration file makes an AppError of it
    const isRefusal = error instanceof AppError || error instanceof LaxError || error instanceof TomlError
    if (!isRefusal) throw error
    if (error instanceof AppError && !/\S/.test(error.message)) throw new Error('a refusal without a word')
  }
}

export const parserTarget: FuzzTarget = {
  name: 'parsers',
  runs: 20_000,
  async open() {
    const names = Object.keys(parsers)
    const property = fc.property(fc.constantFrom(...names), hostile, (name, text) => {
      const parse = parsers[name]
      if (parse !== undefined) parseOrRefuse(parse, text)
    })
    return { property: property as unknown as fc.IRawProperty<unknown>, close: async () => {} }
  },
}
