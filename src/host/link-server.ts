/** Makes WebSockets of the connections that ask for the link and were allowed to. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { ShownCertificate } from '../core/joining.ts'
import { wireOf } from '../platform/wire.ts'
import { linkMessageBytes } from '../protocol/link.ts'
import type { Links } from './links.ts'

export interface LinkServer {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, node: ShownCertificate | null): void
  /** Takes nobody in any more; those that are open stay. */
  close(): void
}

export function createLinkServer(links: Pick<Links, 'take'>): LinkServer {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: linkMessageBytes,
  })
  return {
    upgrade: (request, socket, head, node) => {
      server.handleUpgrade(request, socket, head, (webSocket) => {
        if ('setNoDelay' in socket && typeof socket.setNoDelay === 'function') socket.setNoDelay(true)
        links.take((events) => wireOf(webSocket, events), node)
      })
    },
    close: () => server.close(),
  }
}
