/** One run of one combination: a process in a group of its own, of which nothing is left when it is over. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { after } from '../platform/wait.ts'

export interface ChildOptions {
  file: string
  args: string[]
  /** `inherit`: it is the only one, and has our input and outputs. A number: both outputs go to that file. */
  output: 'inherit' | 'pipe' | number
  /** Milliseconds; null: no limit. */
  timeoutMs: number | null
  /** Between the polite signal and the last. */
  graceMs: number
  /** Takes a part of an output that is piped; the reading waits for it. */
  onData?: (stream: 'stdout' | 'stderr', data: Buffer) => Promise<void>
  /** Aborted: it is to end. */
  signal: AbortSignal
  samplesMemory: boolean
}

export interface ChildEnd {
  exitCode: number | null
  signal: NodeJS.Signals | null
  timedOut: boolean
  /** It could not be started at all: why. */
  error: string | null
  wallMs: number
  /** The most that its processes were seen to hold at once; null: nothing was seen. */
  peakMemoryBytes: number | null
}

const sampleMs = 200
const firstSampleMs = 20
const living = new Set<number>()
// whatever way hakurun ends, short of a kill: no process of it stays
process.on('exit', killAll)

/** Ends every process that was started and still runs, at once. */
export function killAll(): void {
  for (const pid of living) signalGroup(pid, 'SIGKILL')
}

/** Runs it to its end. Rejects only with what `onData` has thrown. */
export async function runChild(options: ChildOptions): Promise<ChildEnd> {
  const { file, args, output, timeoutMs, graceMs, onData, signal } = options
  const startedMs = performance.now()
  const isAlone = output === 'inherit'
  // in a session of its own it could not read from the terminal
  const hasGroup = !isAlone || !process.stdin.isTTY
  const child = spawn(file, args, {
    detached: hasGroup,
    stdio: isAlone ? 'inherit' : ['ignore', output, output],
  })
  const { pid } = child
  const group = hasGroup ? (pid ?? null) : null
  if (group !== null) living.add(group)
  const stops: (() => void)[] = []
  const send = (name: NodeJS.Signals) => {
    if (group !== null) signalGroup(group, name)
    else if (pid !== undefined) for (const each of treeOf(pid)) signalProcess(each, name)
  }
  const end = () => {
    send('SIGTERM')
    stops.push(after(graceMs, () => send('SIGKILL')))
  }
  let timedOut = false
  if (timeoutMs !== null) {
    stops.push(
      after(timeoutMs, () => {
        timedOut = true
        end()
      }),
    )
  }
  signal.addEventListener('abort', end)
  const memory = options.samplesMemory && pid !== undefined ? sampleMemory(pid) : null
  const outputs =
    onData === undefined ? [] : [pour(child.stdout, 'stdout', onData), pour(child.stderr, 'stderr', onData)]
  const ended = await new Promise<Pick<ChildEnd, 'exitCode' | 'signal' | 'error'>>((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, error: error.message }))
    child.once('exit', (exitCode, name) => resolve({ exitCode, signal: name, error: null }))
  })
  const wallMs = Math.round(performance.now() - startedMs)
  const peakMemoryBytes = memory?.stop() ?? null
  signal.removeEventListener('abort', end)
  for (const stop of stops) stop()
  if (group !== null) {
    // what it has left behind goes with it, as under systemd, and holds its outputs open no longer
    signalGroup(group, 'SIGKILL')
    living.delete(group)
  }
  const failure = (await Promise.all(outputs)).find((each) => each !== null)
  if (failure !== undefined) throw failure.error
  return { ...ended, timedOut, wallMs, peakMemoryBytes }
}

/** Hands on all that comes. What `onData` throws is given back; the writer then finds its reader gone. */
async function pour(
  stream: Readable | null,
  name: 'stdout' | 'stderr',
  onData: NonNullable<ChildOptions['onData']>,
): Promise<{ error: unknown } | null> {
  if (stream === null) return null
  try {
    for await (const chunk of stream) await onData(name, chunk)
    return null
  } catch (error) {
    return { error }
  }
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  signalProcess(-pid, name)
}

function signalProcess(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it is gone
  }
}

function sampleMemory(pid: number): { stop: () => number | null } {
  let peak: number | null = null
  const look = () => {
    const bytes = treeOf(pid).reduce((sum, each) => sum + residentBytes(each), 0)
    if (bytes > 0) peak = Math.max(peak ?? 0, bytes)
  }
  // before that it may still be the copy of ourselves that becomes the program
  const first = setTimeout(look, firstSampleMs)
  const timer = setInterval(look, sampleMs)
  return {
    stop: () => {
      clearTimeout(first)
      clearInterval(timer)
      return peak
    },
  }
}

/** A process and all that come from it (proc_pid_task(5), `children`). */
function treeOf(pid: number): number[] {
  const found = [pid]
  for (const each of found) {
    try {
      for (const thread of readdirSync(`/proc/${each}/task`)) {
        const children = readFileSync(`/proc/${each}/task/${thread}/children`, 'utf8').trim()
        if (children !== '') found.push(...children.split(' ').map(Number))
      }
    } catch {
      // it has just ended
    }
  }
  return found
}

/** The most that a process has held so far (proc_pid_status(5), VmHWM). */
function residentBytes(pid: number): number {
  try {
    const [, kibibytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0
  }
}
