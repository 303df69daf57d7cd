/** What the host needs to know to run, and where that comes from. */
import { AppError } from '../core/errors.ts'
import { type Found, readSettings, type Sources, speaksTls } from '../platform/config.ts'
import { hostSettings, type LogLevel } from '../platform/settings.ts'

export interface HostConfig {
  bindAddress: string
  /** 0: any free port. */
  port: number
  /** Names that callers may address the host by, beside its own addresses; null: none. */
  reachableAddress: string | null
  /** It speaks TLS, and machines join by certificates. */
  isTls: boolean
  /** The operator's own certificate for browsers and commands; null: there is none. */
  tlsFiles: { certFile: string; keyFile: string } | null
  /** Credentials and other state; mode 0700. */
  stateDir: string
  databaseFile: string
  /** Where logs can be read directly; null: through the link only. */
  sharedDir: string | null
  heartbeatMs: number
  /** A node is unreachable after this many heartbeats of silence. */
  silenceFactor: number
  /** Between two looks for nodes that have fallen silent. */
  watchMs: number
  /** The lease of tasks that may be started again elsewhere: see `core/lease.ts`. */
  leaseMs: number
  /** So many tasks may wait, of all users and of one. */
  pendingTasks: number
  pendingTasksPerUser: number
  /** No tokens at all; refuses to bind anything but loopback. */
  insecureLoopback: boolean
  logLevel: LogLevel
  logFile: string | null
}

/** @throws AppError `invalid_request` */
export function loadHostConfig(sources: Sources): HostConfig {
  const found = readSettings(hostSettings, sources)
  const heartbeatMs = Math.round(found.heartbeatSeconds.value * 1000)
  return {
    bindAddress: found.bindAddress.value,
    port: found.port.value,
    reachableAddress: found.reachableAddress.value,
    isTls: speaksTls(found.tls.value, found.bindAddress.value),
    tlsFiles: tlsFilesOf(found.tlsCert.value, found.tlsKey.value),
    stateDir: found.stateDir.value,
    databaseFile: found.databaseFile.value,
    sharedDir: found.sharedDir.value,
    heartbeatMs,
    silenceFactor: found.silenceFactor.value,
    watchMs: Math.round(found.watchSeconds.value * 1000),
    leaseMs: leaseOf(found.requeueSeconds, heartbeatMs),
    pendingTasks: found.pendingTasks.value,
    pendingTasksPerUser: found.pendingTasksPerUser.value,
    insecureLoopback: found.insecureLoopback.value,
    logLevel: found.logLevel.value,
    logFile: found.logFile.value,
  }
}

function tlsFilesOf(certFile: string | null, keyFile: string | null): HostConfig['tlsFiles'] {
  if (certFile !== null && keyFile !== null) return { certFile, keyFile }
  if (certFile === null && keyFile === null) return null
  const [there, missing] = certFile === null ? ['tls_key', 'tls_cert'] : ['tls_cert', 'tls_key']
  throw new AppError(
    'invalid_request',
    `network.${there} is set and network.${missing} is not: set both, or none of them`,
  )
}

/** So that a heartbeat that is late or lost does not end what goes on well. */
const leastBeats = 3

function leaseOf({ value, place }: Found<number>, heartbeatMs: number): number {
  const leaseMs = Math.round(value * 1000)
  if (leaseMs >= leastBeats * heartbeatMs) return leaseMs
  throw new AppError(
    'invalid_request',
    `${place}: ${value} s are fewer than ${leastBeats} heartbeats: write at least ${(leastBeats * heartbeatMs) / 1000}`,
  )
}
