/** Sweeps: the combinations of all spans in the words of a command, made one by one. */
import { AppError } from './errors.ts'
import { type Axis, bareSpan, maxCount, type Part, parseWord, type SpanValue, textAxis } from './span.ts'
import { count } from './text.ts'

/** `product`: each with each, the last span fastest. `zip`: the first with the first, the second with the second. */
export type SweepMode = 'product' | 'zip'

/** One combination. A word that is nothing but one value, or `name=` and one value, keeps whether that is a number. */
export interface Combination {
  words: SpanValue[]
  /** The value of each span, in their order. */
  values: string[]
  /** The same by the name of each span: the option that it belongs to, else `arg` and the number of its word. */
  parameters: Record<string, string>
}

export interface Sweep {
  /** How many combinations there are; 1 where there is no span. */
  count: number
  /** How many values each span has. */
  sizes: number[]
  mode: SweepMode
  /** What should be said to the user about how the words were understood. */
  notes: string[]
  /** The combination at 0 … count - 1. */
  at(index: number): Combination
}

type Place = { kind: 'text'; text: string } | { kind: 'axis'; axis: number }

/** A span of the command. */
interface Span {
  axis: Axis
  name: string
  /** As it was written. */
  source: string
}

/** The files that spans name, each once. @throws AppError `invalid_request` */
export function spanFiles(words: readonly string[]): string[] {
  const parts = words.filter((word) => bareSpan(word) === null).flatMap(parseWord)
  return [...new Set(parts.flatMap((part) => (part.kind === 'file' ? part.path : [])))]
}

/** A file's values: its lines, without their ends. The end of the last line begins no other. */
export function spanLines(text: string): string[] {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/**
 * Reads the words of a command.
 * @param files the values of each file that `spanFiles` names
 * @throws AppError `invalid_request`
 */
export function parseSweep(
  words: readonly string[],
  mode: SweepMode,
  files: ReadonlyMap<string, readonly string[]> = new Map(),
): Sweep {
  const spans: Span[] = []
  const notes: string[] = []
  const places: Place[][] = []
  const add = (parts: readonly Part[], position: number, before: string | undefined) => {
    const word = parts.map((part): Place => {
      if (part.kind === 'text') return part
      const name = freeName(nameOf(parts, position, before), spans)
      spans.push({ name, ...axisOf(part, files) })
      return { kind: 'axis', axis: spans.length - 1 }
    })
    places.push(word)
  }
  for (let at = 0; at < words.length; ) {
    const group = expandedByShell(words, at)
    if (group !== null) notes.push(group.note)
    add(group?.parts ?? parseWord(words[at] ?? ''), places.length, words[at - 1])
    at += group?.length ?? 1
  }
  const sizes = spans.map(({ axis }) => axis.count)
  const count = mode === 'zip' ? zippedCount(spans) : productCount(sizes)
  return { count, sizes, mode, notes, at: (index) => combine(places, spans, indices(sizes, mode, index)) }
}

/** All combinations in their order. */
export function* combinationsOf(sweep: Sweep): Generator<Combination> {
  for (let index = 0; index < sweep.count; index += 1) yield sweep.at(index)
}

/** "40 combinations (10 × 4)". */
export function sizeOf(sweep: Sweep, noun: string): string {
  const factors = factorsOf(sweep)
  return `${count(sweep.count, noun)}${factors === null ? '' : ` (${factors})`}`
}

/** "10 × 4"; null where nothing is multiplied. */
export function factorsOf({ sizes, mode }: Sweep): string | null {
  return sizes.length > 1 && mode === 'product' ? sizes.join(' × ') : null
}

function axisOf(
  part: Exclude<Part, { kind: 'text' }>,
  files: ReadonlyMap<string, readonly string[]>,
): Pick<Span, 'axis' | 'source'> {
  if (part.kind === 'axis') return part
  const lines = files.get(part.path) ?? []
  if (lines.length === 0) throw new AppError('invalid_request', `the file ${part.path} of a span has no line`)
  return { axis: textAxis(lines), source: `span:@${part.path}` }
}

/** `--lr=span:…`, `lr=span:…` and `--lr span:…` are `lr`; others are `arg` and their position, the command's being 0. */
function nameOf(parts: readonly Part[], position: number, before: string | undefined): string {
  const [first] = parts
  const own = first?.kind === 'text' ? /^-{0,2}([A-Za-z][\w.-]*)=$/.exec(first.text) : null
  const option = first?.kind === 'text' ? null : /^--?([A-Za-z][\w.-]*)$/.exec(before ?? '')
  return own?.[1] ?? option?.[1] ?? `arg${position}`
}

function freeName(name: string, spans: readonly Span[]): string {
  const isTaken = (wanted: string) => spans.some((span) => span.name === wanted)
  let free = name
  for (let number = 2; isTaken(free); number += 1) free = `${name}_${number}`
  return free
}

/**
 * bash and zsh make `span:1 span:2 span:3` of an unquoted `span:{1..3}` before we see it. Words that differ only
 * behind `span:` and go on in equal steps are that span again; others were never one. Alone, only a value that a
 * range of one leaves behind is a span.
 */
function expandedByShell(
  words: readonly string[],
  from: number,
): { parts: Part[]; length: number; note: string } | null {
  const first = bareSpan(words[from] ?? '')
  if (first === null) return null
  const values = [first.after]
  for (let at = from + 1; at < words.length; at += 1) {
    const next = bareSpan(words[at] ?? '')
    if (next === null || next.before !== first.before) break
    values.push(next.after)
  }
  const { length } = values
  if (length === 1 && !/^(?:-?\d{1,15}|[A-Za-z])$/.test(first.after)) return null
  const shown = length === 1 ? words[from] : `${words[from]} … ${words[from + length - 1]}`
  if (length > 1 && !isOneRange(values)) {
    throw new AppError('invalid_request', `cannot tell which spans the shell has expanded to ${shown}`, {
      details: { fix: "Write quotes around each span, so that the shell leaves it alone: 'span:{1..3}'" },
    })
  }
  const axis = textAxis(
    values,
    values.every((value) => /^-?\d+$/.test(value)),
  )
  const before: Part[] = first.before === '' ? [] : [{ kind: 'text', text: first.before }]
  const note = `${shown}: read as one span of ${count(length, 'value')}, whose braces the shell has expanded; quote it ('span:{1..3}') to be sure`
  return { parts: [...before, { kind: 'axis', axis, source: String(shown) }], length, note }
}

/** Do the texts differ in one place, by a number or a letter that goes on in equal steps? */
function isOneRange(texts: readonly string[]): boolean {
  const [head = ''] = texts
  const tail = /^(?:-?\d+|[A-Za-z])(.*)$/s.exec(head)?.[1]
  if (tail === undefined || tail.includes('span:') || !texts.every((text) => text.endsWith(tail)))
    return false
  const changing = texts.map((text) => text.slice(0, text.length - tail.length))
  const isOf = (pattern: RegExp) => changing.every((text) => pattern.test(text))
  if (!isOf(/^-?\d{1,15}$/) && !isOf(/^[A-Za-z]$/)) return false
  const steps = changing.map((text) => (/\d/.test(text) ? Number(text) : text.charCodeAt(0)))
  const [from = 0, next = 0] = steps
  return next !== from && steps.every((step, at) => step === from + (next - from) * at)
}

function productCount(sizes: readonly number[]): number {
  const count = sizes.reduce((product, size) => product * size, 1)
  if (count <= maxCount) return count
  throw new AppError(
    'invalid_request',
    `${sizes.join(' × ')} are more than ${maxCount} combinations: make the spans smaller`,
  )
}

function zippedCount(spans: readonly Span[]): number {
  const [first] = spans
  const other = spans.find(({ axis }) => axis.count !== first?.axis.count)
  if (first === undefined || other === undefined) return first?.axis.count ?? 1
  const told = ({ source, axis }: Span) => `${source} (${count(axis.count, 'value')})`
  throw new AppError(
    'invalid_request',
    `cannot pair ${told(first)} with ${told(other)}: make them equally long, or leave --zip out`,
  )
}

function indices(sizes: readonly number[], mode: SweepMode, index: number): number[] {
  if (mode === 'zip') return sizes.map(() => index)
  const found: number[] = []
  let rest = index
  for (const size of sizes.toReversed()) {
    found.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return found
}

function combine(places: readonly Place[][], spans: readonly Span[], at: readonly number[]): Combination {
  const values = spans.map(({ axis }, number) => axis.at(at[number] ?? 0))
  const words = places.map((word): SpanValue => {
    const [only] = word
    if (word.length === 1 && only?.kind === 'axis') return values[only.axis] ?? { text: '', isNumber: false }
    const [name, number] = word
    const isNamed = word.length === 2 && name?.kind === 'text' && /^[A-Za-z_]\w*=$/.test(name.text)
    const isNumber = isNamed && number?.kind === 'axis' && values[number.axis]?.isNumber === true
    const texts = word.map((place) => (place.kind === 'text' ? place.text : (values[place.axis]?.text ?? '')))
    return { text: texts.join(''), isNumber }
  })
  const parameters = Object.fromEntries(spans.map(({ name }, number) => [name, values[number]?.text ?? '']))
  return { words, values: values.map(({ text }) => text), parameters }
}
