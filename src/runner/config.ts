/** What a runner needs to know to run, and where that comes from. */
import { readFileSync } from 'node:fs'
import { AppError } from '../core/errors.ts'
import { isNodeName } from '../core/target.ts'
import { parseSize } from '../core/units.ts'
import {
  type Found,
  readSettings,
  type Settings,
  type Sources,
  speaksTls,
  urlOfHost,
} from '../platform/config.ts'
import { type executorChoices, type LogLevel, runnerSettings, type Table } from '../platform/settings.ts'
import { type NodeFile, readNodeFile } from './identity.ts'

export type ExecutorChoice = (typeof executorChoices)[number]

export interface RunnerConfig {
  /** `http://host:port`; the link is opened under it. */
  hostUrl: string
  /** null: the host runs with --insecure-loopback, or this machine has joined by a certificate. */
  joinToken: string | null
  /** Where the token stands; null: it was given itself. */
  joinTokenFile: string | null
  nodeName: string
  /** Handles, outbox, task directories and logs; mode 0700. One runner at a time may use it. */
  stateDir: string
  /** Logs go to `<sharedDir>/task_outputs` and `task_errors`; null: below stateDir, served through the link. */
  sharedDir: string | null
  /** Given to tasks as HAKURIVER_LOCAL_TEMP_DIR; default working directory of a task. */
  localTempDir: string
  /** Empty: `numactl` from PATH. */
  numactlPath: string
  /** User of the tasks of everybody whom `users` does not name; null: none. */
  taskUser: string | null
  /** Local users of API users (`core/local-user.ts`); null: there is no such section. */
  users: Table | null
  /** Give each task a /tmp of its own, where systemd runs tasks for root. */
  privateTmp: boolean
  /** Of one task. */
  tasksMax: number
  executor: ExecutorChoice
  /** Start units through `sudo systemd-run` instead of over D-Bus; null: where that works and nothing better does. */
  useSudo: boolean | null
  /** Bytes that are kept of each log of a task; null: all. */
  logLimitBytes: number | null
  logLevel: LogLevel
  logFile: string | null
}

/**
 * What is not set comes from the join of this state directory, where there was one. `isJoining`: as if there was none.
 * @throws AppError `invalid_request`
 */
export function loadRunnerConfig(sources: Sources, { isJoining = false } = {}): RunnerConfig {
  const found = readSettings(runnerSettings, sources)
  const joined = isJoining ? null : readNodeFile(found.stateDir.value)
  const nodeName = joined !== null && found.name.origin === 'default' ? joined.node : found.name.value
  if (!isNodeName(nodeName)) {
    throw new AppError(
      'invalid_request',
      `"${nodeName}" cannot be the name of a node: use letters, digits, - and . (--name)`,
    )
  }
  if (joined !== null && joined.node !== nodeName) {
    throw new AppError(
      'invalid_request',
      `${found.name.place}: this machine has joined as node ${joined.node}, and is to be ${nodeName}: set that back, or join again as ${nodeName} (hakuriver join)`,
    )
  }
  return {
    hostUrl: hostUrlOf(found, joined),
    joinToken: found.joinToken.value ?? readToken(found.joinTokenFile),
    joinTokenFile: found.joinToken.value === null ? found.joinTokenFile.value : null,
    nodeName,
    stateDir: found.stateDir.value,
    sharedDir: found.sharedDir.value,
    localTempDir: found.localTempDir.value,
    numactlPath: found.numactlPath.value ?? '',
    taskUser: found.taskUser.value,
    users: found.users.value,
    privateTmp: found.privateTmp.value,
    tasksMax: found.tasksMax.value,
    executor: found.executor.value,
    useSudo: found.sudo.value,
    logLimitBytes: found.logLimit.value === '0' ? null : parseSize(found.logLimit.value),
    logLevel: found.logLevel.value,
    logFile: found.logFile.value,
  }
}

/** What was named, else where the host was when this machine joined. */
function hostUrlOf(found: Settings<typeof runnerSettings>, joined: NodeFile | null): string {
  if (found.host.value !== null) return found.host.value
  const { value: address } = found.hostAddress
  if (address === null && joined !== null) return joined.url
  const host = address ?? '127.0.0.1'
  const isTls = joined !== null || speaksTls(found.tls.value, found.hostBind.value, host)
  return urlOfHost(host, found.hostPort.value, isTls)
}

/** The token as it stands now: a host that is started after its runner writes the file later. */
export function currentJoinToken({ joinToken, joinTokenFile }: RunnerConfig): string | null {
  if (joinTokenFile === null) return joinToken
  try {
    return readFileSync(joinTokenFile, 'utf8').trim()
  } catch {
    return joinToken
  }
}

/** null: none was named, and no host of this machine has left one. */
function readToken({ value: path, origin }: Found<string>): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (origin === 'default') return null
    throw new AppError('invalid_request', `cannot read the join token from ${path}: ${String(error)}`)
  }
}
