/** What the host needs to know to run. */
import type { LogLevel } from '../platform/log.ts'

export interface HostConfig {
  bindAddress: string
  /** 0: any free port. */
  port: number
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
