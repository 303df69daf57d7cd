/** What systemd tells of a unit, out of the properties in its signals and answers: pure. */
import type { DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import type { UnitFacts } from './record.ts'

/** Nothing known yet. */
export function noFacts(): UnitFacts {
  return {
    activeState: '',
    result: '',
    mainCode: null,
    mainStatus: null,
    controlPid: 0,
    startedAtMs: null,
    endedAtMs: null,
  }
}

/** Takes over what properties of the interfaces Unit and Service tell (org.freedesktop.systemd1(5)). */
export function takeFacts(facts: UnitFacts, properties: readonly [string, Variant][]): void {
  for (const [key, { value }] of properties) {
    switch (key) {
      case 'ActiveState':
        facts.activeState = String(value)
        break
      case 'Result':
        facts.result = String(value)
        break
      case 'ExecMainCode':
        facts.mainCode = Number(value)
        break
      case 'ExecMainStatus':
        facts.mainStatus = Number(value)
        break
      case 'ControlPID':
        facts.controlPid = Number(value)
        break
      case 'ExecMainStartTimestamp':
        facts.startedAtMs = milliseconds(value)
        break
      case 'ExecMainExitTimestamp':
        facts.endedAtMs = milliseconds(value)
        break
      default: // of some hundred others we need none
    }
  }
}

/** Microseconds since the epoch, 0 for never. */
function milliseconds(value: DbusValue): number | null {
  return typeof value === 'bigint' && value > 0n ? Number(value / 1000n) : null
}

export const unitPathPrefix = '/org/freedesktop/systemd1/unit/'

/** Object path of a unit: bytes other than letters and digits are `_xx` (sd_bus_path_encode(3)). */
export function pathOfUnit(name: string): string {
  return (
    unitPathPrefix +
    name.replace(/[^A-Za-z0-9]/g, (char) => `_${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  )
}

/** The unit of an object path; null where it is no unit's. */
export function unitOfPath(path: string): string | null {
  if (!path.startsWith(unitPathPrefix)) return null
  return path
    .slice(unitPathPrefix.length)
    .replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
