/**
 * systemd for an ordinary user whose sudoers rule allows `systemd-run` and `systemctl`: those two start and stop,
 * and the message bus, where anybody may listen, tells what happens.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../../../core/errors.ts'
import { closedError, DbusError, lateError } from '../../../platform/dbus/connection.ts'
import { waitFor } from '../../../platform/wait.ts'
import { DbusUnitManager, noSuchUnit, unitExists } from './dbus-manager.ts'
import type { StartOutcome, UnitEvents, UnitManager } from './manager.ts'
import type { UnitFacts } from './record.ts'
import { systemdRunArguments, type UnitPlan } from './unit.ts'

const run = promisify(execFile)

export interface SudoManagerOptions {
  events: UnitEvents
  log: (message: string, fields?: Record<string, unknown>) => void
  /** Default: the system bus. */
  busPath?: string
}

/** Where anybody may listen (D-Bus specification, "Well-known Message Bus Instances"). */
export const systemBus = '/run/dbus/system_bus_socket'

const commandDeadlineMs = 25_000

export class SudoUnitManager implements UnitManager {
  private readonly bus: DbusUnitManager
  /** Programs that are still asking for a start: a stop must not overtake them. */
  private readonly asking = new Map<string, Promise<void>>()

  private constructor(bus: DbusUnitManager) {
    this.bus = bus
  }

  /** @throws DbusError where there is no message bus to watch from */
  static async open(options: SudoManagerOptions): Promise<SudoUnitManager> {
    const { events, log, busPath = systemBus } = options
    return new SudoUnitManager(await DbusUnitManager.open({ socketPath: busPath, kind: 'bus', events, log }))
  }

  start(plan: UnitPlan): Promise<StartOutcome> {
    return this.bus.startBy(plan.name, async () => {
      try {
        await this.askForStart(plan)
      } catch (error) {
        if (isCutOff(error)) throw new DbusError(closedError, messageOf(error))
        throw (await this.isLoaded(plan.name)) ? new DbusError(unitExists, messageOf(error)) : error
      }
    })
  }

  stop(name: string): Promise<boolean> {
    return this.bus.stopBy(name, async () => {
      await this.asking.get(name)
      try {
        await sudoUntilHeard(['systemctl', 'stop', '--no-block', name])
      } catch (error) {
        throw (await this.isLoaded(name)) ? error : new DbusError(noSuchUnit, messageOf(error))
      }
    })
  }

  async killAll(name: string): Promise<void> {
    try {
      await sudoUntilHeard(['systemctl', 'kill', '--signal=SIGKILL', name])
    } catch (error) {
      if (await this.isLoaded(name)) throw error
    }
  }

  list(): Promise<Set<string>> {
    return this.bus.list()
  }

  look(name: string): Promise<UnitFacts | null> {
    return this.bus.look(name)
  }

  cgroupOf(name: string): string {
    return this.bus.cgroupOf(name)
  }

  close(): void {
    this.bus.close()
  }

  private async askForStart(plan: UnitPlan): Promise<void> {
    const asked = sudo(['systemd-run', '--no-block', ...systemdRunArguments(plan)])
    const settled = asked.then(
      () => {},
      () => {}, // told to who asked
    )
    this.asking.set(plan.name, settled)
    try {
      await asked
    } finally {
      if (this.asking.get(plan.name) === settled) this.asking.delete(plan.name)
    }
  }

  private async isLoaded(name: string): Promise<boolean> {
    return (await this.bus.list()).has(name)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What the programs say when systemd or the message bus went away under them: it may or may not be done. */
function isCutOff(error: unknown): boolean {
  return /not connected|disconnected|connection|to bus|reply/i.test(messageOf(error))
}

/** The same for what may be asked for twice: asks again while systemd executes itself anew. */
async function sudoUntilHeard(words: string[]): Promise<void> {
  await waitFor(
    `sudo ${words[0]}`,
    async () => {
      try {
        await sudo(words)
        return true
      } catch (error) {
        if (!isCutOff(error)) throw error
        return false
      }
    },
    { deadlineMs: commandDeadlineMs, everyMs: 100 },
  )
}

/** @throws AppError with what the program said */
async function sudo(words: string[]): Promise<void> {
  try {
    const env = { ...process.env, LC_ALL: 'C' }
    await run('sudo', ['-n', ...words], { timeout: commandDeadlineMs, maxBuffer: 64 * 1024, env })
  } catch (error) {
    if (error instanceof Error && 'killed' in error && error.killed === true) {
      throw new DbusError(lateError, `sudo ${words[0]} took longer than ${commandDeadlineMs / 1000} s`)
    }
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    const why = said === '' ? String(error) : said
    throw new AppError('not_permitted', `sudo ${words[0]} failed: ${why}`, { cause: error })
  }
}
