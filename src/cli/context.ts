/** What every command is handed: the outputs, how to write on them, and the host, found when first asked for. */
import pc from 'picocolors'
import { terminalJson, terminalText } from '../platform/ansi.ts'
import { type Io, type Sink, wantsColors } from '../platform/io.ts'
import { type AddressOptions, findHost, type HostAddress, hakuriverHome } from './host-address.ts'
import { createHost, type Host } from './transport.ts'

export type Colors = ReturnType<typeof pc.createColors>

/** Options that every command has. */
export interface CommonOptions extends AddressOptions {
  json?: boolean
  /** false: --no-color. */
  color?: boolean
}

export interface Context {
  io: Io
  json: boolean
  /** Colours for standard output: plain where it is no terminal or nobody wants them. */
  colors: Colors
  /** Are colours wanted on standard output? */
  hasColors: boolean
  home: string
  /** The configuration file that was named, by flag or environment; null: none was. */
  configFile: string | null
  host(): Promise<Host>
  /** Where the host is, without going there. @throws AppError where that cannot be told */
  address(): Promise<HostAddress>
  /** What is known of the host at this URL, as if it had been named by `--host`. */
  addressOf(url: string): Promise<HostAddress>
  /** A line for a person on standard error: hints, notes, progress. */
  note(line: string): Promise<void>
  /** Lines on standard output. */
  print(lines: string | string[]): Promise<void>
  /** One JSON value on standard output: indented on a terminal, else on one line. */
  printJson(value: unknown): Promise<void>
  /** One value of a stream: always on one line. */
  printJsonLine(value: unknown): Promise<void>
}

/** Makes the context of one command. */
export function createContext(options: CommonOptions, io: Io): Context {
  const hasColors = wantsColors(io) && options.color !== false
  let host: Promise<Host> | null = null
  const connect = async () => {
    const address = await findHost(options, io)
    if (address.token !== null && address.tokenNote !== null)
      await io.stderr.write(`hakuriver: ${address.tokenNote}\n`)
    return createHost(address, io.now)
  }
  return {
    io,
    json: options.json === true,
    colors: pc.createColors(hasColors),
    hasColors,
    home: hakuriverHome(io),
    configFile: options.config ?? (io.env.HAKURIVER_CONFIG || null),
    address: () => findHost(options, io),
    addressOf: (url) => findHost({ ...options, host: url }, io),
    host: () => (host ??= connect()),
    note: (line) => io.stderr.write(`${shownOn(io.stderr, line)}\n`),
    async print(lines) {
      const text = typeof lines === 'string' ? lines : lines.join('\n')
      if (text !== '' || typeof lines === 'string') await io.stdout.write(`${shownOn(io.stdout, text)}\n`)
    },
    printJson: (value) => io.stdout.write(`${jsonOn(io.stdout, value, 2)}\n`),
    printJsonLine: (value) => io.stdout.write(`${jsonOn(io.stdout, value, 0)}\n`),
  }
}

/** A text as an output may have it: whatever of it came from others, on a terminal it steers nothing. */
export function shownOn({ isTty }: Sink, text: string): string {
  return isTty ? terminalText(text) : text
}

function jsonOn({ isTty }: Sink, value: unknown, indent: number): string {
  return isTty ? terminalJson(JSON.stringify(value, null, indent)) : JSON.stringify(value)
}
