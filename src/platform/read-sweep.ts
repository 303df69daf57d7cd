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
  const bytes = readBytes(path)
  const zero = bytes.indexOf(0)
  if (zero >= 0) {
    const line = bytes.subarray(0, zero).filter((byte) => byte === lineFeed).length + 1
    throw new AppError(
      'invalid_request',
      `line ${line} of ${path}, a file of a span, holds a NUL byte, which no program can be given`,
    )
  }
  try {
    return spanLines(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // what cannot be read is not guessed: the values go on to programs
    throw new AppError('invalid_request', `the file ${path} of a span is not text in UTF-8`)
  }
}

const lineFeed = 0x0a

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    throw new AppError('invalid_request', `cannot read the file ${path} of a span (${code})`)
  }
}
