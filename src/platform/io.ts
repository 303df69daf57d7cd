/** What the command line has to do with the world: two outputs, an environment, a clock, interrupts. */

/** The reader of our output is gone (`… | head`): nothing more is to be said. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError'
}

/** One output. */
export interface Sink {
  readonly isTty: boolean
  /** Width and height of the terminal; 80 × 24 where it does not tell. */
  size(): { columns: number; rows: number }
  /**
   * Resolves when the system has taken the data, so that a slow reader slows us and nothing is lost at the end.
   * @throws BrokenPipeError
   */
  write(data: string | Uint8Array): Promise<void>
}

/** All that a command may touch besides the host. */
export interface Io {
  stdout: Sink
  stderr: Sink
  env: Readonly<Record<string, string | undefined>>
  /** The user's home directory. */
  userHome: string
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls back on Ctrl-C, a polite kill or a closed terminal instead of ending the process. Returns how to stop that. */
  onInterrupt(handler: () => void): () => void
  /** What comes on standard input until its end, or the first so many bytes of it. */
  readStdin(most: number): Promise<Uint8Array>
  /** Is there somebody at a terminal who could answer? */
  readonly canAsk: boolean
  /** Calls back for each key on a terminal, unechoed. Returns how to stop that. */
  onKey(handler: (key: string) => void): () => void
}

const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The real one. */
export function processIo(process: NodeJS.Process): Io {
  const stdout = once(() => sinkOf(process.stdout))
  const stderr = once(() => sinkOf(process.stderr))
  return {
    get stdout() {
      return stdout()
    },
    get stderr() {
      return stderr()
    },
    env: process.env,
    userHome: process.env.HOME ?? '/',
    now: Date.now,
    onInterrupt(handler) {
      for (const signal of interrupts) process.on(signal, handler)
      return () => {
        for (const signal of interrupts) process.off(signal, handler)
      }
    },
    async readStdin(most) {
      const parts: Buffer[] = []
      let length = 0
      for await (const part of process.stdin) {
        parts.push(Buffer.from(part))
        length += part.length
        if (length >= most) break
      }
      return Buffer.concat(parts).subarray(0, most)
    },
    get canAsk() {
      return process.stdin.isTTY === true
    },
    onKey(handler) {
      if (!process.stdin.isTTY) return () => {}
      const listener = (data: Buffer) => handler(data.toString())
      process.stdin.setRawMode(true).on('data', listener)
      return () => process.stdin.setRawMode(false).off('data', listener).pause()
    },
  }
}

/** Made when first used: opening an output takes a millisecond of the start. */
function once<T>(make: () => T): () => T {
  let made: T | null = null
  return () => {
    made ??= make()
    return made
  }
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  // The callback of each write carries the error; without a listener Node would throw it as well.
  stream.on('error', () => {})
  return {
    isTty: stream.isTTY === true,
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
    write: (data) =>
      new Promise((resolve, reject) => {
        stream.write(data, (error) => (error ? reject(asBrokenPipe(error)) : resolve()))
      }),
  }
}

function asBrokenPipe(error: Error): Error {
  const code = 'code' in error ? error.code : undefined
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' ? new BrokenPipeError('broken pipe') : error
}

/** Should standard output have colours? NO_COLOR and FORCE_COLOR as no-color.org and force-color.org have them. */
export function wantsColors(io: Pick<Io, 'env' | 'stdout'>): boolean {
  if (io.env.NO_COLOR) return false
  if (io.env.FORCE_COLOR) return true
  return io.stdout.isTty && io.env.TERM !== 'dumb'
}
