/** Files that survive a crash: written whole or not at all. */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file through a temporary one beside it and a rename, so that a reader sees the old or the new
 * content. With `sync` both file and directory are on disk when it resolves (fsync(2), rename(2)).
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; sync?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  const file = await open(temporary, 'w', options.mode ?? 0o600)
  try {
    await file.writeFile(content)
    if (options.sync) await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path).catch(async (error: unknown) => {
    await rm(temporary, { force: true })
    throw error
  })
  if (options.sync) await syncDirectory(dirname(path))
}

/** Writes a file that must not be there yet (open(2), O_EXCL). @throws EEXIST where it is */
export async function writeFileNew(path: string, content: string, mode: number): Promise<void> {
  await writeFile(path, content, { flag: 'wx', mode })
}

/** Makes what was created, renamed or removed in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** A directory that only its owner may enter; parents are made as needed. */
export async function makePrivateDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** The text of a file, or null where there is none. Other failures are thrown. */
export async function readTextIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/** Is this the system error of that name? */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
