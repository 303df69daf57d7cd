/** Makes WebSockets of the connections that ask for the link and were allowed to. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { ShownCertificate } from '../core/joining.ts'
import { after } from '../platform/wait.ts'
import { wireOf } from '../platform/wire.ts'
import { type Caps, caps } from '../protocol/limits.ts'
import { linkMessageBytes } from '../protocol/link.ts'
import type { Links } from './links.ts'

export interface LinkServer {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, node: ShownCertificate | null): void
  /** Takes nobody in any more; those that are open stay. */
  close(): void
}

type LinkCaps = Pick<Caps, 'links' | 'linkMessagesPerSecond' | 'linkBytesPerSecond'>

export function createLinkServer(links: Pick<Links, 'take'>, bounds: LinkCaps = caps): LinkServer {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: linkMessageBytes,
  })
  return {
    upgrade: (request, socket, head, node) => {
      if (server.clients.size >= bounds.links) {
        socket.once('finish', () => socket.destroy())
        socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\r\n')
        return
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        if ('setNoDelay' in socket && typeof socket.setNoDelay === 'function') socket.setNoDelay(true)
        readInMeasure(webSocket, bounds)
        links.take((events) => wireOf(webSocket, events), node)
      })
    },
    close: () => server.close(),
  }
}

const secondMs = 1_000

/** What comes faster than that is left in the network until the second is over: nothing is lost, and others have their turn. */
function readInMeasure(webSocket: WebSocket, bounds: LinkCaps): void {
  let endMs = 0
  let messages = 0
  let bytes = 0
  let cancel = () => {}
  webSocket.on('message', (data: RawData) => {
    const nowMs = performance.now()
    if (nowMs >= endMs) {
      endMs = nowMs + secondMs
      messages = 0
      bytes = 0
    }
    messages += 1
    bytes += Array.isArray(data) ? 0 : data.byteLength // it comes in one piece (`binaryType`)
    if (messages < bounds.linkMessagesPerSecond && bytes < bounds.linkBytesPerSecond) return
    if (webSocket.isPaused) return
    webSocket.pause()
    cancel = after(endMs - nowMs, () => webSocket.resume())
  })
  webSocket.once('close', () => cancel())
}
