/** The name that was meant. */

/** The known name nearest to a wrong one, where it is near enough to be meant (Levenshtein distance). */
export function nearest(wrong: string, known: readonly string[]): string | null {
  const ranked = known.map((name) => [distance(wrong, name), name] as const).sort(([a], [b]) => a - b)
  const [best] = ranked
  return best !== undefined && best[0] <= Math.max(2, Math.floor(wrong.length / 3)) ? best[1] : null
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
