/** A line of a log to parts of text with their looks, as a terminal would show it in the end. Pure. */
import {
  type Color,
  createAnsiSequenceParser,
  type DecorationType,
  type ParseToken,
} from 'ansi-sequence-parser'
import { printable } from '../../../src/core/text.ts'
import { cleaned, eraseMark, hasStyles, isPlain } from './escapes.ts'

export interface Style {
  ink: Color | null
  ground: Color | null
  decorations: ReadonlySet<DecorationType>
}

export interface Segment {
  text: string
  style: Style
  /** A control character, written out. */
  isControl: boolean
}

export const plainStyle: Style = { ink: null, ground: null, decorations: new Set() }

/** Colours and decorations that are on, as the sequences that set them; empty: none. */
export type StyleState = string

/** What is on behind a line, if this was on before it. */
export function stateAfter(line: string, before: StyleState): StyleState {
  if (!hasStyles(line)) return before
  const last = parsed(`${cleaned(line)} `, before).pop()
  return last === undefined ? '' : sequencesOf(styleOf(last))
}

/**
 * What is shown of a line, if this was on before it. Of what overwrites itself (`\r`) the last counts.
 * `isRaw`: every byte as it was written, control characters written out.
 */
export function segmentsOf(line: string, before: StyleState = '', isRaw = false): Segment[] {
  if (isRaw) return visible([{ text: line, style: plainStyle }])
  const text = line.replace(/\r+$/, '')
  if (before === '' && isPlain(text))
    return text === '' ? [] : [{ text, style: plainStyle, isControl: false }]
  const runs = parsed(cleaned(text), before).map((token) => ({ text: token.value, style: styleOf(token) }))
  return visible(overwritten(runs))
}

/** The text of segments, as it is copied and searched. */
export function textOf(segments: readonly Segment[]): string {
  return segments.map(({ text }) => text).join('')
}

interface Run {
  text: string
  style: Style
}

function parsed(text: string, before: StyleState): ParseToken[] {
  return createAnsiSequenceParser().parse(before + text)
}

function styleOf({ foreground, background, decorations }: ParseToken): Style {
  return { ink: foreground, ground: background, decorations }
}

const overwrites = new RegExp(`[\\r\\b${eraseMark}]`)

/** As on a terminal: a carriage return goes back to the beginning, a backspace one back, and what follows writes over it. */
function overwritten(runs: Run[]): Run[] {
  if (!runs.some(({ text }) => overwrites.test(text))) return runs
  const cells: Run[] = []
  let at = 0
  for (const { text, style } of runs) {
    for (const char of text) {
      if (char === '\r') at = 0
      else if (char === '\b') at = Math.max(0, at - 1)
      else if (char === eraseMark) cells.length = Math.min(cells.length, at)
      else {
        cells[at] = { text: char, style }
        at += 1
      }
    }
  }
  return joined(cells)
}

function joined(cells: readonly Run[]): Run[] {
  const runs: Run[] = []
  for (const { text, style } of cells) {
    const last = runs[runs.length - 1]
    if (last?.style === style) last.text += text
    else runs.push({ text, style })
  }
  return runs
}

/** Control characters are written out, each as a part of its own. */
function visible(runs: readonly Run[]): Segment[] {
  return runs.flatMap(({ text, style }) => {
    if (isPlain(text)) return text === '' ? [] : [{ text, style, isControl: false }]
    return text
      .split(/(?<=\t)|(?=\t)/)
      .flatMap((part) => (part === '\t' ? [{ text: part, style, isControl: false }] : parts(part, style)))
  })
}

function parts(text: string, style: Style): Segment[] {
  const segments: Segment[] = []
  for (const char of text) {
    const shown = printable(char)
    const isControl = shown !== char
    const last = segments[segments.length - 1]
    if (last?.isControl === isControl) last.text += shown
    else segments.push({ text: shown, style, isControl })
  }
  return segments
}

const decorationCodes: Partial<Record<DecorationType, number>> = {
  bold: 1,
  dim: 2,
  italic: 3,
  underline: 4,
  reverse: 7,
  strikethrough: 9,
}

function sequencesOf({ ink, ground, decorations }: Style): StyleState {
  const codes = [
    ...[...decorations].flatMap((decoration) => decorationCodes[decoration] ?? []).map(String),
    ...(ink === null ? [] : [colourCode(ink, 0)]),
    ...(ground === null ? [] : [colourCode(ground, 10)]),
  ]
  return codes.map((code) => `\x1b[${code}m`).join('')
}

function colourCode(colour: Color, base: 0 | 10): string {
  if (colour.type === 'rgb') return `${38 + base};2;${colour.rgb.join(';')}`
  return `${38 + base};5;${colour.type === 'table' ? colour.index : indexOf(colour)}`
}

const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']

/** Of the 16 colours that have names; the bright ones are the second eight. */
export function indexOf({ name }: Extract<Color, { type: 'named' }>): number {
  const isBright = name.startsWith('bright')
  return names.indexOf(isBright ? name.slice(6).toLowerCase() : name) + (isBright ? 8 : 0)
}
