/**
 * A connection that carries texts, whole and in order, until it breaks: what host and runner ask of a WebSocket
 * (RFC 6455), so that neither cares what carries them.
 */
import type { ClientRequestArgs, IncomingMessage } from 'node:http'
import { type ClientOptions, WebSocket } from 'ws'
import { networkReason } from './network-reason.ts'

/** One end of a connection. */
export interface Wire {
  readonly isOpen: boolean
  /** Nothing comes or goes any more. */
  readonly isClosed: boolean
  /** Bytes that were sent and that the network has not taken yet. */
  readonly waitingBytes: number
  send(text: string): void
  /** Asks for a sign of life. */
  ping(): void
  /** Says goodbye, with a code of RFC 6455 section 7.4.1, and waits for the other's. */
  close(code?: number): void
  /** Ends it at once. */
  cut(): void
}

export interface WireEvents {
  onText(text: string): void
  /** A sign of life that is no text. */
  onSign(): void
  /** Once; `problem`: what broke it, where that is known. */
  onClosed(problem: string | null): void
}

/** What a dial may come to before the connection is there. */
export interface DialEvents extends WireEvents {
  onOpen(): void
  /**
   * It was answered, but by an HTTP status instead of a connection, and by the host's words where it has some;
   * `onClosed` follows.
   */
  onRefused(status: number, message?: string): void
  /** Nobody could be reached, or the connection broke; `onClosed` follows. */
  onProblem(problem: string): void
}

export interface DialOptions {
  headers: Record<string, string>
  deadlineMs: number
  /** Of a node that has joined by a certificate. */
  tls?: DialTls
}

/** By what the host is known, and what is shown to it. */
export interface DialTls {
  ca: string
  servername: string
  cert: string
  key: string
}

export type Dial = (url: string, options: DialOptions, events: DialEvents) => Wire

/** The end of a WebSocket that is open already. */
export function wireOf(socket: WebSocket, events: WireEvents): Wire {
  let problem: string | null = null
  socket.on('message', (data) => events.onText(String(data)))
  socket.on('ping', () => events.onSign())
  socket.on('pong', () => events.onSign())
  socket.on('error', (error) => {
    problem = error.message
  })
  socket.on('close', () => events.onClosed(problem))
  return handleOf(socket)
}

/** Opens a WebSocket. */
export const dialWebSocket: Dial = (url, { headers, deadlineMs, tls }, events) => {
  const options: ClientOptions & ClientRequestArgs = {
    headers,
    perMessageDeflate: false,
    handshakeTimeout: deadlineMs,
  }
  const socket = new WebSocket(url, { ...options, rejectUnauthorized: true, ...tls })
  let isRefused = false // and told: that we end such a dial ourselves is no other problem
  socket.on('open', () => {
    // Nagle's delay would cost more than a whole task
    const raw = (socket as unknown as { _socket?: { setNoDelay(on: boolean): void } })._socket
    raw?.setNoDelay(true)
    events.onOpen()
  })
  socket.on('unexpected-response', (_, response) => {
    isRefused = true
    readRefusal(response, (message) => {
      events.onRefused(response.statusCode ?? 0, message)
      socket.terminate()
    })
  })
  socket.on('error', (error) => {
    if (!isRefused) events.onProblem(networkReason(error))
  })
  return wireOf(socket, events)
}

const refusalBytes = 4_096
const refusalMs = 2_000

/** The host's own words, where what answers has such. */
function readRefusal(response: IncomingMessage, done: (message: string | undefined) => void): void {
  let text = ''
  let isDone = false
  const end = () => {
    if (isDone) return
    isDone = true
    clearTimeout(timer)
    done(messageIn(text))
  }
  const timer = setTimeout(end, refusalMs)
  response.setEncoding('utf8')
  response.on('data', (part: string) => {
    text += part
    if (text.length > refusalBytes) end()
  })
  response.on('error', end)
  response.on('close', end)
  response.on('end', end)
}

function messageIn(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text)
    const given = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined
    return typeof given === 'string' ? given.slice(0, 500) : undefined
  } catch {
    return undefined
  }
}

function handleOf(socket: WebSocket): Wire {
  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN
    },
    get isClosed() {
      return socket.readyState === WebSocket.CLOSED
    },
    get waitingBytes() {
      return socket.bufferedAmount
    },
    send: (text) => socket.send(text),
    ping: () => socket.ping(),
    close: (code) => socket.close(code),
    cut: () => socket.terminate(),
  }
}
