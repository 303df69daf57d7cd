/** A line of a log to what is drawn of it. Pure, but for what it remembers of lines that were drawn. */
import { limits } from '../../../src/protocol/limits.ts'
import { formatBytes } from '../ui/format.ts'
import { type Segment, segmentsOf, textOf } from './ansi.ts'
import type { DocLine } from './line-blocks.ts'
import { cutAt, matchesIn } from './matches.ts'
import { lookOf, type Palette } from './palette.ts'

export interface RowPart {
  text: string
  classes: string
  colours: { color?: string; backgroundColor?: string } | null
  isMatch: boolean
}

export interface RowLook {
  palette: Palette
  isRaw: boolean
  /** What is sought; null: nothing. */
  pattern: RegExp | null
}

const drawn = new WeakMap<DocLine, Segment[]>()

/** `end`: the end of a line that is longer than what is told of it, where that is known. */
export function partsOf(
  line: DocLine,
  { palette, isRaw, pattern }: RowLook,
  end: string | null = null,
): RowPart[] {
  const segments =
    end === null || isRaw ? segmentsOfLine(line, isRaw) : segmentsOf(lastOverwrite(end), line.state)
  const spans = pattern === null ? [] : matchesIn(textOf(segments), pattern)
  return cutAt(segments, spans).map((segment) => {
    const { classes, colours } = lookOf(segment, palette)
    return { text: segment.text, classes: classes.join(' '), colours, isMatch: segment.isMatch }
  })
}

function segmentsOfLine(line: DocLine, isRaw: boolean): Segment[] {
  if (isRaw) return segmentsOf(line.text, '', true)
  const known = drawn.get(line)
  if (known !== undefined) return known
  const segments = segmentsOf(line.text, line.state)
  drawn.set(line, segments)
  return segments
}

/** Of the end of a line that was read from some byte on, what stands behind its first carriage return. */
function lastOverwrite(end: string): string {
  const at = end.indexOf('\r')
  return at < 0 ? end : end.slice(at + 1)
}

/** So many bytes of the line are not told. */
export function untoldBytes({ bytes }: Pick<DocLine, 'bytes'>): number {
  return Math.max(0, bytes - limits.logLineBytes)
}

/** A bar that overwrites itself, longer than what is told of it: only its end says how far it has come. */
export function isLongBar(line: DocLine): boolean {
  return untoldBytes(line) > 0 && line.text.trimEnd().includes('\r')
}

/** What stands behind a line that is longer than what is told of it; empty: it is not. */
export function cutWords(line: Pick<DocLine, 'bytes'>, isEndShown: boolean): string {
  const untold = untoldBytes(line)
  if (untold === 0) return ''
  return isEndShown
    ? `the last of ${formatBytes(line.bytes)} that overwrite each other`
    : `… ${formatBytes(untold)} more in the download`
}
