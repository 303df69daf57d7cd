/** The systemd executor for the machine's own systemd, as a runner that is root has it, or the launcher. */
import { tmpdir } from 'node:os'
import type { ExecutorInfo } from '../core/node.ts'
import { hakuriverHome } from '../platform/config.ts'
import { launcherSocket } from '../platform/system-service.ts'
import { systemdVersion } from '../platform/systemd-version.ts'
import type { ExecutorDeps } from './executors/executor.ts'
import { DbusUnitManager } from './executors/systemd/dbus-manager.ts'
import type { SystemdOptions } from './executors/systemd/options.ts'
import { isWithin, realPath, type Sandbox, sandboxOf } from './executors/systemd/sandbox.ts'
import { SystemdExecutor } from './executors/systemd/systemd.ts'

/** What it needs of a configuration. */
export interface SystemConfig {
  privateTmp: boolean
  tasksMax: number
  localTempDir: string
  sharedDir: string | null
  /** Of the runner. */
  stateDir: string
  numactlPath: string
}

/** systemd's own, for root. */
export const systemSocket = '/run/systemd/private'
/** PrivatePIDs= came with it. */
export const privatePidsVersion = 257
/** Of root: start scripts. */
export const rootRunDir = '/run/hakuriver/tasks'
/** Where host, runners and launcher of a machine keep what is theirs. */
const secretDirs = [
  ...['/etc/hakuriver', '/var/lib/hakuriver', '/var/lib/hakuriver-launcher'],
  ...['/run/hakuriver/attempts', '/run/hakuriver-runner', '/run/hakuriver/launcher', launcherSocket],
]

/** For root. @throws DbusError where systemd cannot be reached */
export async function openSystemExecutor(
  config: SystemConfig,
  deps: ExecutorDeps,
  info: ExecutorInfo,
  runDir = rootRunDir,
): Promise<SystemdExecutor> {
  return SystemdExecutor.open(
    {
      ...(await systemOptions(config, info, runDir)),
      openManager: (events) => DbusUnitManager.open({ socketPath: systemSocket, events, log: deps.log }),
    },
    deps,
  )
}

/** What holds whichever way that systemd is asked. */
export async function systemOptions(
  config: SystemConfig,
  info: ExecutorInfo,
  runDir: string,
): Promise<Omit<SystemdOptions, 'openManager'>> {
  return {
    info,
    runDir,
    hasPrivatePids: (await systemdVersion()) >= privatePidsVersion,
    tasksMax: config.tasksMax,
    sandbox: sandboxFor(config, runDir),
    setsLimits: true,
    numactlPath: config.numactlPath,
  }
}

export function systemInfo(why: string, privatePids: boolean, numa: boolean): ExecutorInfo {
  return { name: 'systemd', why, enforcesLimits: true, features: { privateNetwork: true, privatePids, numa } }
}

/** What every task of another user is kept from, and what it must reach all the same. */
function sandboxFor(
  { privateTmp, localTempDir, sharedDir, stateDir }: SystemConfig,
  runDir: string,
): Sandbox {
  // of an ordinary runner the record of a task's end is written by the task's own unit
  const records = process.getuid?.() !== 0 && isWithin(stateDir, tmpdir()) ? [stateDir] : []
  const kept = [runDir, localTempDir, ...(sharedDir === null ? [] : [sharedDir]), ...records]
  const hidden = [stateDir, hakuriverHome(process.env), ...secretDirs]
  return sandboxOf({ privateTmp, hidden: hidden.map(realPath), kept: kept.map(realPath) })
}
