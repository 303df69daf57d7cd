/** What a search for tasks looks at: name, command line and id, in any case. Never at the environment. */
import type { TaskSpec } from './task.ts'

/** The words that a search may see. */
type Searched = Pick<TaskSpec, 'name' | 'command' | 'arguments'>

export interface TaskSearch {
  /** What was asked, where that may be the beginning of an id; else null. */
  idPrefix: string | null
  /** Is it a part of the id? */
  matchesId(id: number): boolean
  /** Is it a part of the name or the command line? */
  matches(spec: Searched): boolean
  /** Can a spec match that this is the JSON of? Costs less than to read it; where that cannot be told, it says yes. */
  mayMatch(specText: string): boolean
}

/** Text in which case makes no difference. Letters fold for themselves, whatever stands beside them. */
function fold(text: string): string {
  return text.toUpperCase()
}

/** Space parts the words of a command line, JSON writes these otherwise, and a pair of surrogates stays together. */
const unsure = /[\s"\\\p{Cc}\p{Cs}\u{10000}-\u{10ffff}]+/u

/** Makes a search of what the user has typed; every character stands for itself. */
export function taskSearch(q: string): TaskSearch {
  const wanted = fold(q)
  const sure = q.split(unsure).reduce((longest, part) => (part.length > longest.length ? part : longest), '')
  const needle = fold(sure)
  return {
    idPrefix: /^[1-9]\d{0,15}$/.test(q) ? q : null,
    matchesId: (id) => String(id).includes(q),
    matches: ({ name, command, arguments: words }) =>
      (name !== null && fold(name).includes(wanted)) || fold([command, ...words].join(' ')).includes(wanted),
    mayMatch: (specText) => fold(specText).includes(needle),
  }
}

/** The ids that begin with these digits, as ranges [from, below), smaller ids first. */
export function idRanges(prefix: string): [number, number][] {
  const ranges: [number, number][] = []
  for (let more = 0; prefix.length + more <= 16; more += 1) {
    const from = Number(prefix) * 10 ** more
    if (!Number.isSafeInteger(from)) break
    ranges.push([from, Math.min((Number(prefix) + 1) * 10 ** more, Number.MAX_SAFE_INTEGER)])
  }
  return ranges
}
