/** One connection to the launcher: lines in, lines out, both bounded. */
import type { Duplex } from 'node:stream'
import { AppError } from '../../core/errors.ts'
import { LineReader } from './lines.ts'
import { pendingRequests, requestBytes } from './messages.ts'
import type { LauncherServer } from './server.ts'

export interface ServeOptions {
  stream: Duplex
  /** Opens the server, which speaks by this. */
  open: (send: (line: string) => void) => Promise<LauncherServer>
  log: (message: string, fields?: Record<string, unknown>) => void
}

/** Who does not read so much of what was told is given up. */
const unreadBytes = 16 * 1024 * 1024
/** The end of a connection is the end of the launcher, also where systemd does not answer. */
const closeDeadlineMs = 5_000

/** Resolves when the connection has ended, and nothing is watched any more. Tasks go on. */
export async function serve({ stream, open, log }: ServeOptions): Promise<void> {
  const ended = Promise.withResolvers<void>()
  stream.on('error', (error) => log('The connection broke', { error: String(error) }))
  stream.once('close', () => ended.resolve())
  stream.once('end', () => ended.resolve())
  const send = (line: string) => {
    if (stream.destroyed || stream.writableEnded) return
    stream.write(`${line}\n`)
    if (stream.writableLength > unreadBytes) stream.destroy(new Error('the runner does not read'))
  }
  const server = await open(send).catch((error: unknown) => {
    stream.destroy()
    throw error
  })
  const lines = new LineReader(requestBytes)
  let pending = 0
  stream.on('data', (data: Buffer) => {
    try {
      for (const line of lines.feed(data)) {
        pending += 1
        if (pending >= pendingRequests) stream.pause()
        void server.take(line).finally(() => {
          pending -= 1
          if (pending < pendingRequests) stream.resume()
        })
      }
    } catch (error) {
      log(error instanceof AppError ? error.message : String(error))
      stream.destroy()
    }
  })
  await ended.promise
  stream.destroy()
  await Promise.race([server.close(), new Promise((resolve) => setTimeout(resolve, closeDeadlineMs).unref())])
}
