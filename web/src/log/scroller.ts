/**
 * What a scroll means: from where the bar was to where it is, to what is shown. The element itself is not touched here:
 * `use-scroller.ts` does as it is told. Pure.
 */
import {
  type Anchor,
  anchorOfVirtual,
  earlier,
  firstTop,
  type Lines,
  lastTop,
  roomAround,
  virtualOfAnchor,
  walk,
} from './line-walk.ts'
import { isScaled, nativeOf, type Track, trackOf, virtualOf } from './scroll-track.ts'

/** What is shown: the place at the top of the window, where the bar stands, and how far it can go. */
export interface Shown {
  top: Anchor
  native: number
  track: Track
}

/** How the bar was moved: by small steps (wheel, keys, fingers), or itself. */
export type Move = 'step' | 'drag'

/** The bar has at least so much room for small steps on both sides, where the log has it. */
const roomPx = 2_000

/** Shows a place, or the last that can be at the top; the bar is to be put to `native`. */
export function showAt(lines: Lines, viewport: number, wanted: Anchor): Shown {
  const { last, track } = endOf(lines, viewport)
  const top = earlier(walk(lines, wanted, 0), last)
  return { top, native: restOf(lines, top, last, track), track }
}

/** Shows the end. */
export function showEnd(lines: Lines, viewport: number): Shown {
  return showAt(lines, viewport, lastTop(lines, viewport))
}

/**
 * The bar was moved to `native`. Where it has run into its end before the log has, or the log before the bar, it is to be
 * put elsewhere at once: `native` of the answer is then another.
 */
export function scrolled(lines: Lines, viewport: number, before: Shown, native: number, move: Move): Shown {
  const { last, track } = endOf(lines, viewport)
  const isLeap = move === 'drag' && (isScaled(track) || lines.isWrapped)
  const moved = isLeap
    ? anchorOfVirtual(lines, virtualOf(track, native))
    : walk(lines, before.top, native - before.native)
  // the end of the bar is the end, also where lines turn out taller than they were taken for
  const top = isLeap && native >= track.nativeEnd ? last : earlier(moved, last)
  const isBarAtEnd = native <= 0 || native >= track.nativeEnd
  const isLogAtEnd = isSame(top, firstTop) || isSame(top, last)
  return { top, native: isBarAtEnd || isLogAtEnd ? restOf(lines, top, last, track) : native, track }
}

/** Where the bar belongs, now that nobody moves it. */
export function atRest(lines: Lines, viewport: number, { top }: Shown): number {
  const { last, track } = endOf(lines, viewport)
  return restOf(lines, top, last, track)
}

/** The last line is in sight. */
export function isAtEnd(lines: Lines, viewport: number, { top }: Shown): boolean {
  const slack = walk(lines, lastTop(lines, viewport), -2)
  return earlier(slack, top) === slack
}

function endOf(lines: Lines, viewport: number): { last: Anchor; track: Track } {
  const last = lastTop(lines, viewport)
  const { above } = lines.isWrapped ? roomAround(lines, last, last, 2 * roomPx) : { above: 0 }
  return { last, track: trackOf(virtualOfAnchor(lines, last), viewport, above) }
}

function restOf(lines: Lines, top: Anchor, last: Anchor, track: Track): number {
  const { above, below } = roomAround(lines, top, last, roomPx)
  const native = nativeOf(track, virtualOfAnchor(lines, top))
  return Math.min(track.nativeEnd - below, Math.max(above, native))
}

function isSame(a: Anchor, b: Anchor): boolean {
  return a.line === b.line && a.px === b.px
}
