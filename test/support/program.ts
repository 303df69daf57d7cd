/** Starts the project's programs as real processes, keeps what they print, and ends exactly those. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withDeadline } from '../../src/platform/wait.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The bundle of a program. */
export function bundle(name: 'hakuriver' | 'host' | 'runner'): string {
  return join(root, 'dist', `${name}.cjs`)
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

export class Program {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  private readonly printed: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }

  constructor(command: string, args: readonly string[], env: Record<string, string | undefined> = {}) {
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout?.on('data', (data: Buffer) => this.printed.stdout.push(data))
    this.child.stderr?.on('data', (data: Buffer) => this.printed.stderr.push(data))
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get stdout(): string {
    return Buffer.concat(this.printed.stdout).toString()
  }

  get stderr(): string {
    return Buffer.concat(this.printed.stderr).toString()
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal)
    return withDeadline(this.ended, 15_000, `the end of process ${this.pid}`)
  }
}

/** A directory for one test that tasks of any user may enter; `remove` takes it away. */
export function temporaryDir(
  name = 'hakuriver-test',
  parent = tmpdir(),
): { path: string; remove: () => void } {
  const path = mkdtempSync(join(parent, `${name}-`))
  chmodSync(path, 0o755)
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
