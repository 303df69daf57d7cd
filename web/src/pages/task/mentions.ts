/** Tasks that a sentence names, so that they can be gone to. */
export interface Part {
  text: string
  /** The id of the task that this part names. */
  taskId: string | null
}

export function partsOf(sentence: string): Part[] {
  const parts: Part[] = []
  let at = 0
  // ids of this host have so many digits; others are somebody's own counting
  for (const match of sentence.matchAll(/\btask (\d{10,16})\b/gi)) {
    if (match.index > at) parts.push({ text: sentence.slice(at, match.index), taskId: null })
    parts.push({ text: match[0], taskId: match[1] ?? null })
    at = match.index + match[0].length
  }
  if (at < sentence.length) parts.push({ text: sentence.slice(at), taskId: null })
  return parts
}
