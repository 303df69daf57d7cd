/** What the host needs to know to run, and where that comes from. */
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { hakuriverHome, readSettings, type Setting, type Sources } from '../platform/config.ts'
import { fileKeys } from '../platform/config-keys.ts'
import { type LogLevel, logLevels } from '../platform/log.ts'

export interface HostConfig {
  bindAddress: string
  /** 0: any free port. */
  port: number
  /** Names that callers may address the host by, beside its own addresses; null: none. */
  reachableAddress: string | null
  /** Credentials and other state; mode 0700. */
  stateDir: string
  databaseFile: string
  /** Where logs can be read directly; null: through the link only. */
  sharedDir: string | null
  heartbeatMs: number
  /** A node is unreachable after this many heartbeats of silence. */
  silenceFactor: number
  /** No tokens at all; refuses to bind anything but loopback. */
  insecureLoopback: boolean
  logLevel: LogLevel
  logFile: string | null
}

export const hostSettings = {
  bindAddress: { key: 'network.host_bind_ip', flag: 'bind', env: 'HAKURIVER_HOST_BIND_IP', type: 'text', default: '127.0.0.1', doc: 'Address to listen on' },
  port: { key: 'network.host_port', flag: 'port', env: 'HAKURIVER_HOST_PORT', type: 'number', default: 8000, doc: 'Port to listen on; 0: any free one' },
  reachableAddress: { key: 'network.host_reachable_address', flag: null, env: 'HAKURIVER_HOST_REACHABLE_ADDRESS', type: 'text', default: null, doc: 'Name or address that runners and clients use' },
  stateDir: { key: 'paths.state_dir', flag: 'state-dir', env: 'HAKURIVER_STATE_DIR', type: 'text', default: null, doc: 'Tokens and database; default: $HAKURIVER_HOME or ~/.hakuriver' },
  databaseFile: { key: 'database.db_file', flag: null, env: 'HAKURIVER_DB_FILE', type: 'text', default: null, doc: 'SQLite database; default: cluster.db in the state directory' },
  sharedDir: { key: 'paths.shared_dir', flag: 'shared-dir', env: 'HAKURIVER_SHARED_DIR', type: 'text', default: null, doc: 'Directory that host and nodes share; logs are read there' },
  heartbeatSeconds: { key: 'timing.heartbeat_interval', flag: 'heartbeat', env: 'HAKURIVER_HEARTBEAT_INTERVAL', type: 'number', default: 5, doc: 'Seconds between heartbeats of a node' },
  silenceFactor: { key: 'timing.heartbeat_timeout_factor', flag: null, env: 'HAKURIVER_HEARTBEAT_TIMEOUT_FACTOR', type: 'number', default: 6, doc: 'Heartbeats of silence until a node is unreachable' },
  insecureLoopback: { key: null, flag: 'insecure-loopback', env: null, type: 'switch', default: false, doc: 'No tokens; only on a loopback address' },
  logLevel: { key: null, flag: 'log-level', env: 'HAKURIVER_LOG_LEVEL', type: 'text', default: 'info', doc: 'debug, info, warn, error or silent' },
  logFile: { key: 'paths.host_log_file', flag: 'log-file', env: 'HAKURIVER_HOST_LOG_FILE', type: 'text', default: null, doc: 'Log file; default: standard error' },
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** @throws AppError `invalid_request` */
export function loadHostConfig(sources: Sources): HostConfig {
  const found = readSettings(hostSettings, sources, fileKeys)
  const stateDir = text(found.stateDir.value) ?? hakuriverHome(sources.env)
  const level = String(found.logLevel.value)
  if (!(logLevels as readonly string[]).includes(level)) {
    throw new AppError('invalid_request', `there is no log level "${level}": write ${logLevels.join(', ')}`)
  }
  const port = Number(found.port.value)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new AppError('invalid_request', `there is no port ${port}: write 0 to 65535`)
  const heartbeatMs = Math.round(Number(found.heartbeatSeconds.value) * 1000)
  if (heartbeatMs < 10 || heartbeatMs > 3_600_000)
    throw new AppError('invalid_request', 'the heartbeat must come every 0.01 to 3600 seconds')
  const silenceFactor = Number(found.silenceFactor.value)
  if (silenceFactor <= 1)
    throw new AppError('invalid_request', 'the heartbeat timeout factor must be more than 1')
  return {
    bindAddress: String(found.bindAddress.value),
    port,
    reachableAddress: text(found.reachableAddress.value),
    stateDir,
    databaseFile: text(found.databaseFile.value) ?? join(stateDir, 'cluster.db'),
    sharedDir: text(found.sharedDir.value),
    heartbeatMs,
    silenceFactor,
    insecureLoopback: found.insecureLoopback.value === true,
    logLevel: level as LogLevel, // one of logLevels: checked above
    logFile: text(found.logFile.value),
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
