/** What hakurun writes: whole lines of the children with their prefix, and a progress bar below them on a terminal. */
import { printable } from '../core/text.ts'
import { formatDuration } from '../core/units.ts'
import { createAnsiFilter } from '../platform/ansi.ts'
import type { Io } from '../platform/io.ts'

export interface Progress {
  total: number
  succeeded: number
  failed: number
  running: number
  elapsedMs: number
}

export interface ScreenOptions {
  io: Io
  hasColors: boolean
  /** The children's standard output goes where ours is, or to standard error where ours is for JSON. */
  isStdoutTaken: boolean
  hasBar: boolean
}

const clearLine = '\r\u001b[K'
const redrawMs = 200
/** A longer line is shown in pieces. */
const lineBytes = 64 * 1024
const prefixWidth = 40
/** Of ECMA-48: cyan, green, yellow, magenta, blue, as far as they can be read on dark and on light. */
const prefixColors = [36, 32, 33, 35, 34]

export class Screen {
  private readonly options: ScreenOptions
  private progress: Progress | null = null
  private timer: NodeJS.Timeout | null = null
  private queue: Promise<void> = Promise.resolve()

  constructor(options: ScreenOptions) {
    this.options = options
  }

  /** Takes the numbers of the bar; drawn at most five times a second. */
  show(progress: Progress): void {
    this.progress = progress
    if (!this.options.hasBar || this.timer !== null) return
    this.timer = setTimeout(() => {
      this.timer = null
      void this.write('stderr', '').catch(() => {})
    }, redrawMs)
  }

  /** A line for a person. */
  note(line: string): Promise<void> {
    return this.write('stderr', `${line}\n`)
  }

  /** Writes whole lines, above the bar. @throws BrokenPipeError */
  write(stream: 'stdout' | 'stderr', text: string | Buffer): Promise<void> {
    const { io, hasBar } = this.options
    const written = this.queue.then(async () => {
      if (hasBar) await io.stderr.write(clearLine)
      if (text.length > 0) await io[stream].write(text)
      if (hasBar && this.progress !== null)
        await io.stderr.write(barOf(this.progress, io.stderr.size().columns))
    })
    this.queue = written.catch(() => {})
    return written
  }

  /** Takes the bar away. */
  async close(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.progress = null
    if (this.options.hasBar) await this.write('stderr', '')
  }

  /** Where the lines of one combination go. */
  linesOf(index: number, values: readonly string[]): { push: Push; finish: () => Promise<void> } {
    const { io, hasColors, isStdoutTaken } = this.options
    const targets = { stdout: isStdoutTaken ? 'stderr' : 'stdout', stderr: 'stderr' } as const
    const name = printable(values.join(' '))
    const label = `[${name.length > prefixWidth ? `${name.slice(0, prefixWidth - 1)}…` : name}] `
    const color = prefixColors[index % prefixColors.length]
    const prefix = hasColors ? `\u001b[${color}m${label}\u001b[0m` : label
    const writers = (['stdout', 'stderr'] as const).map((stream) => {
      const target = targets[stream]
      const filter = io[target].isTty ? createAnsiFilter(hasColors) : null
      return new LineWriter(prefix, filter, (lines) => this.write(target, lines))
    })
    const [out, err] = writers
    return {
      push: (stream, data) => (stream === 'stdout' ? out : err)?.push(data) ?? Promise.resolve(),
      finish: async () => {
        for (const writer of writers) await writer.finish()
      },
    }
  }
}

type Push = (stream: 'stdout' | 'stderr', data: Buffer) => Promise<void>

/** Puts the prefix before each line; lines are handed on whole. */
class LineWriter {
  private readonly prefix: Buffer
  private readonly filter: ReturnType<typeof createAnsiFilter> | null
  private readonly write: (lines: Buffer) => Promise<void>
  private rest: Buffer = Buffer.alloc(0)

  constructor(
    prefix: string,
    filter: ReturnType<typeof createAnsiFilter> | null,
    write: (lines: Buffer) => Promise<void>,
  ) {
    this.prefix = Buffer.from(prefix)
    this.filter = filter
    this.write = write
  }

  async push(data: Buffer): Promise<void> {
    const shown = this.filter === null ? data : Buffer.from(this.filter.push(data))
    const all = Buffer.concat([this.rest, shown])
    const lines: Buffer[] = []
    let from = 0
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, from)) {
      lines.push(all.subarray(from, end))
      from = end + 1
    }
    for (; all.length - from > lineBytes; from += lineBytes) lines.push(all.subarray(from, from + lineBytes))
    this.rest = Buffer.from(all.subarray(from))
    await this.writeLines(lines)
  }

  /** A last line without its end is a line as well. */
  async finish(): Promise<void> {
    const lines = this.rest.length === 0 ? [] : [this.rest]
    this.rest = Buffer.alloc(0)
    await this.writeLines(lines)
  }

  private async writeLines(lines: Buffer[]): Promise<void> {
    if (lines.length === 0) return
    const reset = this.filter === null ? [] : [Buffer.from(this.filter.end())]
    const end = Buffer.from('\n')
    await this.write(Buffer.concat(lines.flatMap((line) => [this.prefix, line, ...reset, end])))
  }
}

function barOf({ total, succeeded, failed, running, elapsedMs }: Progress, columns: number): string {
  const done = succeeded + failed
  const left =
    done === 0 || done >= total ? '' : `  about ${formatDuration((elapsedMs / done) * (total - done))} left`
  const bad = failed === 0 ? '' : `  ${failed} failed`
  const told = ` ${done}/${total}${bad}  ${running} running${left}`
  const width = Math.min(30, columns - told.length - 4)
  if (width < 5) return told.trimStart().slice(0, Math.max(0, columns - 1))
  const filled = Math.round((done / total) * width)
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]${told}`
}
