/** Backups of a running host: a copy of the database as of one moment, handed over as bytes. */
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { streamRoutes } from '../protocol/routes.ts'
import type { StreamRoute } from './http.ts'
import type { Store } from './store/store.ts'

/** Copies one at a time: each takes as much disk as the database, until its last byte is read. */
export function backupRoute(store: Pick<Store, 'backup'>, stateDir: string): StreamRoute {
  let isBusy = false
  return {
    path: streamRoutes.backup.path,
    access: 'admin',
    handle: async (_, reply) => {
      if (isBusy) throw new AppError('too_many', 'another backup is being made: try again when it is done')
      isBusy = true
      // also where its reader is cut off; what failed is answered as well
      reply.raw.once('close', () => {
        isBusy = false
      })
      const copy = join(stateDir, `backup-${process.pid}.tmp`)
      try {
        await store.backup(copy)
        const { size } = await stat(copy)
        reply.header('content-type', 'application/vnd.sqlite3').header('content-length', size)
        const bytes = createReadStream(copy)
        await new Promise((resolve, reject) => bytes.once('open', resolve).once('error', reject))
        return bytes
      } finally {
        // what is open is read to its end all the same
        await rm(copy, { force: true })
      }
    },
  }
}
