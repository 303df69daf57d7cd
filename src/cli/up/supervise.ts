/** Keeps one child process running: starts it again when it dies, more slowly each time, and stops it in order. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ChildSpec {
  command: string
  /** Asked at each start. */
  args: () => string[]
  env: Record<string, string | undefined>
  /** Open file for its output. */
  outputFd: number
  /** It died without having been asked to, and will be started again in `inMs`. */
  onDeath: (how: string, inMs: number) => void
  /** It was started. */
  onStart: (pid: number) => void
  /** First pause before a restart; doubles up to 30 s, and is first again after a minute of life. */
  backoffMs?: number
}

export interface Supervised {
  /** Asks it to end, and kills it after `graceMs`. Resolves when it is gone; it is not started again. */
  stop(graceMs: number): Promise<void>
}

const longestPauseMs = 30_000
const healthyMs = 60_000

/** Starts the child and looks after it until `stop`. */
export function supervise(spec: ChildSpec): Supervised {
  const firstPauseMs = spec.backoffMs ?? 500
  const stopping = new AbortController()
  let child: ChildProcess | null = null

  const live = async () => {
    for (let pauseMs = firstPauseMs; !stopping.signal.aborted; ) {
      const startedAt = performance.now()
      child = start(spec)
      if (child.pid !== undefined) spec.onStart(child.pid)
      const death = await endOf(child)
      if (stopping.signal.aborted) return
      if (performance.now() - startedAt > healthyMs) pauseMs = firstPauseMs
      spec.onDeath(death, pauseMs)
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }
  const life = live()

  return {
    async stop(graceMs) {
      stopping.abort()
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), graceMs)
      await life
      clearTimeout(timer)
    },
  }
}

/** In its own session: Ctrl-C on our terminal is for us, and we end it in order. */
function start(spec: ChildSpec): ChildProcess {
  return spawn(spec.command, spec.args(), {
    env: spec.env,
    stdio: ['ignore', spec.outputFd, spec.outputFd],
    detached: true,
  })
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}
