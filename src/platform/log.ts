/** Structured logs: one line of JSON per entry with fields; the message begins with a capital letter. */
import { pino } from 'pino'
import type { LogLevel } from './settings.ts'

/** What code logs through: fields first, then the sentence. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

/** Makes the log of one program; to standard error, or appended to `file`. */
export function createLog(options: { name: string; level: LogLevel; file?: string | null }): Log {
  const destination = pino.destination({ dest: options.file ?? 2, mkdir: true, sync: true })
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  )
}

/** A log that says nothing, for tests. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }
