/** What of a log is chosen, as the address has it: `?stream=both&line=120-140&q=error&case=1`. Pure. */
import type { LogStream } from '../../../src/protocol/routes.ts'

export const logViews = ['stdout', 'stderr', 'both'] as const
export type LogViewName = (typeof logViews)[number]

/** Lines from 1, both included. */
export interface LineRange {
  from: number
  to: number
}

type Query = Record<string, unknown>

export function viewOf(query: Query): LogViewName {
  return logViews.find((view) => view === query.stream) ?? 'stdout'
}

/** Where both are shown, `line` is of the first. */
export function lineKey(view: LogViewName, stream: LogStream): 'line' | 'errline' {
  return view === 'both' && stream === 'stderr' ? 'errline' : 'line'
}

/** Reads `120` or `120-140`; null: it is none of them. */
export function parseRange(text: unknown): LineRange | null {
  const match = typeof text === 'string' ? /^(\d{1,12})(?:-(\d{1,12}))?$/.exec(text) : null
  if (match === null) return null
  const ends = [Number(match[1]), Number(match[2] ?? match[1])].sort((a, b) => a - b) as [number, number]
  return ends[0] < 1 ? null : { from: ends[0], to: ends[1] }
}

export function formatRange({ from, to }: LineRange): string {
  return from === to ? String(from) : `${from}-${to}`
}

/** The range from what is chosen to another line: as with files, what was chosen first stays. */
export function extended(range: LineRange | null, line: number): LineRange {
  if (range === null) return { from: line, to: line }
  return { from: Math.min(range.from, line), to: line < range.from ? range.to : line }
}

export function isWithin(range: LineRange | null, line: number | null): boolean {
  return range !== null && line !== null && line >= range.from && line <= range.to
}
