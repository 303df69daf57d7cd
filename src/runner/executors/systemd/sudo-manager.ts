/**
 * systemd for an ordinary user whose sudoers rule allows `systemd-run` and `systemctl`: those two start and stop,
 * and the message bus, where anybody may listen, tells what happens.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../../../core/errors.ts'
import { DbusError } from '../../../platform/dbus/connection.ts'
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

const commandDeadlineMs = 25_000

export class SudoUnitManager implements UnitManager {
  private readonly bus: DbusUnitManager

  private constructor(bus: DbusUnitManager) {
    this.bus = bus
  }

  /** @throws DbusError where there is no message bus to watch from */
  static async open(options: SudoManagerOptions): Promise<SudoUnitManager> {
    const { events, log, busPath = '/run/dbus/system_bus_socket' } = options
    return new SudoUnitManager(await DbusUnitManager.open({ socketPath: busPath, kind: 'bus', events, log }))
  }

  start(plan: UnitPlan): Promise<StartOutcome> {
    return this.bus.startBy(plan.name, async () => {
      try {
        await sudo(['systemd-run', '--no-block', ...systemdRunArguments(plan)])
      } catch (error) {
        throw (await this.isLoaded(plan.name)) ? new DbusError(unitExists, messageOf(error)) : error
      }
    })
  }

  stop(name: string): Promise<boolean> {
    return this.bus.stopBy(name, async () => {
      try {
        await sudo(['systemctl', 'stop', '--no-block', name])
      } catch (error) {
        throw (await this.isLoaded(name)) ? error : new DbusError(noSuchUnit, messageOf(error))
      }
    })
  }

  async killAll(name: string): Promise<void> {
    try {
      await sudo(['systemctl', 'kill', '--signal=SIGKILL', name])
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

  private async isLoaded(name: string): Promise<boolean> {
    return (await this.bus.list()).has(name)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** @throws AppError with what the program said */
async function sudo(words: string[]): Promise<void> {
  try {
    await run('sudo', ['-n', ...words], { timeout: commandDeadlineMs, maxBuffer: 64 * 1024 })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    const why = said === '' ? String(error) : said
    throw new AppError('not_permitted', `sudo ${words[0]} failed: ${why}`, { cause: error })
  }
}
