/** Is what root is about to trust root's alone? A path is as safe as the weakest directory on the way to it. */
import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'

/**
 * The first file or directory on the way to a path that somebody else than root can change; null: nobody can. Links
 * on the way count as well as where they lead.
 * @throws the system's error where it is not there
 */
export function changeableByOthers(path: string): string | null {
  for (const each of [...wayTo(path), ...wayTo(realpathSync(path))]) {
    const found = lstatSync(each)
    if (!isRootsAlone(found, each === path || each === realpathSync(path))) return each
  }
  return null
}

/** From `/` down to the path itself. */
function wayTo(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [path] : [...wayTo(parent), path]
}

/**
 * In a directory with the sticky bit nobody can rename or remove what is root's (inode(7)), so on the way it does; what
 * is trusted itself has to be root's alone.
 */
function isRootsAlone({ uid, gid, mode }: Stats, isLast: boolean): boolean {
  if (uid !== 0) return false
  if ((mode & fileType) === link) return true // its permissions mean nothing
  const isWritable = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0)
  return !isWritable || (!isLast && (mode & 0o1000) !== 0)
}

/** S_IFMT and S_IFLNK of inode(7). */
const fileType = 0o170000
const link = 0o120000
