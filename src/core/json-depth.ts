/** How deep arrays and objects of a JSON text lie in each other, without building any of them. */

const quote = 0x22
const backslash = 0x5c
const openings = new Set([0x5b, 0x7b])
const closings = new Set([0x5d, 0x7d])

/** Is it deeper than that? Of what is no JSON the answer means nothing. Looks at each character once. */
export function isDeeperThan(most: number, text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === quote) at = endOfString(text, at)
    else if (openings.has(char)) {
      depth += 1
      if (depth > most) return true
    } else if (closings.has(char)) depth -= 1
  }
  return false
}

/** Place of the quote that ends the string which begins there; the text's length where none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === quote) return at
    // whatever is escaped, it ends no string
    if (char === backslash) at += 1
  }
  return text.length
}
