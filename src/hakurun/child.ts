/** One run of one combination: a process in a group of its own, of which nothing is left when it is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { after } from '../platform/wait.ts'
import { drain, type OnData } from './drain.ts'
import { openPipes, type Pipes } from './pipes.ts'
import { type Family, sampleMemory, sessionFamily, signalGroup, treeFamily } from './processes.ts'

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
  onData?: OnData
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

type Ended = Pick<ChildEnd, 'exitCode' | 'signal' | 'error'>

/** How often is looked whether those that were asked to end have done so. */
const lookMs = 50

const living = new Set<Family>()
// whatever way hakurun ends, short of a kill: no process of it stays
process.on('exit', killAll)

/** Ends every process that was started and still runs, at once. */
export function killAll(): void {
  for (const family of living) family.signal('SIGKILL')
}

/** Runs it to its end. Rejects only with what `onData` has thrown. */
export async function runChild(options: ChildOptions): Promise<ChildEnd> {
  const startedMs = performance.now()
  const wallMs = () => Math.round(performance.now() - startedMs)
  const started = startChild(options)
  if ('error' in started) {
    return {
      exitCode: null,
      signal: null,
      ...started,
      timedOut: false,
      wallMs: wallMs(),
      peakMemoryBytes: null,
    }
  }
  const { child, family, leader, pipes } = started
  const ending = createEnding(family, options)
  const memory =
    options.samplesMemory && child.pid !== undefined ? sampleMemory(child.pid) : { stop: () => null }
  const [stdout, stderr] = pipes?.readers ?? [child.stdout, child.stderr]
  const { onData } = options
  const drains = onData ? [drain(stdout, 'stdout', onData), drain(stderr, 'stderr', onData)] : []
  // nobody is left who would take what it writes
  for (const { failed } of drains) void failed.then(ending.begin)
  const ended = await untilEnded(child)
  const facts = { timedOut: ending.timedOut(), wallMs: wallMs(), peakMemoryBytes: memory.stop() }
  await ending.finish()
  // what it has left behind goes with it, as under systemd, and holds its outputs open no longer
  if (leader !== null) signalGroup(leader, 'SIGKILL')
  living.delete(family)
  const outcomes = await Promise.all(drains.map((each) => each.finish()))
  pipes?.release(outcomes.every(({ isSilent }) => isSilent))
  const failure = outcomes.find(({ error }) => error !== null)
  if (failure !== undefined) throw failure.error
  return { ...ended, ...facts }
}

interface Started {
  child: ChildProcess
  family: Family
  /** Its number, where it leads a session of its own. */
  leader: number | null
  pipes: Pipes | null
}

function startChild({ file, args, output }: ChildOptions): Started | { error: string } {
  // in a session of its own it could not read from the terminal
  const hasSession = output !== 'inherit' || !process.stdin.isTTY
  let pipes: Pipes | null = null
  try {
    if (output === 'pipe') pipes = openPipes()
    const outputs = pipes?.writers ?? [output, output]
    const child = spawn(file, args, {
      detached: hasSession,
      stdio: output === 'inherit' ? 'inherit' : ['ignore', ...outputs],
    })
    pipes?.closeWriters()
    const { pid } = child
    // where there is none, `error` tells why
    if (pid === undefined) return { child, family: { signal() {}, isLeft: () => false }, leader: null, pipes }
    const family = hasSession ? sessionFamily(pid) : treeFamily(pid)
    living.add(family)
    return { child, family, leader: hasSession ? pid : null, pipes }
  } catch (error) {
    pipes?.closeWriters()
    pipes?.release(true)
    return { error: whyNotStarted(error) }
  }
}

function whyNotStarted(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null
  if (code === 'E2BIG')
    return 'its arguments are longer than the system allows: put the data into a file (E2BIG)'
  return error instanceof Error ? error.message : String(error)
}

function untilEnded(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, error: whyNotStarted(error) }))
    child.once('exit', (exitCode, name) => resolve({ exitCode, signal: name, error: null }))
  })
}

/** Asks all of it to end where it takes too long or everything is to end, and later no longer asks. */
function createEnding(family: Family, { timeoutMs, graceMs, signal }: ChildOptions) {
  const stops: (() => void)[] = []
  let timedOut = false
  let graceEndMs: number | null = null
  const begin = () => {
    if (graceEndMs !== null) return
    graceEndMs = performance.now() + graceMs
    family.signal('SIGTERM')
    stops.push(after(graceMs, () => family.signal('SIGKILL')))
  }
  const onTimeout = () => {
    timedOut = true
    begin()
  }
  if (timeoutMs !== null) stops.push(after(timeoutMs, onTimeout))
  if (signal.aborted) begin()
  signal.addEventListener('abort', begin)
  return {
    begin,
    timedOut: () => timedOut,
    /** The first process has ended. Those that it has started have the rest of the time to do so as well. */
    async finish(): Promise<void> {
      signal.removeEventListener('abort', begin)
      while (graceEndMs !== null && performance.now() < graceEndMs && family.isLeft()) await sleep(lookMs)
      for (const stop of stops) stop()
      if (graceEndMs !== null) family.signal('SIGKILL')
    },
  }
}
