/** Runs a small program with a deadline that holds even where the program cannot be killed. */
import { spawn } from 'node:child_process'

export interface BriefRun {
  /** null: it was ended by a signal, is late, or could not be started. */
  code: number | null
  stdout: string
  stderr: string
  /** It did not end in time: it was told to die, and is waited for no longer. */
  isLate: boolean
  /** Why it could not be started, such as `ENOENT`; null: it was. */
  startError: string | null
}

export interface BriefOptions {
  /** Default: that of this process. */
  env?: Record<string, string | undefined>
  /** Default: `/`, where every user may be. */
  cwd?: string
  /** What it reads from standard input; default: nothing. */
  input?: string
  /** Whom it runs as; default: whoever runs this. */
  as?: { uid: number; gid: number } | undefined
}

/** For a program of another user, who may read it as long as that runs (proc_pid_environ(5)). */
function withoutSecrets(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const { HAKURIVER_TOKEN: _, HAKURIVER_JOIN_TOKEN: __, ...rest } = env
  const isPlain = (name: string) =>
    name.startsWith('HAKURIVER_') || ['PATH', 'HOME', 'LANG', 'TZ'].includes(name)
  return Object.fromEntries(Object.entries(rest).filter(([name]) => isPlain(name)))
}

/** More output than a small program has is cut off. */
const outputBytes = 256 * 1024

/**
 * Runs a command and resolves with what it printed, at the deadline at the latest. A process that waits for a dead
 * file system does not end by SIGKILL either (signal(7)): it is left behind, and keeps nobody from ending.
 */
export function runBriefly(
  [command = '', ...args]: readonly string[],
  deadlineMs: number,
  { env = process.env, cwd = '/', input = '', as }: BriefOptions = {},
): Promise<BriefRun> {
  return new Promise((resolve) => {
    // messages of programs are read: in one language
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...(as === undefined ? env : withoutSecrets(env)), LC_ALL: 'C' },
      cwd,
      ...as,
    })
    // it may end without having read it
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const printed = { stdout: '', stderr: '' }
    const done = (end: Partial<BriefRun>) => {
      clearTimeout(timer)
      child.unref()
      child.stdin.destroy()
      child.stdout.destroy()
      child.stderr.destroy()
      resolve({ code: null, isLate: false, startError: null, ...printed, ...end })
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      done({ isLate: true })
    }, deadlineMs)
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (data: Buffer) => {
        if (printed[name].length < outputBytes) printed[name] += data.toString()
      })
    }
    // also where it may not be killed: then it is late all the same
    child.on('error', (error) => done({ startError: 'code' in error ? String(error.code) : error.message }))
    child.on('close', (code) => done({ code }))
  })
}
