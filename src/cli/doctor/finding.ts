/** What doctor says of one thing: how it is, what was found, and what to do. */

export type FindingStatus = 'ok' | 'warning' | 'problem' | 'not_checked'

export interface Finding {
  /** Stable, for programs: see docs/guides/troubleshooting.md. */
  id: string
  status: FindingStatus
  /** One sentence without a full stop. */
  found: string
  /** What to do: lines in words, and lines to copy, which begin with two spaces. null: nothing is to be done. */
  fix: string | null
}

/** Findings under one heading. */
export interface Group {
  title: string
  findings: Finding[]
}

export function ok(id: string, found: string): Finding {
  return { id, status: 'ok', found, fix: null }
}

/** It works, but not as well as it could, or not for long. */
export function warning(id: string, found: string, fix: string): Finding {
  return { id, status: 'warning', found, fix }
}

/** It does not work. */
export function problem(id: string, found: string, fix: string): Finding {
  return { id, status: 'problem', found, fix }
}

export function notChecked(id: string, found: string, fix: string | null = null): Finding {
  return { id, status: 'not_checked', found, fix }
}

/** What to do in words, and the lines to copy for it. */
export function advice(words: string, ...lines: string[]): string {
  return [words, ...lines.map((line) => `  ${line}`)].join('\n')
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const head = names.slice(0, -1)
  return head.length === 0 ? (names[0] ?? '') : `${head.join(', ')} and ${names.at(-1)}`
}
