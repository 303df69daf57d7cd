/** A program that keeps putting other things in the place of a log and of its folder, and what a test needs to run it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logFolder, logPath } from './log-paths.ts'

/** What nobody may ever be shown, or lose a byte of. */
const canary = 'CANARY-0123456789-'.repeat(1000)
const honest = 'an honest line\n'.repeat(1000)

export class SwappedLog {
  readonly base = mkdtempSync(join(tmpdir(), 'hakuriver-swap-'))
  readonly path = logPath(this.base, 'stdout', 1)
  readonly target = join(this.base, 'secret', '1.out')
  private child: ChildProcess | null = null

  constructor() {
    mkdirSync(logFolder(this.base, 'stdout'))
    mkdirSync(join(this.base, 'secret'))
    mkdirSync(join(this.base, 'aside'))
    writeFileSync(this.target, canary)
    writeFileSync(this.path, honest)
  }

  /** Begins to swap, in a process of its own. */
  async start(): Promise<void> {
    this.child = spawn(process.execPath, [import.meta.filename, this.base], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (this.child.stdout !== null) await once(this.child.stdout, 'data')
  }

  /** Ends it, so that nothing changes any more. */
  async stop(): Promise<void> {
    if (this.child === null) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
    this.child = null
  }

  /** Is the file that links point at as it was? */
  isUntouched(): boolean {
    return readFileSync(this.target, 'utf8') === canary
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.base, { recursive: true, force: true })
  }
}

/** Without a pause: a link, a hard link, a pipe, a folder, another folder above, and an honest file in between. */
function swapForever(base: string): never {
  const path = logPath(base, 'stdout', 1)
  const folder = logFolder(base, 'stdout')
  const made = join(base, 'aside', 'made')
  const target = join(base, 'secret', '1.out')
  const place = (make: (at: string) => void) => {
    make(made)
    rmSync(path, { recursive: true, force: true })
    renameSync(made, path)
  }
  const odd: (() => void)[] = [
    () => place((at) => symlinkSync(target, at)),
    () => place((at) => linkSync(target, at)),
    () => place((at) => void execFileSync('mkfifo', [at])),
    () => place((at) => mkdirSync(at)),
    () => {
      renameSync(folder, join(base, 'aside', 'folder'))
      symlinkSync(join(base, 'secret'), folder)
      rmSync(folder)
      renameSync(join(base, 'aside', 'folder'), folder)
    },
    // the note beside it, and the one that is being written
    () => {
      for (const note of [`${path}.cut`, `${path}.cut.new`]) {
        rmSync(note, { force: true })
        symlinkSync(target, note)
      }
    },
  ]
  process.stdout.write('ready\n')
  for (let turn = 0; ; turn += 1) {
    try {
      odd[turn % odd.length]?.()
      place((at) => writeFileSync(at, honest))
    } catch {
      // whoever cuts may have been there at the same moment
      rmSync(made, { recursive: true, force: true })
    }
  }
}

if (process.argv[1] === import.meta.filename) swapForever(process.argv[2] ?? '')
