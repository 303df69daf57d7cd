/** What the launcher knows by itself: its own configuration, which nobody but root may have written. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { LocalUserRules } from '../../core/local-user.ts'
import { parseSize } from '../../core/units.ts'
import { configPath, readSettings, type Sources } from '../../platform/config.ts'
import { changeableByOthers } from '../../platform/owned-path.ts'
import { launcherSettings } from '../../platform/settings.ts'

export interface LauncherConfig extends LocalUserRules {
  nodeName: string
  /** The one who may ask, and whom no task runs as. */
  runnerUser: string
  /** Of the runner: hidden from tasks. */
  stateDir: string
  sharedDir: string | null
  localTempDir: string
  numactlPath: string
  privateTmp: boolean
  tasksMax: number
  /** Bytes that are kept of each log of a task; null: all. */
  logLimitBytes: number | null
}

/** @throws AppError `invalid_request` for what is wrong in it, `not_permitted` where others could have written it */
export function loadLauncherConfig(sources: Sources): LauncherConfig {
  const found = readSettings(launcherSettings, sources)
  return {
    nodeName: found.name.value,
    runnerUser: found.runnerUser.value,
    stateDir: found.stateDir.value,
    sharedDir: found.sharedDir.value,
    localTempDir: found.localTempDir.value,
    numactlPath: found.numactlPath.value ?? '',
    users: found.users.value,
    taskUser: found.taskUser.value,
    privateTmp: found.privateTmp.value,
    tasksMax: found.tasksMax.value,
    logLimitBytes: found.logLimit.value === '0' ? null : parseSize(found.logLimit.value),
  }
}

/**
 * @throws AppError `not_permitted` where somebody else than root could change the file that is read, also one that is
 * not there yet
 */
export function checkConfigFile(file: string | null, env: Sources['env']): void {
  const { path } = configPath(file, env)
  const changeable = changeableByOthers(existsSync(path) ? path : nearestDirectory(path))
  if (changeable === null) return
  throw new AppError(
    'not_permitted',
    `others than root can change ${changeable}, and with it whom tasks run as: chown root ${changeable}; chmod go-w ${changeable}`,
  )
}

/** That is there. */
function nearestDirectory(path: string): string {
  const parent = dirname(path)
  return parent === path || existsSync(parent) ? parent : nearestDirectory(parent)
}
