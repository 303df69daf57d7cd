/**
 * Spans: the parts of a word that stand for many values. `span:{1..10}`, `span:{0.1..0.5..0.1}`, `span:{A..Z}`,
 * `span:[a,b]`, `span:@file`; `span::` stands for a plain `span:`.
 */
import { AppError } from './errors.ts'

/** One value of a span. Those of ranges of numbers are numbers; everything else is text. */
export interface SpanValue {
  text: string
  isNumber: boolean
}

/** The values of one span, made when they are asked for: a range of a million takes no room. */
export interface Axis {
  count: number
  /** The value at 0 … count - 1. */
  at(index: number): SpanValue
}

/** What a word is made of: plain text, values, or the lines of a file that somebody has to read. */
export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'axis'; axis: Axis; source: string }
  | { kind: 'file'; path: string }

/** More than anybody can wait for. */
export const maxCount = 1_000_000_000

const mark = 'span:'

/** Where the next span begins; -1: nowhere. "timespan:" is a word of its own. */
function nextMark(word: string, from: number): number {
  for (let at = word.indexOf(mark, from); at >= 0; at = word.indexOf(mark, at + 1)) {
    if (!/[A-Za-z0-9]/.test(word[at - 1] ?? '')) return at
  }
  return -1
}

/**
 * Takes a word apart. Neighbouring parts of text are joined; a word without spans is one part, an empty one none.
 * @throws AppError `invalid_request` that points at the character
 */
export function parseWord(word: string): Part[] {
  const parts: Part[] = []
  let text = ''
  let at = 0
  const endText = () => {
    if (text !== '') parts.push({ kind: 'text', text })
    text = ''
  }
  for (let next = nextMark(word, 0); next >= 0; next = nextMark(word, at)) {
    text += word.slice(at, next)
    const open = next + mark.length
    if (word[open] === ':') {
      text += mark
      at = open + 1
      continue
    }
    const { part, end } = parseSpan(word, open)
    endText()
    parts.push(part)
    at = end
  }
  text += word.slice(at)
  endText()
  return parts
}

/** The text before the first `span:` and after it, where its braces are gone already; null: there is no such span. */
export function bareSpan(word: string): { before: string; after: string } | null {
  const at = nextMark(word, 0)
  const next = word[at + mark.length]
  if (at < 0 || next === undefined || '{[@:'.includes(next)) return null
  return { before: word.slice(0, at), after: word.slice(at + mark.length) }
}

function parseSpan(word: string, open: number): { part: Part; end: number } {
  switch (word[open]) {
    case '{': {
      const close = word.indexOf('}', open)
      if (close < 0) throw badSpan(word, word.length, 'the range is not closed: write }')
      return axisPart(word, open, close + 1, parseRange(word, open + 1, close))
    }
    case '[': {
      const { items, end } = parseList(word, open + 1)
      return axisPart(word, open, end, textAxis(items))
    }
    case '@': {
      const path = word.slice(open + 1)
      if (path === '') throw badSpan(word, word.length, 'the name of the file is missing')
      return { part: { kind: 'file', path }, end: word.length }
    }
    case undefined:
      throw badSpan(word, open, 'here {first..last}, [a,b] or @file is missing')
    default:
      throw badSpan(word, open, 'write {first..last}, [a,b] or @file here, or span:: for a plain "span:"')
  }
}

function axisPart(word: string, open: number, end: number, axis: Axis): { part: Part; end: number } {
  return { part: { kind: 'axis', axis, source: mark + word.slice(open, end) }, end }
}

/** An axis of texts, or of numbers that are written so. */
export function textAxis(items: readonly string[], isNumber = false): Axis {
  return { count: items.length, at: (index) => ({ text: items[index] ?? '', isNumber }) }
}

const numberPattern = /^-?\d+(?:\.\d+)?$/

function parseRange(word: string, open: number, close: number): Axis {
  const pieces = word.slice(open, close).split('..')
  const [first = '', last, step] = pieces
  if (last === undefined && first.includes(','))
    throw badSpan(word, open - 1, `write a list in brackets: span:[${clip(first)}]`)
  if (last === undefined || first === '' || last === '')
    throw badSpan(word, open, 'write a range like {1..10}, {0..1..0.25} or {A..Z}')
  if (pieces.length > 3)
    throw badSpan(word, open, 'a range has a first, a last and perhaps a step, and no more')
  const lastAt = open + first.length + 2
  const stepAt = lastAt + last.length + 2
  if (/^[A-Za-z]$/.test(first) && /^[A-Za-z]$/.test(last)) {
    if (first < 'a' !== last < 'a')
      throw badSpan(word, lastAt, 'a range of letters goes within A..Z or within a..z')
    if (step !== undefined && !/^-?[1-9]\d{0,2}$/.test(step))
      throw badSpan(word, stepAt, 'the step between letters is a whole number')
    return letterAxis(first, last, Math.abs(Number(step ?? 1)))
  }
  for (const [piece, at] of [
    [first, open] as const,
    [last, lastAt] as const,
    [step ?? '1', stepAt] as const,
  ]) {
    if (!numberPattern.test(piece) || piece.length > 40)
      throw badSpan(word, at, `"${clip(piece)}" is neither a number nor one letter`)
  }
  if (step === undefined && (first + last).includes('.'))
    throw badSpan(word, close, 'a range with decimals needs a step: {0.1..0.5..0.1}')
  const axis = numberAxis(first, last, step ?? '1')
  if (axis === 'no step') throw badSpan(word, stepAt, 'the step may not be 0')
  if (axis === 'too many') throw badSpan(word, open, `this range has more than ${maxCount} values`)
  return axis
}

function letterAxis(first: string, last: string, step: number): Axis {
  const [from, to] = [first.charCodeAt(0), last.charCodeAt(0)]
  const sign = to < from ? -1 : 1
  return {
    count: Math.floor(Math.abs(to - from) / step) + 1,
    at: (index) => ({ text: String.fromCharCode(from + sign * step * index), isNumber: false }),
  }
}

/** In whole units of the smallest decimal place: decimals stay exact. The step's sign follows from the ends. */
function numberAxis(first: string, last: string, step: string): Axis | 'no step' | 'too many' {
  const decimals = Math.max(...[first, last, step].map((text) => text.split('.')[1]?.length ?? 0))
  const from = scaled(first, decimals)
  const to = scaled(last, decimals)
  const size = absolute(scaled(step, decimals))
  if (size === 0n) return 'no step'
  const count = absolute(to - from) / size + 1n
  if (count > BigInt(maxCount)) return 'too many'
  const stride = to < from ? -size : size
  const width = paddedWidth(first, last)
  return {
    count: Number(count),
    at: (index) => ({ text: decimalText(from + stride * BigInt(index), decimals, width), isNumber: true }),
  }
}

function scaled(text: string, decimals: number): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(decimals, '0'))
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

/** As in a shell: where an end begins with a needless 0, all are as wide as the widest, the sign included. */
function paddedWidth(first: string, last: string): number {
  const wholes = [first, last].map((text) => text.split('.')[0] ?? '')
  return wholes.some((whole) => /^-?0\d/.test(whole)) ? Math.max(...wholes.map(({ length }) => length)) : 0
}

function decimalText(value: bigint, decimals: number, width: number): string {
  const digits = String(absolute(value)).padStart(decimals + 1, '0')
  const sign = value < 0n ? '-' : ''
  const whole = digits.slice(0, digits.length - decimals).padStart(width - sign.length, '0')
  return sign + whole + (decimals === 0 ? '' : `.${digits.slice(-decimals)}`)
}

/**
 * The items of a list, up to its `]`. Spaces around an item do not count; quotes, single or double, keep everything
 * between them (in double ones `\"` and `\\` stand for `"` and `\`); inner brackets keep their commas.
 */
function parseList(word: string, open: number): { items: string[]; end: number } {
  const items: string[] = []
  let at = open
  for (;;) {
    while (word[at] === ' ') at += 1
    const { item, end } = /["']/.test(word[at] ?? '') ? quotedItem(word, at) : plainItem(word, at)
    items.push(item)
    at = end
    while (word[at] === ' ') at += 1
    if (word[at] === ']') return { items, end: at + 1 }
    if (word[at] !== ',') {
      const why = at >= word.length ? 'the list is not closed: write ]' : 'after a quoted item comes , or ]'
      throw badSpan(word, at, why)
    }
    at += 1
  }
}

function plainItem(word: string, open: number): { item: string; end: number } {
  let depth = 0
  let at = open
  for (; at < word.length; at += 1) {
    const char = word[at]
    if (depth === 0 && (char === ',' || char === ']')) break
    if (char === '[') depth += 1
    if (char === ']') depth -= 1
  }
  if (at >= word.length) throw badSpan(word, at, 'the list is not closed: write ]')
  let last = at
  while (last > open && word[last - 1] === ' ') last -= 1
  const item = word.slice(open, last)
  if (item === '') throw badSpan(word, open, 'here an item is missing: write "" for an empty one')
  return { item, end: at }
}

function quotedItem(word: string, open: number): { item: string; end: number } {
  const quote = word[open]
  let item = ''
  for (let at = open + 1; at < word.length; at += 1) {
    if (word[at] === quote) return { item, end: at + 1 }
    const isEscape = quote === '"' && word[at] === '\\' && /["\\]/.test(word[at + 1] ?? '')
    if (isEscape) at += 1
    item += word[at]
  }
  throw badSpan(word, open, `this quote is not closed: write ${quote}`)
}

/** How much of a word is shown around the fault. */
const shownBefore = 40
const shownAfter = 20

function badSpan(word: string, at: number, why: string): AppError {
  // characters, not their halves: the mark stands below the right one
  const left = [...word.slice(0, at)]
  const right = [...word.slice(at)]
  const before = left.length > shownBefore ? '…' : ''
  const after = right.length > shownAfter ? '…' : ''
  const shown = [...left.slice(-shownBefore), ...right.slice(0, shownAfter)].join('')
  const caret = ' '.repeat(before.length + Math.min(left.length, shownBefore))
  return new AppError('invalid_request', `cannot read the span in "${clip(word)}": ${why}`, {
    details: { fix: `${before}${plainText(shown)}${after}\n  ${caret}^` },
  })
}

function clip(word: string): string {
  return plainText(word.length > 60 ? `${word.slice(0, 59)}…` : word)
}

/** One sign for each that would draw on a terminal, so that the caret stands where it should. */
function plainText(text: string): string {
  return text.replace(/\p{C}|\p{Zl}|\p{Zp}/gu, '?')
}
