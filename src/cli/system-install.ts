/** An installation for the whole machine: its units by the configuration, and what it needs before it can start. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import { readSettings } from '../platform/config.ts'
import { changeableByOthers } from '../platform/owned-path.ts'
import { hostSettings, launcherSettings, runnerSettings } from '../platform/settings.ts'
import { launcherSocket, systemConfig, systemHome, systemUser } from '../platform/system-service.ts'
import { type ProgramFiles, unitFileOf } from './service-unit.ts'
import { type ProgramName, programFile } from './sibling.ts'
import { makeSystemUser } from './system-account.ts'
import {
  hostSystemUnit,
  launcherServiceFile,
  launcherServiceUnit,
  launcherSocketFile,
  launcherSocketUnit,
  runnerSystemUnit,
} from './system-units.ts'

const execute = promisify(execFile)

export interface UnitText {
  file: string
  text: string
}

export interface SystemInstall {
  /** Absolute; null: none was named, and there is none in its place yet. */
  configFile: string | null
  /** This program's own file. */
  own: string
  systemdVersion: number | null
}

/** The file that was named, else the machine's. */
export function systemConfigFile(named: string | null): string | null {
  return named ?? (existsSync(systemConfig) ? systemConfig : null)
}

/** What it will read is read now: a unit that cannot start is of no use. @throws AppError for a wrong configuration */
export function systemUnits(names: readonly ('host' | 'runner')[], install: SystemInstall): UnitText[] {
  return names.flatMap((name) => (name === 'host' ? hostUnits(install) : runnerUnits(install)))
}

function hostUnits(install: SystemInstall): UnitText[] {
  const found = readSettings(hostSettings, sourcesOf(install))
  const writes = outside([found.stateDir.value, dirname(found.databaseFile.value)], found.logFile.value)
  const lowPort = found.port.value > 0 && found.port.value < 1024
  return [{ file: unitFileOf('host'), text: hostSystemUnit({ ...unitOf('host', install), writes, lowPort }) }]
}

function runnerUnits(install: SystemInstall): UnitText[] {
  const sources = sourcesOf(install)
  const runner = readSettings(runnerSettings, sources)
  const { localTempDir, sharedDir } = readSettings(launcherSettings, sources)
  if (runner.executor.value !== 'auto' && runner.executor.value !== 'systemd') {
    throw new AppError(
      'invalid_request',
      `the launcher runs tasks under systemd, and runner.executor is ${runner.executor.value} (${runner.executor.place})`,
      { details: { fix: 'Take it out, or say whom the runner is to run as: --user NAME, or --root.' } },
    )
  }
  const writes = outside([runner.stateDir.value], runner.logFile.value)
  const launcher = { ...unitOf('launcher', install), writes: [] }
  return [
    { file: unitFileOf('runner'), text: runnerSystemUnit({ ...unitOf('runner', install), writes }) },
    { file: launcherSocketFile, text: launcherSocketUnit(launcherSocket) },
    {
      file: launcherServiceFile,
      text: launcherServiceUnit({
        ...launcher,
        localTempDir: localTempDir.value,
        sharedDir: sharedDir.value,
      }),
    },
  ]
}

/** The user, and that everything can be read by it, and be changed by root alone where root runs it. */
export async function prepareSystem(
  names: readonly ('host' | 'runner')[],
  install: SystemInstall,
): Promise<void> {
  await makeSystemUser()
  for (const name of names) for (const path of pathsOf(filesOf(name, install))) await checkReadable(path)
  if (names.includes('runner')) for (const path of pathsOf(filesOf('launcher', install))) checkRoots(path)
}

/** As that user, since it is more than permission bits: the way to it, links, access control lists. */
async function checkReadable(path: string): Promise<void> {
  if (await succeeds('runuser', '-u', systemUser, '--', 'test', '-r', path)) return
  throw new AppError('not_permitted', `the user ${systemUser}, whom it is to run as, cannot read ${path}`, {
    details: {
      fix: path.endsWith('.toml')
        ? `Move it to ${systemConfig}, or say whom it is to run as: --user NAME.`
        : 'Install hakuriver and Node where everybody can read them, as below /opt, or say --user NAME.',
    },
  })
}

function checkRoots(path: string): void {
  const changeable = changeableByOthers(path)
  if (changeable === null) return
  throw new AppError(
    'not_permitted',
    `root would run or believe ${path}, and others can change ${changeable}`,
    {
      details: { fix: `chown root ${changeable}; chmod go-w ${changeable}   (or move it, as below /opt)` },
    },
  )
}

async function succeeds(command: string, ...words: string[]): Promise<boolean> {
  try {
    await execute(command, words, { timeout: 10_000 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return false
    throw error
  }
}

function unitOf(name: ProgramName, install: SystemInstall) {
  return { files: filesOf(name, install), home: systemHome, systemdVersion: install.systemdVersion }
}

function filesOf(name: ProgramName, { own, configFile }: SystemInstall): ProgramFiles {
  return { nodeFile: process.execPath, programFile: programFile(name, own), configFile }
}

function pathsOf({ nodeFile, programFile: program, configFile }: ProgramFiles): string[] {
  return [nodeFile, program, ...(configFile === null ? [] : [configFile])]
}

function sourcesOf({ configFile }: SystemInstall) {
  return { argv: ['--config', configFile ?? '/dev/null'], env: { HAKURIVER_HOME: systemHome } }
}

/** Directories that systemd does not make for it. */
function outside(directories: readonly string[], logFile: string | null): string[] {
  const all = [...directories, ...(logFile === null ? [] : [dirname(logFile)])]
  return [...new Set(all.filter((path) => path !== systemHome && !path.startsWith(`${systemHome}/`)))]
}
