/**
 * One process at a time for a directory. The lock is an abstract Unix socket named after the directory's
 * device and inode (unix(7)): the kernel lets go of it with the process, however that ends.
 */
import { statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { AppError } from '../core/errors.ts'

export interface InstanceLock {
  release(): Promise<void>
}

/** @throws AppError `conflict` when another process holds the directory */
export async function lockDirectory(path: string, what: string): Promise<InstanceLock> {
  const { dev, ino } = statSync(path)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = new AppError('conflict', `another ${what} is using ${path}; stop it first`, {
        cause: error,
      })
      reject(error.code === 'EADDRINUSE' ? taken : error)
    })
    server.listen(`\0hakuriver-${what}-${dev}-${ino}`, resolve)
  })
  server.unref()
  return { release: () => closeServer(server) }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
