/** `hakuriver backup` and `restore`: a copy of all that a host keeps, and the way back. */
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import { shellQuote } from '../../core/text.ts'
import { formatBytes } from '../../core/units.ts'
import { syncDirectory } from '../../platform/files.ts'
import { streamRoutes } from '../../protocol/routes.ts'
import type { Context } from '../context.ts'

/** A host that sends nothing for so long is given up. */
const idleMs = 60_000

/** Saves a copy as of one moment, while the host goes on. Written whole or not at all. */
export async function backup(file: string | undefined, context: Context): Promise<number> {
  const { io } = context
  const day = new Date(io.now()).toISOString().slice(0, 19).replace(/[:T]/g, '-')
  const path = resolve(file ?? `hakuriver-backup-${day}.db`)
  const host = await context.host()
  const gone = new AbortController()
  const answer = await host.open({ path: streamRoutes.backup.path, signal: gone.signal, idleMs })
  const wanted = Number(answer.headers['content-length'])
  const part = `${path}.part`
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const target = await create(part)
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        bytes += chunk.length
        hash.update(chunk)
        await target.writeFile(chunk)
      }
      if (bytes !== wanted)
        throw new AppError('unavailable', `the backup broke off after ${bytes} of ${wanted} bytes`, {
          details: { fix: 'Run it again.' },
        })
      await target.sync()
    } finally {
      await target.close()
    }
    await rename(part, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    gone.abort()
    await rm(part, { force: true })
    throw error
  }
  const sha256 = hash.digest('hex')
  if (context.json) await context.printJson({ path, bytes, sha256 })
  else {
    await context.print(`Saved ${formatBytes(bytes)} to ${path}.`)
    await context.note(
      `It holds all tasks, nodes and tokens' hashes, but no logs, and not the key of secrets (secret-key). Back again: stop the host, then hakuriver restore ${shellQuote(basename(path))}`,
    )
  }
  return exitCodes.ok
}

async function create(path: string) {
  try {
    return await open(path, 'w', 0o600)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new AppError('not_permitted', `cannot write ${path} (${code})`, {
      details: { fix: 'Name a file in a directory that you may write to.' },
    })
  }
}
