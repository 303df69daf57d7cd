/**
 * The machines of simulated nodes: what their systemd does with units, and a witness that sees every process begin and
 * end, whatever our programs believe.
 */
import { isLeased, type TaskExit } from '../../src/core/task.ts'
import { exitWithout, leaseReason, rebootedExit } from '../../src/runner/executors/attempt-files.ts'
import type {
  Executor,
  ExecutorDeps,
  Fence,
  Handle,
  LaunchSpec,
  Recovered,
} from '../../src/runner/executors/executor.ts'
import { fakeInfo } from '../../src/runner/executors/fake.ts'
import type { Chance, Life, MachineClock, Timeline } from './timeline.ts'

/** What a task of the simulation does: the words of its command line. */
export interface Behaviour {
  durationMs: number
  exitCode: number
  /** It does not end at SIGTERM. */
  isStubborn: boolean
  /** How it ends, where not by itself. */
  end: 'exit' | 'signal' | 'oom' | 'launch_failed'
}

export function wordsOf(behaviour: Behaviour): string[] {
  const { durationMs, exitCode, isStubborn, end } = behaviour
  return [String(durationMs), String(exitCode), String(isStubborn), end]
}

function behaviourOf([durationMs, exitCode, isStubborn, end]: readonly string[]): Behaviour {
  return {
    durationMs: Number(durationMs),
    exitCode: Number(exitCode),
    isStubborn: isStubborn === 'true',
    end: end as Behaviour['end'], // written by wordsOf
  }
}

/** Sees processes, not reports. */
export interface Witness {
  began(taskId: number, attempt: number, node: string): void
  /** `exit`: as the kernel has it; null: with its machine. */
  ended(taskId: number, attempt: number, node: string, exit: TaskExit | null): void
}

/** From SIGTERM to SIGKILL where systemd stops a unit by itself. */
const stopGraceMs = 10_000

interface Unit {
  taskId: number
  attempt: number
  behaviour: Behaviour
  timeoutMs: number | null
  isLeased: boolean
  startedAtMs: number | null
  isKillAsked: boolean
  /** The lease ran out under it. */
  isFenced: boolean
  exit: TaskExit | null
  cancels: (() => void)[]
}

/** A machine, power on or off. */
export class SimMachine {
  readonly name: string
  readonly clock: MachineClock
  bootId = ''
  boots = 0
  readonly units = new Map<string, Unit>()
  /** Of what is leased. */
  deadlineMs: number | null = null
  private disarm = () => {}
  /** Who is told of starts and ends: the executor of the runner that lives now. */
  watcher: SimExecutor | null = null
  private readonly timeline: Timeline
  private readonly chance: Chance
  private readonly witness: Witness

  constructor(name: string, clock: MachineClock, timeline: Timeline, chance: Chance, witness: Witness) {
    this.name = name
    this.clock = clock
    this.timeline = timeline
    this.chance = chance
    this.witness = witness
    this.powerOn()
  }

  powerOn(): void {
    this.boots += 1
    this.bootId = `${this.name}-boot-${this.boots}`
  }

  /**
   * Every process is gone at once, and every unit. The record of an end lies beside the attempt's files: it may be there
   * where those are.
   */
  powerOff(isOnDisk: (taskId: number, attempt: number) => boolean): void {
    for (const [id, unit] of this.units) {
      for (const cancel of unit.cancels) cancel()
      if (unit.startedAtMs !== null && unit.exit === null)
        this.witness.ended(unit.taskId, unit.attempt, this.name, null)
      const isRecorded = unit.exit !== null && isOnDisk(unit.taskId, unit.attempt) && this.chance.is(0.5)
      if (!isRecorded) this.units.delete(id)
    }
    this.watcher = null
    this.disarm()
    this.deadlineMs = null
  }

  /** Moves the end of what is leased; one that is over strikes at once. */
  arm(deadlineMs: number): void {
    this.disarm()
    this.deadlineMs = deadlineMs
    this.disarm = this.timeline.after(deadlineMs - this.timeline.nowMs, () => {
      for (const unit of this.units.values()) if (unit.isLeased) this.fence(unit)
    })
  }

  private fence(unit: Unit): void {
    if (unit.exit !== null || unit.isFenced) return
    unit.isFenced = true
    const delayMs = unit.behaviour.isStubborn ? stopGraceMs : this.chance.between(0.2, 40)
    this.later(unit, delayMs, () => this.end(unit, { cause: 'node_lost', reason: leaseReason }))
  }

  start(launch: LaunchSpec): void {
    const id = idOf(launch)
    if (this.units.has(id)) return // systemd refuses a name that is loaded
    const unit: Unit = {
      taskId: launch.taskId,
      attempt: launch.attempt,
      behaviour: behaviourOf(launch.spec.arguments),
      timeoutMs: launch.spec.timeoutMs,
      startedAtMs: null,
      isLeased: isLeased(launch.spec, launch.attempt),
      isKillAsked: false,
      isFenced: false,
      exit: null,
      cancels: [],
    }
    this.units.set(id, unit)
    // systemd starts no leased unit without the lease
    if (unit.isLeased && (this.deadlineMs ?? 0) <= this.timeline.nowMs) this.fence(unit)
    this.later(unit, this.chance.between(0.5, 10), () => this.exec(unit))
  }

  kill(id: string, graceMs: number): void {
    const unit = this.units.get(id)
    if (unit === undefined || unit.exit !== null || unit.isKillAsked) return
    unit.isKillAsked = true
    const delayMs = unit.behaviour.isStubborn ? graceMs : this.chance.between(0.2, 40)
    this.later(unit, delayMs, () => this.end(unit, { cause: 'killed', signal: 'SIGTERM' }))
  }

  /** Milliseconds of a clock that nobody can set. */
  now(): number {
    return this.timeline.nowMs
  }

  private exec(unit: Unit): void {
    if (unit.isKillAsked) return this.end(unit, { cause: 'killed' })
    if (unit.isFenced) return this.end(unit, { cause: 'node_lost', reason: leaseReason })
    const { behaviour, timeoutMs } = unit
    if (behaviour.end === 'launch_failed')
      return this.end(unit, { cause: 'launch_failed', reason: 'no such file' })
    unit.startedAtMs = this.clock.now()
    this.witness.began(unit.taskId, unit.attempt, this.name)
    this.watcher?.tellStarted(unit.taskId, unit.attempt, unit.startedAtMs)
    if (timeoutMs !== null && timeoutMs < behaviour.durationMs) {
      const graceMs = behaviour.isStubborn ? 10_000 : 20
      this.later(unit, timeoutMs + graceMs, () => this.end(unit, { cause: 'timeout', reason: 'too long' }))
    } else this.later(unit, behaviour.durationMs, () => this.end(unit, outcomeOf(behaviour)))
  }

  private end(unit: Unit, outcome: Partial<TaskExit> & Pick<TaskExit, 'cause'>): void {
    if (unit.exit !== null) return
    for (const cancel of unit.cancels) cancel()
    const exit = {
      ...exitWithout('lost', '', this.clock.now()),
      reason: null,
      startedAtMs: unit.startedAtMs,
      ...outcome,
    }
    unit.exit = exit
    if (unit.startedAtMs !== null) this.witness.ended(unit.taskId, unit.attempt, this.name, exit)
    this.timeline.after(this.chance.between(0.1, 5), () =>
      this.watcher?.tellEnd(unit.taskId, unit.attempt, exit),
    )
  }

  private later(unit: Unit, delayMs: number, action: () => void): void {
    unit.cancels.push(this.timeline.after(delayMs, action))
  }
}

/** A runner's hands on its machine. */
export class SimExecutor implements Executor {
  readonly info = fakeInfo
  private readonly machine: SimMachine
  private readonly deps: ExecutorDeps
  private readonly life: Life
  readonly fence: Fence

  constructor(machine: SimMachine, deps: ExecutorDeps, life: Life) {
    this.machine = machine
    this.deps = deps
    this.life = life
    machine.watcher = this
    this.fence = {
      now: () => machine.now(),
      get deadlineMs() {
        return machine.deadlineMs
      },
      arm: (deadlineMs) => this.asks(() => machine.arm(deadlineMs)),
    }
  }

  handleFor({ taskId, attempt, taskDir, spec }: LaunchSpec): Handle {
    const leased = isLeased(spec, attempt) ? { isLeased: true } : {}
    return { version: 1, executor: 'fake', taskId, attempt, taskDir, bootId: this.deps.bootId, ...leased }
  }

  start(launch: LaunchSpec): Promise<void> {
    return this.asks(() => this.machine.start(launch))
  }

  recover(handle: Handle): Promise<Recovered> {
    return this.asks((): Recovered => {
      const unit = this.machine.units.get(idOf(handle))
      if (unit?.exit) return { state: 'ended', exit: unit.exit }
      if (handle.bootId !== this.deps.bootId)
        return { state: 'ended', exit: rebootedExit(handle, this.deps.now()) }
      if (unit === undefined) return { state: 'never_started' }
      // one that is about to exec is told when it does
      return { state: 'running', startedAtMs: unit.startedAtMs ?? this.deps.now() }
    })
  }

  kill(taskId: number, attempt: number, graceMs: number): Promise<void> {
    return this.asks(() => this.machine.kill(idOf({ taskId, attempt }), graceMs))
  }

  list(): Promise<{ taskId: number; attempt: number }[]> {
    return this.asks(() => [...this.machine.units.values()])
  }

  collect(handle: Handle): Promise<void> {
    return this.asks(() => {
      if (this.machine.units.get(idOf(handle))?.exit) this.machine.units.delete(idOf(handle))
    })
  }

  async close(): Promise<void> {
    if (this.machine.watcher === this) this.machine.watcher = null
  }

  tellStarted(taskId: number, attempt: number, atMs: number): void {
    this.life.run(() => this.deps.events.onStarted(taskId, attempt, atMs))
  }

  tellEnd(taskId: number, attempt: number, exit: TaskExit): void {
    this.life.run(() => this.deps.events.onExit(taskId, attempt, exit))
  }

  /** A call to systemd and its answer, each on its way for a moment. */
  private asks<T>(action: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (!this.life.calls()) return
      this.life.after(0.2, () => {
        if (!this.life.calls()) return
        const answer = action()
        this.life.after(0.2, () => resolve(answer))
      })
    })
  }
}

function outcomeOf({ end, exitCode }: Behaviour): Pick<TaskExit, 'cause'> & Partial<TaskExit> {
  if (end === 'oom') return { cause: 'oom', signal: 'SIGKILL', reason: 'out of memory' }
  if (end === 'signal') return { cause: 'signaled', signal: 'SIGSEGV', reason: 'ended by SIGSEGV' }
  return { cause: 'exited', exitCode }
}

function idOf({ taskId, attempt }: { taskId: number; attempt: number }): string {
  return `${taskId}-${attempt}`
}
