/**
 * The fence as systemd keeps it: PID 1 alone ends what is leased, whatever has become of the runner. A slice without
 * anything in it stands for the lease: leased units do not start without it and are stopped with it. A timer that
 * counts from the boot stops it, and is replaced by a later one whenever the deadline moves. No program has to run
 * for that, and nothing has to be read from a disk.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DbusError } from '../../../platform/dbus/connection.ts'
import { type DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import { writeFileAtomic } from '../../../platform/files.ts'
import { waitFor } from '../../../platform/wait.ts'
import { textOf } from '../attempt-files.ts'
import type { Fence } from '../executor.ts'
import type { SystemdConnection } from './systemd-connection.ts'
import { pathOfUnit } from './unit-facts.ts'

export interface FenceOptions {
  /** Where the deadline is kept for the next runner. */
  runDir: string
  runnerId: string
  bootId: string
  log: (message: string, fields?: Record<string, unknown>) => void
}

type Systemd = Pick<SystemdConnection, 'manager' | 'properties'>

/** How the deadlines of timers are told here. */
interface TimerClock {
  /** Counts the machine's sleep, and wakes it (`WakeSystem` of systemd.timer(5)). */
  wakes: boolean
  /** What systemd takes for the boot: in a container its own start. */
  baseMs: number
}

const armDeadlineMs = 10_000
/** How far systemd's word on a timer may be from what was asked: reading two clocks takes a moment. */
const trustMs = 500
/** Far enough that a timer that is only looked at never elapses. */
const farMs = 10 * 365 * 86_400_000
/** How late a timer may be, so that others can elapse with it. */
const accuracyUs = 10_000n

/** The unit that stands for the lease of one runner. */
export function leaseUnitOf(runnerId: string): string {
  return `${stem(runnerId)}.slice`
}

/** A dash in a slice's name means that it lies in another one (systemd.slice(5)). */
function stem(runnerId: string): string {
  return `hakuriver-lease-${runnerId.replace(/[^A-Za-z0-9]/g, '')}`
}

/** null where the machine may sleep through a deadline. */
export async function openSystemdFence(systemd: Systemd, options: FenceOptions): Promise<Fence | null> {
  try {
    const clock = (await lookAtTimer(systemd, options.runnerId, true)) ?? (await soundClock(systemd, options))
    return clock === null ? null : new SystemdFence(systemd, options, clock)
  } catch (error) {
    options.log('Tasks of --requeue cannot run here: systemd does not take the timer', {
      error: String(error),
    })
    return null
  }
}

async function soundClock(systemd: Systemd, options: FenceOptions): Promise<TimerClock | null> {
  // it is empty where the kernel cannot sleep (Documentation/admin-guide/pm/sleep-states.rst)
  const sleeps = (textOf('/sys/power/state') ?? '').trim()
  if (sleeps === '') return lookAtTimer(systemd, options.runnerId, false)
  options.log('Tasks of --requeue cannot run here: this machine may sleep, and systemd cannot wake it', {
    sleeps,
  })
  return null
}

/** Asks for a timer that never elapses, to learn how systemd counts; null where it cannot do it. */
async function lookAtTimer(systemd: Systemd, runnerId: string, wakes: boolean): Promise<TimerClock | null> {
  // another name for each, because systemd may still be at clearing the first away
  const name = `${stem(runnerId)}-${wakes ? 'wakes' : 'counts'}`
  await startTimer(systemd, name, farMs, wakes, null)
  const nextUs = await nextElapse(systemd, name)
  await stop(systemd, `${name}.timer`)
  if (nextUs === null) return null
  // the timer counts the machine's sleep only where it wakes it
  return { wakes, baseMs: elapseOf(nextUs) - (wakes ? 0 : sleptMs()) - farMs }
}

class SystemdFence implements Fence {
  deadlineMs: number | null
  private readonly systemd: Systemd
  private readonly clock: TimerClock
  private readonly stem: string
  private readonly path: string
  private readonly bootId: string

  constructor(systemd: Systemd, { runDir, runnerId, bootId }: FenceOptions, clock: TimerClock) {
    this.systemd = systemd
    this.clock = clock
    this.stem = stem(runnerId)
    this.path = join(runDir, `${this.stem}.deadline`)
    this.bootId = bootId
    const [boot, deadline] = (textOf(this.path) ?? '').trim().split(' ')
    this.deadlineMs = boot === bootId && deadline !== undefined ? Number(deadline) : null
  }

  now(): number {
    return uptimeMs()
  }

  async arm(deadlineMs: number): Promise<void> {
    const whole = Math.floor(deadlineMs)
    const name = `${this.stem}-${whole}`
    const onClock = whole - (this.clock.wakes ? 0 : sleptMs()) - this.clock.baseMs
    if (onClock <= 0) throw new Error('the deadline is over')
    await startTimer(this.systemd, name, onClock, this.clock.wakes, `${this.stem}.slice`)
    const nextUs = await nextElapse(this.systemd, name)
    if (nextUs === null) throw new Error(`systemd did not start ${name}.timer`)
    const lateMs = elapseOf(nextUs) - whole
    if (Math.abs(lateMs) > trustMs) {
      await stop(this.systemd, `${name}.timer`)
      this.clock.baseMs += lateMs
      throw new Error(`systemd counts ${name}.timer from another moment than before`)
    }
    // the earlier ones still stand: what is kept is never later than what holds
    await writeFileAtomic(this.path, `${this.bootId} ${whole}\n`, { mode: 0o600 })
    this.deadlineMs = whole
    for (const earlier of await this.timers())
      if (earlier !== `${name}.timer`) await stop(this.systemd, earlier)
  }

  private async timers(): Promise<string[]> {
    const [units] = await this.systemd.manager('ListUnitsByPatterns', 'asas', [[], [`${this.stem}-*.timer`]])
    return (units as [name: string, ...rest: DbusValue[]][]).map(([name]) => name)
  }
}

/**
 * Starts a timer, and with it the slice that stands for the lease. Where it elapses, or cannot be kept, systemd
 * starts the service of its name, and so stops the slice that the service conflicts with. `DefaultDependencies`
 * would have it wait for the machine to be up.
 */
async function startTimer(
  systemd: Systemd,
  name: string,
  afterBootMs: number,
  wakes: boolean,
  lease: string | null,
): Promise<void> {
  const { timer, service } = timerProperties(name, afterBootMs, wakes, lease)
  const body = [`${name}.timer`, 'replace', timer, [[`${name}.service`, service]]]
  await systemd.manager('StartTransientUnit', 'ssa(sv)a(sa(sv))', body)
}

/** The timer and its service as properties for StartTransientUnit (org.freedesktop.systemd1(5)). */
function timerProperties(name: string, afterBootMs: number, wakes: boolean, lease: string | null) {
  const timer: [string, string, DbusValue][] = [
    ['Description', 's', 'Lease of HakuRiver tasks'],
    ['DefaultDependencies', 'b', false],
    ['CollectMode', 's', 'inactive-or-failed'],
    ['TimersMonotonic', 'a(st)', [['OnBootSec', BigInt(Math.round(afterBootMs * 1000))]]],
    ['WakeSystem', 'b', wakes],
    ['AccuracyUSec', 't', accuracyUs],
    ['RemainAfterElapse', 'b', false],
  ]
  const service: [string, string, DbusValue][] = [
    ['Description', 's', 'End of HakuRiver tasks whose lease is over'],
    ['DefaultDependencies', 'b', false],
    ['CollectMode', 's', 'inactive-or-failed'],
    ['Type', 's', 'oneshot'],
    // systemd wants a program; that it runs means nothing
    ['ExecStart', 'a(sasb)', [['/bin/true', ['/bin/true'], true]]],
  ]
  if (lease !== null) {
    timer.push(['Requires', 'as', [lease]], ['After', 'as', [lease]])
    timer.push(['OnFailure', 'as', [`${name}.service`]])
    service.push(['Conflicts', 'as', [lease]])
  }
  return { timer: variants(timer), service: variants(service) }
}

function variants(properties: [string, string, DbusValue][]): DbusValue[] {
  return properties.map(([key, signature, value]) => [key, new Variant(signature, value)])
}

/** When the timer will elapse, once it waits; null where systemd did not start it, or it has elapsed. */
async function nextElapse(systemd: Systemd, name: string): Promise<number | null> {
  let nextUs: number | null = null
  await waitFor(
    `the start of ${name}.timer`,
    async () => {
      try {
        await systemd.manager('GetUnit', 's', [`${name}.timer`])
      } catch (error) {
        if (error instanceof DbusError) return true
        throw error
      }
      const facts = new Map(await systemd.properties(pathOfUnit(`${name}.timer`), ''))
      const state = facts.get('ActiveState')?.value
      if (state === 'failed') return true
      if (state !== 'active' || facts.get('SubState')?.value !== 'waiting') return false
      nextUs = Number(facts.get('NextElapseUSecMonotonic')?.value ?? 0n)
      return true
    },
    { deadlineMs: armDeadlineMs, everyMs: 20 },
  )
  return nextUs
}

/** When a timer elapses since the boot, sleep included: systemd tells it by the clock that stands still meanwhile. */
function elapseOf(nextUs: number): number {
  return nextUs / 1000 + sleptMs()
}

/** Stops a timer; nothing where it is gone. */
async function stop(systemd: Systemd, name: string): Promise<void> {
  try {
    await systemd.manager('StopUnit', 'ss', [name, 'replace'])
  } catch (error) {
    if (!(error instanceof DbusError)) throw error
  }
}

/** Milliseconds since the boot, sleep included (proc_uptime(5)). */
export function uptimeMs(): number {
  return Math.round(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000)
}

/** How long the machine has slept since its boot: CLOCK_BOOTTIME less CLOCK_MONOTONIC of clock_gettime(2). */
function sleptMs(): number {
  const monotonicMs = Number(process.hrtime.bigint() / 1_000_000n)
  const sleptMs = uptimeMs() - monotonicMs
  // the one is told in hundredths of a second
  return sleptMs < 20 ? 0 : sleptMs
}
