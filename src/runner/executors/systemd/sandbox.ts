/** What stands around every task that PID 1 runs: which directories are its own, and which it does not see. */
import { realpathSync } from 'node:fs'
import { relative } from 'node:path'
import { isPlainPath } from './unit.ts'

export interface Sandbox {
  /** A /tmp and a /var/tmp of its own. */
  privateTmp: boolean
  /** What is common to all tasks all the same, as it lies below one of these. */
  boundPaths: string[]
  /** Of the host and the runner: keys, tokens, records. */
  hiddenPaths: string[]
}

export interface SandboxWishes {
  privateTmp: boolean
  /** What no task may see. */
  hidden: readonly string[]
  /** What every task must reach. */
  kept: readonly string[]
}

const ownInPrivateTmp = ['/tmp', '/var/tmp'] as const

/**
 * A directory that holds something that tasks need is not hidden: its permissions alone guard it. Paths that cannot
 * stand in a unit are left as they are: with such a one below /tmp there is no private /tmp.
 */
export function sandboxOf({ privateTmp, hidden, kept }: SandboxWishes): Sandbox {
  const bound = kept.filter((path) => ownInPrivateTmp.some((tmp) => isWithin(path, tmp)))
  const isPrivate = privateTmp && bound.every(isPlainPath) && !bound.some((path) => isTmpItself(path))
  const hiddenPaths = hidden.filter((path) => isPlainPath(path) && !kept.some((each) => isWithin(each, path)))
  return {
    privateTmp: isPrivate,
    boundPaths: isPrivate ? unique(bound) : [],
    hiddenPaths: unique(hiddenPaths),
  }
}

/** Is a path the directory, or does it lie in it? Both absolute and without `..`. */
export function isWithin(path: string, directory: string): boolean {
  const way = relative(directory, path)
  return way === '' || (way !== '..' && !way.startsWith('../'))
}

/** Where a path really is, as far as it is there. */
export function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function isTmpItself(path: string): boolean {
  return ownInPrivateTmp.some((tmp) => isWithin(tmp, path))
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort()
}
