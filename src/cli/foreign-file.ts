/** Files in directories that may be somebody else's, as root reads them. */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../core/errors.ts'

/**
 * What lies in a directory of somebody else is read by root only as that one's own plain file: a link in its place
 * would have root read another file, and send it as a token.
 */
export function readIfThere(path: string): string | null {
  try {
    const file = openSync(path, constants.O_RDONLY | (process.getuid?.() === 0 ? rootFlags(path) : 0))
    try {
      if (isForeign(file, path))
        throw new AppError('not_permitted', `${path} is not of the owner of its directory`)
      return readFileSync(file, 'utf8')
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new AppError('not_permitted', `cannot read ${path} (${String(code)})`)
  }
}

function rootFlags(path: string): number {
  return ownerOfDirectory(path) === 0 ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK
}

function isForeign(file: number, path: string): boolean {
  const owner = ownerOfDirectory(path)
  if (process.getuid?.() !== 0 || owner === 0) return false
  const found = fstatSync(file)
  return !found.isFile() || found.uid !== owner
}

/** Root, where there is no such directory. */
function ownerOfDirectory(path: string): number {
  return statSync(dirname(path), { throwIfNoEntry: false })?.uid ?? 0
}

/** Is it root that asks, and the directory somebody else's? */
export function isForeignDirectory(path: string): boolean {
  return process.getuid?.() === 0 && (statSync(path, { throwIfNoEntry: false })?.uid ?? 0) !== 0
}
