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
}

export interface Sweep {
  /** How many combinations there are; 1 where there is no span. */
  count: number
  /** How many values each span has. */
  sizes: number[]
  /** What should be said to the user about how the words were understood. */
  notes: string[]
  /** The combination at 0 … count - 1. */
  at(index: number): Combination
}

type Place = { kind: 'text'; text: string } | { kind: 'axis'; axis: number }

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
  const axes: Axis[] = []
  const notes: string[] = []
  const axisPlace = (axis: Axis): Place => {
    axes.push(axis)
    return { kind: 'axis', axis: axes.length - 1 }
  }
  const places: Place[][] = []
  for (let at = 0; at < words.length; ) {
    const group = expandedByShell(words, at)
    if (group === null) {
      places.push(parseWord(words[at] ?? '').map((part) => placeOf(part, files, axisPlace)))
      at += 1
    } else {
      notes.push(group.note)
      places.push([axisPlace(textAxis(group.values))])
      at += group.values.length
    }
  }
  const sizes = axes.map(({ count }) => count)
  const count = mode === 'zip' ? zippedCount(sizes) : productCount(sizes)
  return { count, sizes, notes, at: (index) => combine(places, axes, indices(sizes, mode, index)) }
}

/** All combinations in their order. */
export function* combinationsOf(sweep: Sweep): Generator<Combination> {
  for (let index = 0; index < sweep.count; index += 1) yield sweep.at(index)
}

/** "40 combinations (10 × 4)". */
export function sizeOf({ count: total, sizes }: Sweep, noun: string): string {
  return `${count(total, noun)}${sizes.length > 1 ? ` (${sizes.join(' × ')})` : ''}`
}

function placeOf(
  part: Part,
  files: ReadonlyMap<string, readonly string[]>,
  axisPlace: (axis: Axis) => Place,
): Place {
  switch (part.kind) {
    case 'text':
      return part
    case 'axis':
      return axisPlace(part.axis)
    case 'file': {
      const lines = files.get(part.path) ?? []
      if (lines.length === 0)
        throw new AppError('invalid_request', `the file ${part.path} of a span has no line`)
      return axisPlace(textAxis(lines))
    }
  }
}

/**
 * bash and zsh make `span:1 span:2 span:3` of an unquoted `span:{1..3}` before we see it. Words that differ only
 * behind `span:` and go on in equal steps are that span again; others were never one.
 */
function expandedByShell(words: readonly string[], from: number): { values: string[]; note: string } | null {
  const first = bareSpan(words[from] ?? '')
  if (first === null) return null
  const bare = [first]
  for (let at = from + 1; at < words.length; at += 1) {
    const next = bareSpan(words[at] ?? '')
    if (next === null || next.before !== first.before) break
    bare.push(next)
  }
  // alone it says nothing of how it was made
  if (bare.length === 1) return null
  const afters = bare.map(({ after }) => after)
  const shown = `${words[from]} … ${words[from + afters.length - 1]}`
  if (!isOneRange(afters)) {
    throw new AppError('invalid_request', `cannot tell which spans the shell has expanded to ${shown}`, {
      details: { fix: "Write quotes around each span, so that the shell leaves it alone: 'span:{1..3}'" },
    })
  }
  const values = afters.map((after) => first.before + after)
  const note = `${shown}: read as one span of ${values.length} values, whose braces the shell has expanded; quote it ('span:{1..3}') to be sure`
  return { values, note }
}

/** Do the texts differ in one place, by a number or a letter that goes on in equal steps? */
function isOneRange(texts: readonly string[]): boolean {
  const [head = ''] = texts
  const tail = /^(?:-?\d+|[A-Za-z])(.*)$/s.exec(head)?.[1]
  if (tail === undefined || !texts.every((text) => text.endsWith(tail))) return false
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

function zippedCount(sizes: readonly number[]): number {
  const [first = 1] = sizes
  const other = sizes.find((size) => size !== first)
  if (other === undefined) return first
  throw new AppError(
    'invalid_request',
    `cannot pair spans of different lengths (${sizes.join(', ')}): make them equally long, or leave --zip out`,
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

function combine(places: readonly Place[][], axes: readonly Axis[], at: readonly number[]): Combination {
  const values = axes.map((axis, number) => axis.at(at[number] ?? 0))
  const words = places.map((word): SpanValue => {
    const [only] = word
    if (word.length === 1 && only?.kind === 'axis') return values[only.axis] ?? { text: '', isNumber: false }
    const [name, number] = word
    const isNamed = word.length === 2 && name?.kind === 'text' && /^[A-Za-z_]\w*=$/.test(name.text)
    const isNumber = isNamed && number?.kind === 'axis' && values[number.axis]?.isNumber === true
    const texts = word.map((place) => (place.kind === 'text' ? place.text : (values[place.axis]?.text ?? '')))
    return { text: texts.join(''), isNumber }
  })
  return { words, values: values.map(({ text }) => text) }
}
