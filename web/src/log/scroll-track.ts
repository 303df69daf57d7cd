/**
 * A scrollbar for more lines than a browser's tallest element has room for (33,554,431 px in Chromium, half of that in
 * Firefox, less when zoomed). Near both ends a pixel of the scrollbar is a pixel of the log; in between it is many.
 * Small steps move by their own pixels wherever one is; only a drag of the bar leaps. Pure; all lengths are whole pixels.
 */

/** The tallest element that is made, and how far from its ends a pixel is a pixel. */
const mostNativePx = 4_000_000
const edgePx = 40_000

export interface Track {
  /** Largest `scrollTop` of the element. */
  nativeEnd: number
  /** Where the log's top is then, as if it were one element. */
  virtualEnd: number
}

/**
 * `virtualEnd`: how far the log can be scrolled, were it one element; `leastNative`: at least so far the bar goes, also
 * where that is further.
 */
export function trackOf(virtualEnd: number, viewport: number, leastNative = 0): Track {
  const end = Math.max(0, Math.round(virtualEnd))
  const most = Math.max(0, mostNativePx - Math.ceil(viewport))
  return { virtualEnd: end, nativeEnd: Math.min(Math.max(end, leastNative), most) }
}

/** Height of the element that is scrolled. */
export function nativeHeightOf({ nativeEnd }: Track, viewport: number): number {
  return nativeEnd + Math.ceil(viewport)
}

/** A pixel of the bar is not one of the log, somewhere. */
export function isScaled({ nativeEnd, virtualEnd }: Track): boolean {
  return virtualEnd !== nativeEnd
}

function edgeOf({ nativeEnd, virtualEnd }: Track): number {
  return Math.min(edgePx, Math.floor(Math.min(nativeEnd, virtualEnd) / 4))
}

/** What is shown where the bar stands there: the same for the same place, larger for a larger one. */
export function virtualOf(track: Track, native: number): number {
  const { nativeEnd, virtualEnd } = track
  const at = clamp(Math.round(native), nativeEnd)
  const edge = edgeOf(track)
  if (!isScaled(track) || at <= edge) return at
  if (at >= nativeEnd - edge) return virtualEnd - (nativeEnd - at)
  return edge + Math.round(((at - edge) * (virtualEnd - 2 * edge)) / (nativeEnd - 2 * edge))
}

/** Where the bar is to stand for what is shown. */
export function nativeOf(track: Track, virtual: number): number {
  const { nativeEnd, virtualEnd } = track
  const at = clamp(Math.round(virtual), virtualEnd)
  const edge = edgeOf(track)
  if (!isScaled(track) || at <= edge) return at
  if (at >= virtualEnd - edge) return nativeEnd - (virtualEnd - at)
  return edge + Math.round(((at - edge) * (nativeEnd - 2 * edge)) / (virtualEnd - 2 * edge))
}

/** Of a move of the bar whose cause is not known: larger ones are leaps. */
export function leapPx(viewport: number): number {
  return Math.max(3_000, 2 * viewport)
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, value))
}
