/** `--output-dir`: one file of output for each combination, and one line for each in `results.jsonl`. */
import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isErrno } from '../platform/files.ts'

/** What became of one combination. */
export interface Result {
  /** Its place in the sweep, from 0. */
  index: number
  /** The value of each span, by its name. */
  parameters: Record<string, string>
  command: string[]
  ok: boolean
  exitCode: number | null
  signal: string | null
  timedOut: boolean
  /** Why it could not be started; null: it was. */
  error: string | null
  startedAt: string
  wallMs: number
  /** Highest seen, of all its processes together; null: it was too short to be seen. */
  peakMemoryBytes: number | null
  tries: number
  /** The file with what it wrote, in the directory; null: it was not kept. */
  output: string | null
}

export class OutputDir {
  private readonly path: string

  /** @throws AppError `invalid_request` where it cannot be made */
  constructor(path: string) {
    this.path = path
    try {
      mkdirSync(path, { recursive: true })
      this.endTornLine()
    } catch (error) {
      throw new AppError('invalid_request', `cannot keep output in the directory ${path}: ${String(error)}`)
    }
  }

  /** The commands that have succeeded, by `keyOf`. A line that was torn off by a crash counts for nothing. */
  succeeded(): Set<string> {
    let text: string
    try {
      text = readFileSync(this.resultsPath, 'utf8')
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return new Set()
      throw error
    }
    return new Set(text.split('\n').flatMap(keyOfLine))
  }

  /** Opens the file of one combination, empty. The caller closes it. @throws AppError `conflict` */
  open(
    index: number,
    count: number,
    values: readonly string[],
  ): { name: string; descriptor: number; close: () => void } {
    const number = String(index + 1).padStart(String(count).length, '0')
    const name = [number, slug(values.join('_'))].filter((part) => part !== '').join('-')
    const descriptor = this.kept(() => openSync(join(this.path, `${name}.log`), 'w'))
    return { name: `${name}.log`, descriptor, close: () => closeSync(descriptor) }
  }

  /** Adds a line: in one write, so that it is there as a whole or not at all. */
  add(result: Result): void {
    this.kept(() => appendFileSync(this.resultsPath, `${JSON.stringify(result)}\n`))
  }

  /** @throws AppError `conflict` where the disk is full, or the directory no longer ours */
  private kept<T>(write: () => T): T {
    try {
      return write()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new AppError('conflict', `cannot keep output in the directory ${this.path}: ${why}`, {
        details: { fix: 'What has succeeded so far is skipped by the same command with --resume.' },
      })
    }
  }

  /** After a crash the last line may have no end: the next one would be lost with it. */
  private endTornLine(): void {
    const file = openSync(this.resultsPath, 'a+')
    try {
      const { size } = fstatSync(file)
      const last = Buffer.alloc(1)
      if (size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 10) appendFileSync(file, '\n')
    } finally {
      closeSync(file)
    }
  }

  private get resultsPath(): string {
    return join(this.path, 'results.jsonl')
  }
}

/** What makes a combination the same one in another run. */
export function keyOf(command: readonly string[]): string {
  return JSON.stringify(command)
}

function keyOfLine(line: string): string[] {
  try {
    const result: unknown = JSON.parse(line)
    const isOk = typeof result === 'object' && result !== null && 'ok' in result && result.ok === true
    return isOk && 'command' in result && Array.isArray(result.command) ? [keyOf(result.command)] : []
  } catch {
    return []
  }
}

/** A part of a file's name that reads like the values. */
function slug(text: string): string {
  return text.replace(/[^A-Za-z0-9._=+-]+/g, '-').slice(0, 80)
}
