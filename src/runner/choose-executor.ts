/** Chooses how tasks are run on this machine: what was asked for, or the strongest way that works. */

import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { ExecutorInfo } from '../core/node.ts'
import { ownUserName } from '../platform/own-user.ts'
import { launcherSocket } from '../platform/system-service.ts'
import { systemdVersion } from '../platform/systemd-version.ts'
import type { RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { FakeExecutor, FakeMachine, fakeInfo } from './executors/fake.ts'
import { ProcessExecutor } from './executors/process.ts'
import { DbusUnitManager } from './executors/systemd/dbus-manager.ts'
import { SudoUnitManager } from './executors/systemd/sudo-manager.ts'
import { SystemdExecutor } from './executors/systemd/systemd.ts'
import { hasNumactl } from './hardware.ts'
import { throughLauncher } from './launcher/messages.ts'
import { RemoteExecutor } from './launcher/remote-executor.ts'
import { sudoProblem } from './sudo.ts'
import { openSystemExecutor, privatePidsVersion, systemInfo, systemOptions } from './system-executor.ts'

/**
 * What would run tasks here under a configuration, without building it.
 * @throws AppError when the one that was asked for cannot work here
 */
export async function decideExecutor(config: RunnerConfig): Promise<ExecutorInfo> {
  const isRoot = process.getuid?.() === 0
  const numa = await hasNumactl(config.numactlPath)
  switch (config.executor) {
    case 'fake':
      return fakeInfo
    case 'process':
      return processInfo(numa, 'asked for')
    case 'systemd':
      return systemdInfo(config, numa, 'asked for')
    case 'systemd-user':
      return userInfoOf(numa, 'asked for')
    case 'auto':
      break
  }
  if (!existsSync('/run/systemd/system')) return processInfo(numa, 'systemd does not run here')
  if (isRoot) return systemdInfo(config, numa, 'the strongest: systemd is here, and the runner is root')
  if (usesLauncher(config)) return systemInfo(throughLauncher, true, numa)
  if (config.useSudo === true) return systemdInfo(config, numa, 'systemd is here, and sudo was asked for')
  const missing = missingDelegation()
  if (missing === null) return userInfoOf(numa, "the user's own systemd has delegated limits")
  if (config.useSudo === null && (await sudoProblem()) === null)
    return systemdInfo(config, numa, 'systemd is here, and sudo asks for no password')
  return processInfo(numa, `the runner is not root, and ${missing}`)
}

/** Builds the executor for a configuration. @throws AppError when the one that was asked for cannot work here */
export async function chooseExecutor(config: RunnerConfig, deps: ExecutorDeps): Promise<Executor> {
  const info = await decideExecutor(config)
  switch (info.name) {
    case 'fake':
      return new FakeExecutor(new FakeMachine(), deps)
    case 'process':
      return processExecutor(config, deps, info)
    case 'systemd':
      return systemdExecutor(config, deps, info)
    case 'systemd-user':
      return userExecutor(config, deps, info)
  }
}

async function systemdInfo(config: RunnerConfig, numa: boolean, why: string): Promise<ExecutorInfo> {
  const isRoot = process.getuid?.() === 0
  if (usesLauncher(config)) return systemInfo(throughLauncher, true, numa)
  const isAllowed = isRoot || (config.useSudo ?? (await sudoProblem()) === null)
  if (!isAllowed) {
    throw new AppError(
      'not_permitted',
      'the systemd executor needs root, or sudo without a password for systemd-run and systemctl; without either use systemd-user or process',
    )
  }
  // before 257 only root can make a PID namespace for a task
  const privatePids = isRoot || (await systemdVersion()) >= privatePidsVersion
  return systemInfo(why, privatePids, numa)
}

/** Is it to ask the launcher? Its socket is for the group of the runner's user alone. */
export function usesLauncher({ executor, useSudo }: Pick<RunnerConfig, 'executor' | 'useSudo'>): boolean {
  if (process.getuid?.() === 0 || useSudo === true || (executor !== 'auto' && executor !== 'systemd'))
    return false
  try {
    accessSync(launcherSocket, constants.W_OK)
    return true
  } catch {
    return false
  }
}

async function userInfoOf(numa: boolean, why: string): Promise<ExecutorInfo> {
  const missing = missingDelegation()
  const hasSandbox = (await systemdVersion()) >= privatePidsVersion
  return {
    name: 'systemd-user',
    why: missing === null ? why : `${why}; limits are not enforced: ${missing}`,
    enforcesLimits: missing === null,
    features: { privateNetwork: hasSandbox, privatePids: hasSandbox, numa },
  }
}

function processInfo(numa: boolean, why: string): ExecutorInfo {
  const features = { privateNetwork: false, privatePids: false, numa }
  return { name: 'process', why, enforcesLimits: false, features }
}

async function systemdExecutor(
  config: RunnerConfig,
  deps: ExecutorDeps,
  info: ExecutorInfo,
): Promise<Executor> {
  if (process.getuid?.() === 0) return openSystemExecutor(config, deps, info)
  if (usesLauncher(config)) return RemoteExecutor.open({ socketPath: launcherSocket }, deps)
  if (config.taskUser === null || config.taskUser === ownUserName()) {
    deps.log('Tasks run as the user of this runner, who may use sudo: name another one with --task-user')
  }
  return SystemdExecutor.open(
    {
      // the tasks' user has to reach it, and a logout must not remove it
      ...(await systemOptions(config, info, tempRunDir())),
      openManager: (events) => SudoUnitManager.open({ events, log: deps.log }),
    },
    deps,
  )
}

async function userExecutor(config: RunnerConfig, deps: ExecutorDeps, info: ExecutorInfo): Promise<Executor> {
  return SystemdExecutor.open(
    {
      info,
      openManager: (events) =>
        DbusUnitManager.open({ socketPath: join(runtimeDir(), 'systemd/private'), events, log: deps.log }),
      runDir: userRunDir(),
      hasPrivatePids: info.features.privatePids,
      tasksMax: config.tasksMax,
      setsLimits: info.enforcesLimits,
      numactlPath: config.numactlPath,
    },
    deps,
  )
}

function processExecutor(config: RunnerConfig, deps: ExecutorDeps, info: ExecutorInfo): Executor {
  const isRoot = process.getuid?.() === 0
  return new ProcessExecutor(
    {
      info,
      runDir: isRoot ? '/run/hakuriver/processes' : userRunDir(),
      numactlPath: config.numactlPath,
    },
    deps,
  )
}

/** Why the user's own systemd cannot bound tasks here; null: it can. Only cgroup v2 delegates safely. */
export function missingDelegation(): string | null {
  if (!existsSync(join(runtimeDir(), 'systemd/private'))) return "the user's own systemd does not run"
  const uid = process.getuid?.() ?? 0
  const path = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/cgroup.controllers`
  if (!existsSync(path)) return 'cgroup v1 cannot delegate limits to a user'
  const controllers = readFileSync(path, 'utf8').trim().split(' ')
  const missing = ['cpu', 'memory', 'pids'].filter((name) => !controllers.includes(name))
  return missing.length === 0 ? null : `${missing.join(', ')} is not delegated to the user`
}

export function runtimeDir(): string {
  return process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`
}

/** Goes with the boot, belongs to the runner's user. */
function userRunDir(): string {
  const base = runtimeDir()
  try {
    accessSync(base, constants.W_OK)
    return join(base, 'hakuriver')
  } catch {
    return tempRunDir()
  }
}

/** @throws AppError where somebody else was there first: what lies in it is run with the tasks' rights, and more */
function tempRunDir(): string {
  const uid = process.getuid?.() ?? 0
  const dir = join(tmpdir(), `hakuriver-${uid}`)
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const found = lstatSync(dir)
  if (!found.isDirectory() || found.uid !== uid) {
    throw new AppError('not_permitted', `${dir} belongs to somebody else: remove it, or set TMPDIR`)
  }
  chmodSync(dir, 0o711)
  return dir
}
