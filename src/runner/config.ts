/** What a runner needs to know to run, and where that comes from. */
import { readFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isNodeName } from '../core/target.ts'
import { hakuriverHome, readSettings, type Sources } from '../platform/config.ts'
import { type executorChoices, type LogLevel, runnerSettings } from '../platform/settings.ts'

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

/** @throws AppError `invalid_request` */
export function loadRunnerConfig(sources: Sources): RunnerConfig {
  const found = readSettings(runnerSettings, sources)
  const home = hakuriverHome(sources.env)
  const nodeName = text(found.name.value) ?? hostname()
  if (!isNodeName(nodeName)) {
    throw new AppError(
      'invalid_request',
      `"${nodeName}" cannot be the name of a node: use letters, digits, - and . (--name)`,
    )
  }
  return {
    hostUrl:
      text(found.host.value) ?? `http://${found.hostAddress.value ?? '127.0.0.1'}:${found.hostPort.value}`,
    joinToken:
      text(found.joinToken.value) ?? tokenFrom(text(found.joinTokenFile.value), join(home, 'join-token')),
    nodeName,
    stateDir: text(found.stateDir.value) ?? join(home, 'runner'),
    sharedDir: text(found.sharedDir.value),
    localTempDir: text(found.localTempDir.value) ?? join(tmpdir(), 'hakuriver'),
    numactlPath: String(found.numactlPath.value ?? ''),
    taskUser: text(found.taskUser.value),
    executor: String(found.executor.value) as ExecutorChoice, // one of its choices
    useSudo: found.sudo.value === null ? null : found.sudo.value === true,
    logLevel: String(found.logLevel.value) as LogLevel, // one of its choices
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

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
