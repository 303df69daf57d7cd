/** The command line in a test: outputs that remember, a home of its own, and a host. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Io, Sink } from '../platform/io.ts'
import { FakeHost } from './fake-host.suite.ts'
import { runCli } from './run.ts'

/** A directory that goes with the test. */
export function temporaryDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'hakuriver-cli-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A host that stops with the test. */
export async function startHost(): Promise<FakeHost> {
  const host = await new FakeHost().start()
  onTestFinished(() => host.stop())
  return host
}

export interface TestIoOptions {
  /** Columns of the terminal; left out: no terminal. */
  columns?: number
  env?: Record<string, string>
  /** The key that is pressed when something is asked; left out: nobody is there. */
  answer?: string
  /** What comes on standard input. */
  stdin?: string
  /** Takes the place of standard output. */
  stdout?: Sink
}

export interface TestIo {
  io: Io
  home: string
  out(): string
  err(): string
  outBytes(): Buffer
  interrupt(): void
}

/** What a command touches besides the host. */
export function testIo({ columns, env = {}, answer, stdin = '', stdout }: TestIoOptions = {}): TestIo {
  const home = temporaryDir()
  const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const handlers = new Set<() => void>()
  const sink = (name: 'stdout' | 'stderr'): Sink => ({
    isTty: columns !== undefined,
    size: () => ({ columns: columns ?? 80, rows: 24 }),
    write: async (data) => void written[name].push(Buffer.from(data)),
  })
  return {
    home,
    io: {
      stdout: stdout ?? sink('stdout'),
      stderr: sink('stderr'),
      env: { HAKURIVER_HOME: home, NO_COLOR: '1', ...env },
      userHome: home,
      now: Date.now,
      onInterrupt(handler) {
        handlers.add(handler)
        return () => handlers.delete(handler)
      },
      readStdin: async (most) => Buffer.from(stdin).subarray(0, most),
      canAsk: answer !== undefined,
      onKey: (handler) => {
        if (answer !== undefined) queueMicrotask(() => handler(answer))
        return () => {}
      },
    },
    out: () => Buffer.concat(written.stdout).toString(),
    err: () => Buffer.concat(written.stderr).toString(),
    outBytes: () => Buffer.concat(written.stdout),
    interrupt: () => {
      for (const handler of handlers) handler()
    },
  }
}

export interface Ran {
  code: number
  out: string
  err: string
}

/** A command that goes on while the test does something. */
export interface Running extends TestIo {
  ended: Promise<number>
}

/** Starts a command against a host, without waiting for its end. */
export function start(host: FakeHost, words: string[], options: TestIoOptions = {}): Running {
  const test = testIo({
    ...options,
    env: { HAKURIVER_HOST_URL: host.url, HAKURIVER_TOKEN: 'secret', ...options.env },
  })
  return { ...test, ended: runCli(words, test.io) }
}

/** Runs a command against a host. */
export async function run(host: FakeHost, words: string[], options: TestIoOptions = {}): Promise<Ran> {
  const running = start(host, words, options)
  const code = await running.ended
  return { code, out: running.out(), err: running.err() }
}

/** Runs a command that finds its host by itself. */
export async function runAlone(words: string[], test: TestIo): Promise<Ran> {
  const code = await runCli(words, test.io)
  return { code, out: test.out(), err: test.err() }
}

/** Writes a file in a directory that goes with the test. */
export function temporaryFile(content: string | Uint8Array): string {
  const path = join(temporaryDir(), 'file')
  writeFileSync(path, content)
  return path
}
