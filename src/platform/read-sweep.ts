/** Reads the spans in a command, and the files that they name. */
import { readFileSync } from 'node:fs'
import { AppError } from '../core/errors.ts'
import { parseSweep, type Sweep, type SweepMode, spanFiles, spanLines } from '../core/sweep.ts'

/** @throws AppError `invalid_request` where a span is wrong, or its file cannot be read */
export function readSweep(words: readonly string[], mode: SweepMode): Sweep {
  const files = new Map(spanFiles(words).map((path) => [path, readLines(path)] as const))
  return parseSweep(words, mode, files)
}

function readLines(path: string): string[] {
  try {
    return spanLines(readFileSync(path, 'utf8'))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    throw new AppError('invalid_request', `cannot read the file ${path} of a span (${code})`)
  }
}
