/** What a runner asks of its own disk; production has the machine's, the simulation one that forgets. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open, rename, writeFile } from 'node:fs/promises'
import { isErrno } from './files.ts'

export interface Disk {
  /** Makes a directory and those above it. */
  makeDir(path: string, mode: number): void
  /** Names in a directory. */
  list(path: string): string[]
  /** Removes a file or a whole directory, where it is there. */
  remove(path: string): void
  /** Writes a file whole. It is there for the next process, and may be gone after a power loss. */
  write(path: string, text: string): void
  /** null: there is none. */
  read(path: string): string | null
  /** Puts a file in the place of another: after a power loss there is the one or the other, whole (fsync(2), rename(2)). */
  replace(path: string, text: string): Promise<void>
  /** Opens a file to append to. */
  append(path: string): Promise<AppendedFile>
}

export interface AppendedFile {
  append(text: string): Promise<void>
  /** Resolves when all that was appended is on disk (fdatasync(2)). */
  sync(): Promise<void>
  close(): Promise<void>
}

const privateMode = 0o600

export const systemDisk: Disk = {
  makeDir: (path, mode) => void mkdirSync(path, { recursive: true, mode }),
  list: (path) => readdirSync(path),
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  write: (path, text) => writeFileSync(path, text, { mode: privateMode }),
  read: (path) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return null
      throw error
    }
  },
  replace: async (path, text) => {
    await writeFile(`${path}.new`, text, { mode: privateMode, flush: true })
    await rename(`${path}.new`, path)
  },
  append: async (path) => {
    const file = await open(path, 'a', privateMode)
    return {
      append: (text) => file.appendFile(text),
      sync: () => file.datasync(),
      close: () => file.close(),
    }
  },
}
