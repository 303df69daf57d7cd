/** A restore that root types works as the user whose database it is. */
import { chownSync, constants, copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Root works in no directory of somebody else, where a link may lie in the place of what it writes: it goes on as that
 * one, who is to read the database as well. @returns the backup, where that user can read it
 */
export function becomeOwner(
  file: string,
  { stateDir, databaseFile }: { stateDir: string; databaseFile: string },
): string {
  const owner = [dirname(databaseFile), stateDir]
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .find((found) => found !== undefined && found.uid !== 0)
  if (process.getuid?.() !== 0 || owner === undefined || !existsSync(file)) return file
  const dir = mkdtempSync(join(tmpdir(), 'hakuriver-restore-'))
  const copy = join(dir, 'backup.db')
  copyFileSync(file, copy, constants.COPYFILE_EXCL)
  for (const path of [copy, dir]) chownSync(path, owner.uid, owner.gid)
  process.setgroups?.([])
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  return copy
}
