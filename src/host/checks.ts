/** What a machine that checks itself may ask the host: its clock, what it knows of the node, and a file they share. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { isErrno } from '../platform/files.ts'
import { version } from '../platform/version.ts'
import { withDeadline } from '../platform/wait.ts'
import type { Handlers } from '../protocol/host-api.ts'
import { checkFilePrefix } from '../protocol/routes.ts'
import type { HostCheck, SharedFileCheck } from '../protocol/schemas.ts'
import type { Caller } from './caller.ts'
import type { Cluster } from './cluster.ts'
import { instant } from './views.ts'

/** Who asks is told what the token is for: a runner needs another than a person. */
export type CheckHandlers = Pick<Handlers<Pick<Caller, 'token'>>, 'checkHost' | 'checkSharedFile'>

export interface CheckDeps {
  cluster: Pick<Cluster, 'nodes'>
  sharedDir: string | null
  now: () => number
  /** Reads a file's beginning; tests hand in one that hangs. */
  read?: (path: string) => Promise<Buffer | null>
}

/** The files are smaller; what is larger was not written for a check. */
const readBytes = 4096
/** A file system that takes longer is called hung. */
const readDeadlineMs = 1500

export function createChecks({ cluster, sharedDir, now, read = readBeginning }: CheckDeps): CheckHandlers {
  /** When the read that goes on now began. One at a time: on a dead file system each would hold a thread for good. */
  let readingSinceMs: number | null = null

  const beginRead = (path: string): Promise<Buffer | null> => {
    readingSinceMs = performance.now()
    return read(path).finally(() => {
      readingSinceMs = null
    })
  }

  return {
    checkHost: async ({ query }, caller) => ({
      version,
      time: instant(now()),
      token: caller.token,
      node: query.node === undefined ? null : nodeOf(cluster, query.node),
    }),
    checkSharedFile: async ({ body }) => {
      const answer = { directory: sharedDir, size: null, sha256: null }
      if (sharedDir === null) return { ...answer, state: 'no_directory' }
      if (readingSinceMs !== null) {
        if (performance.now() - readingSinceMs > readDeadlineMs) return { ...answer, state: 'hung' }
        throw new AppError('too_many', 'another machine is being checked: try again in a moment')
      }
      const reading = beginRead(join(sharedDir, `${checkFilePrefix}${body.name}`))
      return withDeadline(reading, readDeadlineMs, 'the shared directory').then(
        (content): SharedFileCheck => ({ ...answer, ...told(content) }),
        (error: unknown) => ({ ...answer, state: isLate(error) ? 'hung' : 'unreadable' }),
      )
    },
  }
}

function told(content: Buffer | null): Pick<SharedFileCheck, 'state' | 'size' | 'sha256'> {
  if (content === null) return { state: 'absent', size: null, sha256: null }
  return {
    state: 'found',
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  }
}

function isLate(error: unknown): boolean {
  return error instanceof AppError && error.code === 'timeout'
}

/** The first bytes of a file; null where there is none, or no plain file: links are not followed. */
async function readBeginning(path: string): Promise<Buffer | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!(await file.stat()).isFile()) return null
      const { buffer, bytesRead } = await file.read(Buffer.alloc(readBytes), 0, readBytes, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    // ELOOP: it is a link
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ELOOP')) return null
    throw error
  }
}

function nodeOf(cluster: Pick<Cluster, 'nodes'>, name: string): HostCheck['node'] {
  const record = cluster.nodes.get(name)?.record
  if (record === undefined) return null
  const { status, lastSeenMs, runnerVersion, executor } = record
  return { name, status, lastSeenAt: instant(lastSeenMs), runnerVersion, executor }
}
