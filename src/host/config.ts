/** What the host needs to know to run, and where that comes from. */
import { join } from 'node:path'
import { hakuriverHome, readSettings, type Sources } from '../platform/config.ts'
import { hostSettings, type LogLevel } from '../platform/settings.ts'

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
  /** Between two looks for nodes that have fallen silent. */
  watchMs: number
  /** No tokens at all; refuses to bind anything but loopback. */
  insecureLoopback: boolean
  logLevel: LogLevel
  logFile: string | null
}

/** @throws AppError `invalid_request` */
export function loadHostConfig(sources: Sources): HostConfig {
  const found = readSettings(hostSettings, sources)
  const stateDir = text(found.stateDir.value) ?? hakuriverHome(sources.env)
  const heartbeatMs = Math.round(Number(found.heartbeatSeconds.value) * 1000)
  const { value: watchSeconds } = found.watchSeconds
  return {
    bindAddress: String(found.bindAddress.value),
    port: Number(found.port.value),
    reachableAddress: text(found.reachableAddress.value),
    stateDir,
    databaseFile: text(found.databaseFile.value) ?? join(stateDir, 'cluster.db'),
    sharedDir: text(found.sharedDir.value),
    heartbeatMs,
    silenceFactor: Number(found.silenceFactor.value),
    watchMs: watchSeconds === null ? heartbeatMs / 2 : Math.round(Number(watchSeconds) * 1000),
    insecureLoopback: found.insecureLoopback.value === true,
    logLevel: String(found.logLevel.value) as LogLevel, // one of its choices
    logFile: text(found.logFile.value),
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
