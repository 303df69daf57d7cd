/** What a runner needs to know to run, and where that comes from. */
import { readFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isNodeName } from '../core/target.ts'
import { hakuriverHome, readSettings, type Setting, type Sources } from '../platform/config.ts'
import { fileKeys } from '../platform/config-keys.ts'
import { type LogLevel, logLevels } from '../platform/log.ts'

export const executorChoices = ['auto', 'systemd', 'systemd-user', 'process', 'fake'] as const
export type ExecutorChoice = (typeof executorChoices)[number]

export interface RunnerConfig {
  /** `http://host:port`; the link is opened under it. */
  hostUrl: string
  /** null: the host runs with --insecure-loopback. */
  joinToken: string | null
  nodeName: string
  /** Handles, outbox, task directories and logs; mode 0700. One runner at a time may use it. */
  stateDir: string
  /** Logs go to `<sharedDir>/task_outputs` and `task_errors`; null: below stateDir, served through the link. */
  sharedDir: string | null
  /** Given to tasks as HAKURIVER_LOCAL_TEMP_DIR; default working directory of a task. */
  localTempDir: string
  /** Empty: `numactl` from PATH. */
  numactlPath: string
  /** User that tasks run as; null: the runner's own, or `nobody` where that is root. */
  taskUser: string | null
  executor: ExecutorChoice
  /** Start units through `sudo systemd-run` instead of over D-Bus; null: where that works and nothing better does. */
  useSudo: boolean | null
  logLevel: LogLevel
  logFile: string | null
}

export const runnerSettings = {
  host: { key: null, flag: 'host', env: 'HAKURIVER_HOST_URL', type: 'text', default: null, doc: 'URL of the host; default: from host_reachable_address and host_port' },
  hostAddress: { key: 'network.host_reachable_address', flag: null, env: 'HAKURIVER_HOST_REACHABLE_ADDRESS', type: 'text', default: '127.0.0.1', doc: 'Name or address of the host' },
  hostPort: { key: 'network.host_port', flag: null, env: 'HAKURIVER_HOST_PORT', type: 'number', default: 8000, doc: 'Port of the host' },
  joinToken: { key: null, flag: 'join-token', env: 'HAKURIVER_JOIN_TOKEN', type: 'text', default: null, doc: 'Join token; better given in a file or in HAKURIVER_JOIN_TOKEN' },
  joinTokenFile: { key: null, flag: 'join-token-file', env: 'HAKURIVER_JOIN_TOKEN_FILE', type: 'text', default: null, doc: 'File that holds the join token' },
  name: { key: 'runner.name', flag: 'name', env: 'HAKURIVER_NODE_NAME', type: 'text', default: null, doc: 'Name of this node; default: its host name' },
  stateDir: { key: null, flag: 'state-dir', env: 'HAKURIVER_RUNNER_STATE_DIR', type: 'text', default: null, doc: 'State of the runner; default: runner in $HAKURIVER_HOME or ~/.hakuriver' },
  sharedDir: { key: 'paths.shared_dir', flag: 'shared-dir', env: 'HAKURIVER_SHARED_DIR', type: 'text', default: null, doc: 'Directory that host and nodes share; logs are written there' },
  localTempDir: { key: 'paths.local_temp_dir', flag: 'local-temp-dir', env: 'HAKURIVER_LOCAL_TEMP_DIR', type: 'text', default: null, doc: 'Fast local directory for tasks; default: hakuriver in the temp directory' },
  numactlPath: { key: 'paths.numactl_path', flag: null, env: 'HAKURIVER_NUMACTL_PATH', type: 'text', default: '', doc: 'Path of numactl; default: from PATH' },
  taskUser: { key: 'runner.task_user', flag: 'task-user', env: 'HAKURIVER_TASK_USER', type: 'text', default: null, doc: 'User that tasks run as; default: the runner\'s own, nobody where that is root' },
  executor: { key: 'runner.executor', flag: 'executor', env: 'HAKURIVER_EXECUTOR', type: 'text', default: 'auto', doc: `${executorChoices.join(', ')}` },
  sudo: { key: 'runner.sudo', flag: 'sudo', env: 'HAKURIVER_SUDO', type: 'switch', default: false, doc: 'Start units through sudo systemd-run; default: where sudo needs no password and the user has no systemd of its own with limits' },
  logLevel: { key: null, flag: 'log-level', env: 'HAKURIVER_LOG_LEVEL', type: 'text', default: 'info', doc: 'debug, info, warn, error or silent' },
  logFile: { key: 'paths.runner_log_file', flag: 'log-file', env: 'HAKURIVER_RUNNER_LOG_FILE', type: 'text', default: null, doc: 'Log file; default: standard error' },
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** @throws AppError `invalid_request` */
export function loadRunnerConfig(sources: Sources): RunnerConfig {
  const found = readSettings(runnerSettings, sources, fileKeys)
  const home = hakuriverHome(sources.env)
  const nodeName = text(found.name.value) ?? hostname()
  if (!isNodeName(nodeName)) {
    throw new AppError(
      'invalid_request',
      `"${nodeName}" cannot be the name of a node: use letters, digits, - and . (--name)`,
    )
  }
  return {
    hostUrl: text(found.host.value) ?? `http://${found.hostAddress.value}:${found.hostPort.value}`,
    joinToken:
      text(found.joinToken.value) ?? tokenFrom(text(found.joinTokenFile.value), join(home, 'join-token')),
    nodeName,
    stateDir: text(found.stateDir.value) ?? join(home, 'runner'),
    sharedDir: text(found.sharedDir.value),
    localTempDir: text(found.localTempDir.value) ?? join(tmpdir(), 'hakuriver'),
    numactlPath: String(found.numactlPath.value ?? ''),
    taskUser: text(found.taskUser.value),
    executor: oneOf('executor', String(found.executor.value), executorChoices),
    useSudo: found.sudo.origin === 'default' ? null : found.sudo.value === true,
    logLevel: oneOf('log level', String(found.logLevel.value), logLevels),
    logFile: text(found.logFile.value),
  }
}

/** The token in a named file, or in that of a host on this machine. */
function tokenFrom(named: string | null, own: string): string | null {
  try {
    return readFileSync(named ?? own, 'utf8').trim()
  } catch (error) {
    if (named === null) return null
    throw new AppError('invalid_request', `cannot read the join token from ${named}: ${String(error)}`)
  }
}

function oneOf<T extends string>(what: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined)
    throw new AppError('invalid_request', `there is no ${what} "${value}": write ${choices.join(', ')}`)
  return found
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
