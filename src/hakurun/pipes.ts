/**
 * The pipes that children write to. Node's own are sockets, which nobody can open again by the name /dev/stdout or
 * /dev/stderr (unix(7), proc_pid_fd(5)), as many scripts do; these are real ones.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

export interface Pipes {
  /** The ends to write to, for the child's standard output and standard error. */
  writers: [number, number]
  readers: [Readable, Readable]
  /** Closes our copies of the ends to write to: to be called when the child has its own. */
  closeWriters(): void
  /** To be called at the end. `isSilent`: nobody can write to them any more, so that another child may have them. */
  release(isSilent: boolean): void
}

type Names = [string, string]

let dir: string | null = null
let isImpossible = false
let made = 0
const free: Names[] = []

/** Makes pipes for one child, or takes those of one that has ended; null: there are none to be had here. */
export function openPipes(): Pipes | null {
  const names = free.pop() ?? makeNames()
  if (names === null) return null
  const opened: number[] = []
  try {
    // the end to read from comes first: the other can only be opened where there is one
    for (const name of names) {
      opened.push(openSync(name, constants.O_RDONLY | constants.O_NONBLOCK))
      opened.push(openSync(name, constants.O_WRONLY))
    }
  } catch (error) {
    for (const each of opened) closeSync(each)
    free.push(names)
    throw error
  }
  const [out = -1, outWriter = -1, err = -1, errWriter = -1] = opened
  const readers: [Readable, Readable] = [readerOf(out), readerOf(err)]
  return {
    writers: [outWriter, errWriter],
    readers,
    closeWriters: () => {
      closeSync(outWriter)
      closeSync(errWriter)
    },
    release: (isSilent) => {
      for (const reader of readers) reader.destroy()
      if (isSilent) free.push(names)
      else for (const name of names) rmSync(name, { force: true })
    },
  }
}

function readerOf(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false })
}

function makeNames(): Names | null {
  if (isImpossible) return null
  try {
    dir ??= makeDir()
    made += 1
    const names: Names = [join(dir, `${made}.out`), join(dir, `${made}.err`)]
    execFileSync('mkfifo', ['-m', '600', ...names], { stdio: 'ignore' })
    return names
  } catch {
    isImpossible = true
    return null
  }
}

function makeDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'hakurun-pipes-'))
  process.on('exit', () => rmSync(path, { recursive: true, force: true }))
  return path
}
