/** Tables as wide as the terminal: columns that can shrink do, and those of least use go first. */
import { cut, cutStart, displayWidth } from '../core/text.ts'

export interface Column {
  title: string
  align?: 'right'
  /** It may be cut down to so many characters where the terminal is narrow. */
  shrinkTo?: number
  /** Its end says more than its beginning: that one is cut. */
  keepEnd?: boolean
  /** Left out where there is no room; the highest goes first. */
  dropOrder?: number
}

export interface Cell {
  text: string
  paint?: (text: string) => string
}

export interface TableOptions {
  /** Width of the terminal; null: as wide as it takes (a pipe or a file). */
  width: number | null
  /** Paints the heading. */
  paintTitle: (text: string) => string
}

const gap = 2

/** The lines of a table, heading first, without spaces at their ends. */
export function renderTable(columns: Column[], rows: Cell[][], options: TableOptions): string[] {
  const natural = columns.map((column, at) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[at]?.text ?? ''))),
  )
  const shown = options.width === null ? natural : fitWidths(columns, natural, options.width)
  const heading = columns.map((column) => ({ text: column.title, paint: options.paintTitle }))
  return [heading, ...rows].map((row) => renderRow(columns, row, shown))
}

/** Widths within the room: drops columns first down to the shrunken sum, then shrinks the widest. Dropped: 0. */
function fitWidths(columns: Column[], natural: number[], room: number): number[] {
  const widths = [...natural]
  const least = (at: number) => Math.min(natural[at] ?? 0, columns[at]?.shrinkTo ?? Number.POSITIVE_INFINITY)
  const total = (of: (at: number) => number) =>
    widths.reduce((sum, width, at) => (width === 0 ? sum : sum + of(at) + gap), -gap)
  while (total(least) > room) {
    const drop = pick(widths, (at) => columns[at]?.dropOrder ?? 0)
    if (drop === null) break
    widths[drop] = 0
  }
  for (;;) {
    const excess = total((at) => widths[at] ?? 0) - room
    const widest = excess > 0 ? pick(widths, (at) => Math.max(0, (widths[at] ?? 0) - least(at))) : null
    if (widest === null) return widths
    const canGive = (widths[widest] ?? 0) - least(widest)
    widths[widest] = (widths[widest] ?? 0) - Math.min(canGive, Math.max(1, Math.ceil(excess / 2)))
  }
}

/** Index of the highest positive score among the columns that are there; null where none is positive. */
function pick(widths: number[], score: (at: number) => number): number | null {
  let best: number | null = null
  widths.forEach((width, at) => {
    if (width > 0 && score(at) > 0 && (best === null || score(at) > score(best))) best = at
  })
  return best
}

function renderRow(columns: Column[], row: Cell[], widths: number[]): string {
  const cells = columns.flatMap((column, at) => {
    const width = widths[at] ?? 0
    if (width === 0) return []
    const cell = row[at] ?? { text: '' }
    const text = column.keepEnd ? cutStart(cell.text, width) : cut(cell.text, width)
    const pad = ' '.repeat(width - displayWidth(text))
    const painted = cell.paint === undefined ? text : cell.paint(text)
    return [column.align === 'right' ? pad + painted : painted + pad]
  })
  return trimEnd(cells.join(' '.repeat(gap)))
}

function trimEnd(text: string): string {
  // no pattern: on a wide table it would look at each run of spaces from each of them
  let end = text.length
  while (text[end - 1] === ' ') end -= 1
  return text.slice(0, end)
}
