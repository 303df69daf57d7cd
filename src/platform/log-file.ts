/**
 * Opens the log of a task, and the note beside it. Whoever can write where they lie may put something else there at any
 * moment: a link to a file that only we may read, a pipe that never answers, another folder. So the folder is opened
 * first, without following a link, and the file within what was opened; only an ordinary file of one name is read.
 */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isErrno } from './files.ts'

/** Not the terminal that it may be, not waiting for the other end of a pipe, and through no link (open(2)). */
const careful = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

/** The system looks a name up and counts names one after the other: who is late once is not late every time. */
const looks = 2

/** A file that was opened, and what it was then. */
export interface OpenedFile {
  file: FileHandle
  stats: Stats
}

/** The folder of a log as it was opened: another one in its place is not looked into. */
export class LogFolder {
  private readonly path: string
  private readonly handle: FileHandle

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.handle = handle
  }

  /** null: it is not there. @throws AppError `not_permitted` where a link or a file is in its place */
  static async open(path: string): Promise<LogFolder | null> {
    try {
      return new LogFolder(path, await open(path, constants.O_RDONLY | constants.O_DIRECTORY | careful))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return null
      // a link that is not followed is no directory (open(2), O_DIRECTORY with O_NOFOLLOW)
      if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ELOOP'))
        throw refusal(path, 'it is no directory of its own but a link or a file')
      throw error
    }
  }

  /** The way to a file in it, whatever stands at its path by now: openat(2), as far as Node has it (proc(5), fd). */
  pathOf(name: string): string {
    return process.platform === 'linux' ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.path, name)
  }

  /**
   * Opens an ordinary file in it. null: it is not there.
   * @throws AppError `not_permitted` where something else is in its place
   */
  async file(name: string, flags: number, mode?: number): Promise<OpenedFile | null> {
    const path = join(this.path, name)
    const file = await open(this.pathOf(name), flags | careful, mode).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return null
      if (isErrno(error, 'ELOOP')) throw refusal(path, 'it is a symbolic link')
      // a socket, or a pipe that nobody reads (open(2))
      if (isErrno(error, 'ENXIO') || isErrno(error, 'EISDIR')) throw refusal(path, 'it is no ordinary file')
      throw error
    })
    if (file === null) return null
    try {
      const stats = await file.stat()
      if (!stats.isFile()) throw refusal(path, 'it is no ordinary file')
      for (let look = 0; look < looks; look += 1) await this.refuseOther(name, stats)
      return { file, stats }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Looks whether a file that was opened is what stands under its name, and has no other name. What fstat(2) says of its
   * names does not help alone: a hard link may be taken away again between the opening and that. To be asked again
   * after a read, before anybody is shown what was read.
   * @throws AppError `not_permitted`; `unavailable` where another file has taken its place
   */
  async refuseOther(name: string, { dev, ino }: Stats): Promise<void> {
    const path = join(this.path, name)
    const now = await lstat(this.pathOf(name)).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return null
      throw error
    })
    if (now === null || now.dev !== dev || now.ino !== ino)
      throw new AppError('unavailable', `${path} was replaced while it was read: try again in a moment`)
    if (now.nlink > 1) throw refusal(path, `it has ${now.nlink} names (hard links)`)
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

/** Opens the folder of a log for the time of a call. `use` gets null where there is none. */
export async function inFolderOf<T>(
  logPath: string,
  use: (folder: LogFolder | null, name: string) => Promise<T>,
): Promise<T> {
  const folder = await LogFolder.open(dirname(logPath))
  try {
    return await use(folder, basename(logPath))
  } finally {
    await folder?.close()
  }
}

function refusal(path: string, what: string): AppError {
  return new AppError(
    'not_permitted',
    `cannot use ${path}: ${what}, which hakuriver never makes; something else has put it there`,
  )
}
