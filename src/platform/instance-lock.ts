/**
 * One process at a time for a directory. The lock is an abstract Unix socket named after the directory's
 * device and inode (unix(7)): the kernel lets go of it with the process, however that ends.
 */
import { statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { AppError } from '../core/errors.ts'

export interface InstanceLock {
  release(): Promise<void>
}

/** @throws AppError `conflict` when another process holds the directory */
export async function lockDirectory(path: string, what: string): Promise<InstanceLock> {
  const name = nameOf(what, statSync(path))
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = new AppError('conflict', `another ${what} is using ${path}; stop it first`, {
        cause: error,
      })
      reject(error.code === 'EADDRINUSE' ? taken : error)
    })
    server.listen(name, resolve)
  })
  server.unref()
  return { release: () => closeServer(server) }
}

/** Does a process hold the directory? Asked without taking it, so that nobody who starts now is refused. */
export async function isLocked(path: string, what: string): Promise<boolean> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return false
  const socket = connect(nameOf(what, found))
  const answered = new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  return answered.finally(() => socket.destroy())
}

function nameOf(what: string, { dev, ino }: { dev: number; ino: number }): string {
  return `\0hakuriver-${what}-${dev}-${ino}`
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
