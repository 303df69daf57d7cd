/** Tells a full disk from other failures of the database. */
import { AppError } from '../../core/errors.ts'

/** SQLITE_FULL and SQLITE_IOERR (sqlite.org/rescode.html): the disk takes no more. */
export function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  const primary = Number(error.errcode) & 0xff
  return primary === 13 || primary === 10
}

/** A failed write as what is told: a full disk is an expected failure. */
export function asSaveError(error: unknown): unknown {
  if (!isFull(error)) return error
  return new AppError('store_full', 'cannot save: the disk of the host is full', { cause: error })
}
