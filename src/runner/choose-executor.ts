/** Chooses how tasks are run on this machine: what was asked for, or the strongest way that works. */

import { execFile } from 'node:child_process'
import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import type { RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { FakeExecutor, FakeMachine } from './executors/fake.ts'
import { ProcessExecutor } from './executors/process.ts'
import { DbusUnitManager } from './executors/systemd/dbus-manager.ts'
import { SudoUnitManager } from './executors/systemd/sudo-manager.ts'
import { SystemdExecutor } from './executors/systemd/systemd.ts'
import { hasNumactl } from './hardware.ts'

const run = promisify(execFile)

const systemSocket = '/run/systemd/private'
/** PrivatePIDs= came with it. */
const privatePidsVersion = 257

/** Builds the executor for a configuration. @throws AppError when the one that was asked for cannot work here */
export async function chooseExecutor(config: RunnerConfig, deps: ExecutorDeps): Promise<Executor> {
  const isRoot = process.getuid?.() === 0
  const numa = await hasNumactl(config.numactlPath)
  switch (config.executor) {
    case 'fake':
      return new FakeExecutor(new FakeMachine(), deps)
    case 'process':
      return processExecutor(config, deps, numa, 'asked for')
    case 'systemd':
      return systemdExecutor(config, deps, numa, 'asked for')
    case 'systemd-user':
      return userExecutor(config, deps, numa, 'asked for')
    case 'auto':
      break
  }
  if (!existsSync('/run/systemd/system'))
    return processExecutor(config, deps, numa, 'systemd does not run here')
  if (isRoot)
    return systemdExecutor(config, deps, numa, 'the strongest: systemd is here, and the runner is root')
  if (config.useSudo === true)
    return systemdExecutor(config, deps, numa, 'systemd is here, and sudo was asked for')
  const missing = missingDelegation()
  if (missing === null) return userExecutor(config, deps, numa, "the user's own systemd has delegated limits")
  if (config.useSudo === null && (await canSudo()))
    return systemdExecutor(config, deps, numa, 'systemd is here, and sudo asks for no password')
  return processExecutor(config, deps, numa, `the runner is not root, and ${missing}`)
}

async function systemdExecutor(
  config: RunnerConfig,
  deps: ExecutorDeps,
  numa: boolean,
  why: string,
): Promise<Executor> {
  const isRoot = process.getuid?.() === 0
  const isAllowed = isRoot || (config.useSudo ?? (await canSudo()))
  if (!isAllowed) {
    throw new AppError(
      'not_permitted',
      'the systemd executor needs root, or sudo without a password for systemd-run and systemctl; without either use systemd-user or process',
    )
  }
  if (!isRoot && (config.taskUser === null || config.taskUser === userInfo().username)) {
    deps.log('Tasks run as the user of this runner, who may use sudo: name another one with --task-user')
  }
  const version = await systemdVersion()
  const hasPrivatePids = version >= privatePidsVersion
  return SystemdExecutor.open(
    {
      info: {
        name: 'systemd',
        why,
        enforcesLimits: true,
        // before 257 only root can make a PID namespace for a task
        features: { privateNetwork: true, privatePids: hasPrivatePids || isRoot, numa },
      },
      openManager: isRoot
        ? (events) => DbusUnitManager.open({ socketPath: systemSocket, events, log: deps.log })
        : (events) => SudoUnitManager.open({ events, log: deps.log }),
      // with sudo the tasks' user has to reach it, and a logout must not remove it
      runDir: isRoot ? '/run/hakuriver/tasks' : tempRunDir(),
      hasPrivatePids,
      setsLimits: true,
      numactlPath: config.numactlPath,
    },
    deps,
  )
}

async function userExecutor(
  config: RunnerConfig,
  deps: ExecutorDeps,
  numa: boolean,
  why: string,
): Promise<Executor> {
  const missing = missingDelegation()
  const version = await systemdVersion()
  return SystemdExecutor.open(
    {
      info: {
        name: 'systemd-user',
        why: missing === null ? why : `${why}; limits are not enforced: ${missing}`,
        enforcesLimits: missing === null,
        features: {
          privateNetwork: version >= privatePidsVersion,
          privatePids: version >= privatePidsVersion,
          numa,
        },
      },
      openManager: (events) =>
        DbusUnitManager.open({ socketPath: join(runtimeDir(), 'systemd/private'), events, log: deps.log }),
      runDir: userRunDir(),
      hasPrivatePids: version >= privatePidsVersion,
      setsLimits: missing === null,
      numactlPath: config.numactlPath,
    },
    deps,
  )
}

function processExecutor(config: RunnerConfig, deps: ExecutorDeps, numa: boolean, why: string): Executor {
  const isRoot = process.getuid?.() === 0
  return new ProcessExecutor(
    {
      info: {
        name: 'process',
        why,
        enforcesLimits: false,
        features: { privateNetwork: false, privatePids: false, numa },
      },
      runDir: isRoot ? '/run/hakuriver/processes' : userRunDir(),
      numactlPath: config.numactlPath,
    },
    deps,
  )
}

/** May this user start units through sudo without a password? Tried, as no listing of rights tells it for sure. */
async function canSudo(): Promise<boolean> {
  try {
    for (const program of ['systemd-run', 'systemctl'])
      await run('sudo', ['-n', program, '--version'], { timeout: 5_000 })
    return true
  } catch {
    // no sudo here, or a password is asked for
    return false
  }
}

/** Why the user's own systemd cannot bound tasks here; null: it can. Only cgroup v2 delegates safely. */
function missingDelegation(): string | null {
  if (!existsSync(join(runtimeDir(), 'systemd/private'))) return "the user's own systemd does not run"
  const uid = process.getuid?.() ?? 0
  const path = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/cgroup.controllers`
  if (!existsSync(path)) return 'cgroup v1 cannot delegate limits to a user'
  const controllers = readFileSync(path, 'utf8').trim().split(' ')
  const missing = ['cpu', 'memory', 'pids'].filter((name) => !controllers.includes(name))
  return missing.length === 0 ? null : `${missing.join(', ')} is not delegated to the user`
}

async function systemdVersion(): Promise<number> {
  const { stdout } = await run('systemctl', ['--version'], { timeout: 5_000 })
  return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0)
}

function runtimeDir(): string {
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
