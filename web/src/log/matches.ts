/** Where a text that is sought stands in a line that is shown. Pure. */

/** So many of one line are shown. */
const mostMatches = 200

/**
 * A pattern for a literal text; null: nothing is sought. In any case a letter stands for its capital and its small form, as
 * the host's search has it.
 */
export function matchPattern(sought: string, matchCase: boolean): RegExp | null {
  if (sought === '') return null
  return new RegExp(sought.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), matchCase ? 'gu' : 'giu')
}

/** Part of a text: from a place to behind another. */
export interface Span {
  from: number
  to: number
}

export function matchesIn(text: string, pattern: RegExp): Span[] {
  const spans: Span[] = []
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (spans.length === mostMatches) break
    spans.push({ from: index, to: index + found.length })
  }
  return spans
}

/** Cuts pieces of text where matches begin and end; a match may go over several of them. */
export function cutAt<T extends { text: string }>(
  pieces: readonly T[],
  spans: readonly Span[],
): (T & { isMatch: boolean })[] {
  const cut: (T & { isMatch: boolean })[] = []
  let at = 0
  let next = 0
  for (const piece of pieces) {
    const end = at + piece.text.length
    while (at < end) {
      while (next < spans.length && spans[next]!.to <= at) next += 1
      const span = spans[next]
      const isMatch = span !== undefined && span.from <= at
      const to = Math.min(end, span === undefined ? end : isMatch ? span.to : span.from)
      const from = piece.text.length - (end - at)
      cut.push({ ...piece, text: piece.text.slice(from, from + to - at), isMatch })
      at = to
    }
  }
  return cut
}
