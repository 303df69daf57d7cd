/** Bounds the connections of an HTTP server: how many an address has, and how long one may let its answer lie. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Log } from '../platform/log.ts'
import type { Caps } from '../protocol/limits.ts'
import { addressOf, Counts } from './counts.ts'

interface Watched {
  /** How far the network had come with what waits. */
  progress: string
  /** When it had last come further, or nothing waited. */
  movedMs: number
}

/** Watches a server's connections until it closes. */
export function guardSockets(server: Server, caps: Caps, log: Log): void {
  const perAddress = new Counts()
  const watched = new Map<Socket, Watched>()
  const watch = (socket: Socket) => {
    watched.set(socket, { progress: '', movedMs: performance.now() })
    socket.once('close', () => watched.delete(socket))
  }
  server.maxConnections = caps.connections
  server.on('drop', () => log.warn({}, 'There are too many connections: further ones are closed'))
  server.prependListener('connection', (socket: Socket) => {
    const address = addressOf(socket)
    if (!perAddress.take(address, caps.connectionsPerAddress)) return void socket.destroy()
    socket.once('close', () => perAddress.release(address))
    watch(socket)
  })
  // over TLS what waits lies here
  server.on('secureConnection', watch)
  // a link has bounds of its own
  server.prependListener('upgrade', (_, socket) => watched.delete(socket as Socket))
  const timer = setInterval(() => cutSlow(watched, caps.slowMs), Math.max(50, caps.slowMs / 8))
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

/** Ends connections for which something waits and that have taken nothing of it for too long. */
function cutSlow(watched: Map<Socket, Watched>, slowMs: number): void {
  const nowMs = performance.now()
  for (const [socket, seen] of watched) {
    const progress = progressOf(socket)
    if (socket.writableLength === 0 || progress !== seen.progress)
      watched.set(socket, { progress, movedMs: nowMs })
    else if (nowMs - seen.movedMs > slowMs) socket.destroy()
  }
}

/** Another text whenever the network has taken a byte: also of one large write, which only its handle tells. */
function progressOf(socket: Socket): string {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null }
  return `${socket.bytesWritten - socket.writableLength} ${handle?.writeQueueSize ?? ''}`
}
