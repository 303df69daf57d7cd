/**
 * The fake executor: attempts that live in memory, for simulation, scale tests and for trying a large cluster
 * on one machine. Its commands: `true`, `false`, `exit N`, `sleep SECONDS`, `signal NAME`, `oom`, `fail-launch`;
 * anything else completes at once. What they use is made up, the same for each run of a task.
 */
import type { ExecutorInfo } from '../../core/node.ts'
import { isLeased, type TaskExit } from '../../core/task.ts'
import { exitWithout, leaseReason, rebootedExit } from './attempt-files.ts'
import type {
  AttemptUsage,
  Executor,
  ExecutorDeps,
  Fence,
  Handle,
  LaunchSpec,
  Recovered,
} from './executor.ts'

/** Runs an action later. @returns what takes it back */
export type Timer = (delayMs: number, action: () => void) => () => void

interface FakeAttempt {
  cores: number
  memoryBytes: number | null
  isLeased: boolean
  startedAtMs: number
  exit: TaskExit | null
  /** Takes the pending end back. */
  cancel: () => void
  /** Who is told of the end: the executor that watches now. */
  tell: ((exit: TaskExit) => void) | null
}

/** What a machine keeps while runners come and go: hand the same one to the next executor. */
export class FakeMachine {
  readonly attempts = new Map<string, FakeAttempt>()
  /** Of what is leased: see `Fence`. */
  deadlineMs: number | null = null
  /** Takes that back. */
  disarm = () => {}
}

export const fakeInfo: ExecutorInfo = {
  name: 'fake',
  why: 'asked for: nothing is really run',
  enforcesLimits: false,
  features: { privateNetwork: true, privatePids: true, numa: true, lease: true },
}

export class FakeExecutor implements Executor {
  readonly info = fakeInfo
  private readonly machine: FakeMachine
  private readonly deps: ExecutorDeps
  private readonly timer: Timer
  readonly fence: Fence
  private isClosed = false

  constructor(
    machine: FakeMachine,
    deps: ExecutorDeps,
    timer: Timer = realTimer,
    monotonic: () => number = () => performance.now(),
  ) {
    this.machine = machine
    this.deps = deps
    this.timer = timer
    this.fence = {
      now: monotonic,
      get deadlineMs() {
        return machine.deadlineMs
      },
      arm: async (deadlineMs) => {
        machine.disarm()
        machine.deadlineMs = deadlineMs
        machine.disarm = timer(Math.max(0, deadlineMs - monotonic()), () => this.endLeased())
      },
    }
  }

  handleFor(launch: LaunchSpec): Handle {
    const { taskId, attempt, taskDir } = launch
    const leased = isLeased(launch.spec, attempt) ? { isLeased: true } : {}
    return { version: 1, executor: 'fake', taskId, attempt, taskDir, bootId: this.deps.bootId, ...leased }
  }

  async start(launch: LaunchSpec): Promise<void> {
    const { taskId, attempt } = launch
    const id = key(taskId, attempt)
    if (this.machine.attempts.has(id)) return
    const startedAtMs = this.deps.now()
    const fake: FakeAttempt = {
      cores: launch.spec.cores,
      memoryBytes: launch.spec.memoryBytes,
      isLeased: isLeased(launch.spec, attempt),
      startedAtMs,
      exit: null,
      cancel: () => {},
      tell: null,
    }
    this.machine.attempts.set(id, fake)
    this.follow(taskId, attempt, fake)
    const { delayMs, exit } = scriptOf(launch)
    if (exit.cause !== 'launch_failed') this.deps.events.onStarted(taskId, attempt, startedAtMs)
    const timeoutMs = launch.spec.timeoutMs
    const isLate = timeoutMs !== null && timeoutMs < delayMs
    const outcome: Outcome = isLate
      ? { cause: 'timeout', reason: `it ran longer than its limit of ${timeoutMs / 1000} s` }
      : exit
    fake.cancel = this.timer(isLate ? timeoutMs : delayMs, () => this.end(fake, outcome))
  }

  async recover(handle: Handle): Promise<Recovered> {
    const fake = this.machine.attempts.get(key(handle.taskId, handle.attempt))
    if (handle.bootId !== this.deps.bootId) {
      return { state: 'ended', exit: rebootedExit(handle, this.deps.now()) }
    }
    if (fake === undefined) return { state: 'never_started' }
    if (fake.exit !== null) return { state: 'ended', exit: fake.exit }
    this.follow(handle.taskId, handle.attempt, fake)
    return { state: 'running', startedAtMs: fake.startedAtMs }
  }

  async kill(taskId: number, attempt: number): Promise<void> {
    const fake = this.machine.attempts.get(key(taskId, attempt))
    if (fake === undefined || fake.exit !== null) return
    fake.cancel()
    fake.cancel = this.timer(0, () => this.end(fake, { cause: 'killed', signal: 'SIGTERM' }))
  }

  async usage(attempts: readonly { taskId: number; attempt: number }[]): Promise<AttemptUsage[]> {
    const nowMs = this.deps.now()
    return attempts.flatMap(({ taskId, attempt }) => {
      const fake = this.machine.attempts.get(key(taskId, attempt))
      if (fake === undefined || fake.exit !== null) return []
      return [{ taskId, attempt, ...madeUpUsage(taskId, fake, Math.max(0, nowMs - fake.startedAtMs)) }]
    })
  }

  async list(): Promise<{ taskId: number; attempt: number }[]> {
    return [...this.machine.attempts.keys()].map((id) => {
      const [taskId, attempt] = id.split('-').map(Number)
      return { taskId: taskId ?? 0, attempt: attempt ?? 0 }
    })
  }

  async collect(handle: Handle): Promise<void> {
    this.machine.attempts.delete(key(handle.taskId, handle.attempt))
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  private endLeased(): void {
    for (const fake of this.machine.attempts.values()) {
      if (!fake.isLeased) continue
      fake.cancel()
      this.end(fake, { cause: 'node_lost', reason: leaseReason })
    }
  }

  private follow(taskId: number, attempt: number, fake: FakeAttempt): void {
    fake.tell = (exit) => {
      if (!this.isClosed) this.deps.events.onExit(taskId, attempt, exit)
    }
  }

  private end(fake: FakeAttempt, outcome: Outcome): void {
    if (fake.exit !== null) return
    const endedAtMs = this.deps.now()
    const startedAtMs = outcome.cause === 'launch_failed' ? null : fake.startedAtMs
    fake.exit = {
      ...exitWithout('lost', '', endedAtMs),
      reason: null,
      startedAtMs,
      cpuTimeMs: 0,
      peakMemoryBytes: 0,
      ...outcome,
    }
    fake.tell?.(fake.exit)
  }
}

type Outcome = Pick<TaskExit, 'cause'> & Partial<TaskExit>

/** What a fake command does, and after how long. */
function scriptOf(launch: LaunchSpec): { delayMs: number; exit: Outcome } {
  const [first = ''] = launch.spec.arguments
  switch (launch.spec.command) {
    case 'false':
      return { delayMs: 0, exit: { cause: 'exited', exitCode: 1 } }
    case 'exit':
      return { delayMs: 0, exit: { cause: 'exited', exitCode: Number(first) } }
    case 'sleep':
      return { delayMs: Number(first) * 1000, exit: { cause: 'exited', exitCode: 0 } }
    case 'signal':
      return { delayMs: 0, exit: { cause: 'signaled', signal: first, reason: `ended by ${first}` } }
    case 'oom':
      return {
        delayMs: 0,
        exit: { cause: 'oom', signal: 'SIGKILL', reason: 'it needed more memory than its limit' },
      }
    case 'fail-launch':
      return { delayMs: 0, exit: { cause: 'launch_failed', reason: 'asked to fail' } }
    default:
      return { delayMs: 0, exit: { cause: 'exited', exitCode: 0 } }
  }
}

const GiB = 1024 ** 3

/** Between half and all of its cores, and memory that it fills by and by up to a part of its limit. */
function madeUpUsage(
  taskId: number,
  { cores, memoryBytes }: FakeAttempt,
  ageMs: number,
): { cpuTimeMs: number; memoryBytes: number } {
  const share = 0.5 + (taskId % 51) / 100
  const full = (memoryBytes ?? GiB) * (0.3 + (taskId % 61) / 100)
  return {
    cpuTimeMs: Math.round(ageMs * cores * share),
    memoryBytes: Math.round(full * (0.1 + 0.9 * (1 - 0.5 ** (ageMs / 60_000)))),
  }
}

const realTimer: Timer = (delayMs, action) => {
  if (delayMs <= 0) {
    const immediate = setImmediate(action)
    return () => clearImmediate(immediate)
  }
  const timer = setTimeout(action, delayMs)
  return () => clearTimeout(timer)
}

function key(taskId: number, attempt: number): string {
  return `${taskId}-${attempt}`
}
