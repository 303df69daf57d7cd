/** What is wrong with a database that cannot be used, and what helps. */
import { AppError } from '../../core/errors.ts'

const restore = 'stop the host and run hakuriver restore with a backup'

/**
 * A failure of SQLite or of the file as an expected one: one sentence with the file and what to do. Result codes:
 * sqlite.org/rescode.html. null: it is something else.
 */
export function damageOf(error: unknown, path: string): AppError | null {
  if (error instanceof AppError || !(error instanceof Error)) return null
  const say = (code: 'conflict' | 'not_permitted', message: string) =>
    new AppError(code, message, { cause: error })
  const primary = 'errcode' in error ? Number(error.errcode) & 0xff : null
  const errno = 'code' in error ? error.code : null
  if (primary === 11 || primary === 26)
    return say('conflict', `the database ${path} is damaged (${error.message}): ${restore}`)
  if (primary === 5)
    return say('conflict', `another program holds the database ${path}: end it, and start the host again`)
  if (primary === 8 || primary === 14 || primary === 3 || errno === 'EACCES' || errno === 'EPERM')
    return say(
      'not_permitted',
      `this user may not read and write the database ${path}: give it the file, those beside it and their directory (chown), or run as their owner`,
    )
  return null
}
