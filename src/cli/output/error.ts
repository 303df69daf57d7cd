/** How a failure is told: one line with the cause, one with what to do, and the exit code of the table. */
import { AppError, type ErrorCode, errorTable, exitCodes } from '../../core/errors.ts'

export interface ToldError {
  lines: string[]
  exitCode: number
}

const fixes: Partial<Record<ErrorCode, string>> = {
  not_found: '`hakuriver ps --all` lists every task, `hakuriver nodes` every node.',
  not_permitted: 'Ask the owner, or whoever runs the host, for the right to do it.',
  too_many: 'Wait a moment and try again.',
  store_full: 'The disk of the host is full: free some space there.',
}

/** Makes the lines for standard error. An unexpected error says so, with its stack where `debug`. */
export function tellError(error: unknown, debug: boolean): ToldError {
  if (!(error instanceof AppError)) return tellBug(error)
  const fix = typeof error.details?.fix === 'string' ? error.details.fix : fixes[error.code]
  const requestId = error.details?.requestId
  const lines = [`hakuriver: ${error.message}`]
  if (fix !== undefined) lines.push(`  ${fix}`)
  if (error.code === 'internal' && typeof requestId === 'string')
    lines.push(`  The host's log has more under ${requestId}.`)
  if (debug && error.stack !== undefined) lines.push(error.stack)
  return { lines, exitCode: errorTable[error.code].exit }
}

function tellBug(error: unknown): ToldError {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return {
    lines: ['hakuriver: this is a defect of hakuriver itself; please report it with these lines:', stack],
    exitCode: exitCodes.failed,
  }
}
