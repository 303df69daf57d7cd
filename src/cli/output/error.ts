/** How a failure is told: one line with the cause, one with what to do, and the exit code of the table. */
import { AppError, type ErrorCode, errorTable, exitCodes } from '../../core/errors.ts'

export interface ToldError {
  lines: string[]
  exitCode: number
}

const fixes: Partial<Record<ErrorCode, string>> = {
  too_many: 'Wait a moment and try again.',
  store_full: 'The disk of the host is full: free some space there.',
}

/** Advice that hangs on what the host has named. A host of other words only goes without it. */
const fixesByWords: readonly [code: ErrorCode, words: RegExp, fix: string][] = [
  ['not_found', /^there is no (task|batch)\b/, '`hakuriver ps --all` lists every task.'],
  ['not_found', /^there is no node\b/, '`hakuriver nodes` lists every node.'],
  ['not_found', /^there is no user\b/, '`hakuriver user list` has all.'],
  ['not_found', /^there is no token\b/, '`hakuriver token list` has yours.'],
  ['not_permitted', /needs the role [a-z]+\b/, 'An admin of the cluster can give you that role.'],
]

/** Makes the lines for standard error. An unexpected error says so, with its stack where `debug`. */
export function tellError(error: unknown, debug: boolean): ToldError {
  if (!(error instanceof AppError)) return tellBug(error)
  const fix = fixOf(error)
  const requestId = error.details?.requestId
  const lines = [`hakuriver: ${error.message}`]
  if (fix !== undefined) lines.push(`  ${fix}`)
  if (error.code === 'internal' && typeof requestId === 'string')
    lines.push(`  The host's log has more under ${requestId}.`)
  if (debug && error.stack !== undefined) lines.push(error.stack)
  return { lines, exitCode: errorTable[error.code].exit }
}

function fixOf({ code, message, details }: AppError): string | undefined {
  if (typeof details?.fix === 'string') return details.fix
  return fixesByWords.find(([of, words]) => of === code && words.test(message))?.[2] ?? fixes[code]
}

function tellBug(error: unknown): ToldError {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return {
    lines: ['hakuriver: this is a defect of hakuriver itself; please report it with these lines:', stack],
    exitCode: exitCodes.failed,
  }
}
