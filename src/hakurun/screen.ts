/** What hakurun writes: whole lines of the children with their prefix, and a progress bar below them on a terminal. */
import { printable } from '../core/text.ts'
import { formatDuration } from '../core/units.ts'
import type { Io } from '../platform/io.ts'
import { behindPrefix, createLineWriter } from '../platform/lines.ts'

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
  write(stream: 'stdout' | 'stderr', text: string | Uint8Array): Promise<void> {
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
      const format = behindPrefix(prefix, { isTty: io[target].isTty, keepColors: hasColors })
      return createLineWriter(format, (lines) => this.write(target, lines))
    })
    const [out, err] = writers
    return {
      push: (stream, data) => (stream === 'stdout' ? out : err)?.write(data) ?? Promise.resolve(),
      finish: async () => {
        for (const writer of writers) await writer.finish()
      },
    }
  }
}

type Push = (stream: 'stdout' | 'stderr', data: Buffer) => Promise<void>

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
