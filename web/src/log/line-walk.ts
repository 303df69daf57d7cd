/**
 * Places within lines of any height. Without wrapping all have the same; with it only those that are shown were measured,
 * and the others count as one row. The scrollbar knows lines of one row alone (`scroll-track.ts`). Pure.
 */

/** A pixel of a line, counted from its top. Lines count from 0. */
export interface Anchor {
  line: number
  px: number
}

export interface Lines {
  count: number
  /** Of a line of one row. */
  rowPx: number
  heightOf: (line: number) => number
  /** Of what stands behind the last line. */
  footPx: number
  /** Some may be taller than a row. */
  isWrapped: boolean
}

export const firstTop: Anchor = { line: 0, px: 0 }

/** The place so many pixels further down, or up; it stays within the lines and what stands behind them. */
export function walk(lines: Lines, from: Anchor, px: number): Anchor {
  let { line } = from
  let at = from.px + px
  while (at < 0 && line > 0) {
    line -= 1
    at += lines.heightOf(line)
  }
  while (line < lines.count && at >= lines.heightOf(line)) {
    at -= lines.heightOf(line)
    line += 1
  }
  return { line, px: clamp(at, line < lines.count ? Number.POSITIVE_INFINITY : lines.footPx) }
}

/** The lowest place that the top of the window can have: the end is then at its bottom. */
export function lastTop(lines: Lines, viewport: number): Anchor {
  return walk(lines, { line: lines.count, px: lines.footPx }, -viewport)
}

/** As the scrollbar has it. */
export function virtualOfAnchor(lines: Lines, { line, px }: Anchor): number {
  if (line >= lines.count) return lines.count * lines.rowPx + px
  return line * lines.rowPx + Math.round((px / lines.heightOf(line)) * lines.rowPx)
}

/** What is at a place of the scrollbar. */
export function anchorOfVirtual(lines: Lines, virtual: number): Anchor {
  const line = Math.min(lines.count, Math.floor(virtual / lines.rowPx))
  const rest = virtual - line * lines.rowPx
  if (line >= lines.count) return { line, px: rest }
  return { line, px: Math.round((rest / lines.rowPx) * lines.heightOf(line)) }
}

/** Pixels from the top of a line to a place further down. */
export function pxBetween(lines: Lines, line: number, to: Anchor): number {
  let px = to.px
  for (let at = line; at < to.line; at += 1) px += lines.heightOf(at)
  return px
}

/** Pixels from a place up to the beginning, and down to another one; as far as it is looked. */
export function roomAround(
  lines: Lines,
  at: Anchor,
  last: Anchor,
  mostPx: number,
): { above: number; below: number } {
  let above = at.px
  for (let line = at.line; line > 0 && above < mostPx; ) {
    line -= 1
    above += lines.heightOf(line)
  }
  let below = last.px - at.px
  for (let line = at.line; line < last.line && below < mostPx; line += 1) below += lines.heightOf(line)
  return { above: clamp(above, mostPx), below: clamp(below, mostPx) }
}

/** The earlier of two places. */
export function earlier(a: Anchor, b: Anchor): Anchor {
  return a.line < b.line || (a.line === b.line && a.px <= b.px) ? a : b
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, value))
}
