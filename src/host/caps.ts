/**
 * What all callers together, or one of them, can make the host do at a time (`protocol/limits.ts`): requests, bodies and
 * streams. Health checks are always answered, and runners have bounds of their own.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { AppError, type ErrorCode } from '../core/errors.ts'
import { isDeeperThan } from '../core/json-depth.ts'
import type { Log } from '../platform/log.ts'
import { type Caps, limits } from '../protocol/limits.ts'
import { routes } from '../protocol/routes.ts'
import { addressOf, Counts } from './counts.ts'
import { guardSockets } from './sockets.ts'

const uncounted: readonly string[] = [routes.health.path, routes.ready.path]
const everybody = 'everybody'
const smallAnswerBytes = 64 * 1024

/** Bounds of the server itself, for `fastify`. */
export function serverBounds(caps: Caps) {
  return {
    bodyLimit: limits.bodyBytes,
    requestTimeout: caps.requestMs,
    http: {
      maxHeaderSize: caps.headerBytes,
      headersTimeout: caps.headersMs,
      // how often those two are looked at
      connectionsCheckingInterval: Math.min(5_000, caps.headersMs),
    },
  } satisfies FastifyServerOptions & { http: object }
}

export class HostCaps {
  private readonly caps: Caps
  private readonly requests = new Counts()
  private readonly bodies = new Counts()
  private readonly answers = new Counts()
  private readonly streams = new Counts()
  /** How to stop counting each that is being answered. */
  private readonly openRequests = new WeakMap<FastifyRequest, () => void>()

  private constructor(caps: Caps) {
    this.caps = caps
  }

  /** Adds the hooks; before all routes, and after whatever is to be refused first. */
  static async add(app: FastifyInstance, caps: Caps, log: Log): Promise<HostCaps> {
    const made = new HostCaps(caps)
    guardSockets(app.server, caps, log)
    await app.register(rateLimit, { global: false, cache: 10_000 })
    const refuseFast = made.rates(app)
    app.addHook('onRequest', async (request, reply) => {
      if (uncounted.includes(request.url)) return
      await refuseFast(request)
      made.countRequest(request, reply)
    })
    // behind the check of who calls
    app.addHook('preParsing', async (request, reply) => made.countBody(request, reply))
    app.addHook('onSend', async (request, reply, payload) => made.countAnswer(request, reply, payload))
    const parse = app.getDefaultJsonParser('error', 'error')
    app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (isDeeperThan(caps.jsonDepth, body)) done(tooDeep(caps.jsonDepth))
      else return parse(request, body, done)
    })
    return made
  }

  /** Counts a stream until its signal aborts. `caller`: the user's name. @throws AppError `too_many` */
  takeStream(request: FastifyRequest, caller: string, signal: AbortSignal): void {
    const address = addressOf(request.socket)
    const shares: [string, number][] = [
      [`address ${address}`, this.caps.streamsPerAddress],
      [`caller ${caller}`, this.caps.streamsPerCaller],
      [everybody, this.caps.streams],
    ]
    const release = takeAll(this.streams, shares)
    if (release === null)
      throw tooMany('too many streams are open at once: close some, or try again in a moment', 5)
    signal.addEventListener('abort', release)
    // a stream may stay for days: it is no request that is being answered
    this.endRequest(request)
  }

  private rates(app: FastifyInstance): (request: FastifyRequest) => Promise<void> {
    const { rateMs: timeWindow, requestsOfToken, requestsOfAddress, requestsAnonymous } = this.caps
    const ofAddress = app.createRateLimit({
      timeWindow,
      max: requestsOfAddress,
      keyGenerator: ({ socket }) => addressOf(socket),
    })
    const ofCredential = app.createRateLimit({
      timeWindow,
      max: (_, key) => (key.startsWith('anonymous') ? requestsAnonymous : requestsOfToken),
      keyGenerator: credentialKey,
    })
    return async (request) => {
      for (const limit of [ofAddress, ofCredential]) {
        const found = await limit(request)
        if (!found.isAllowed && found.isExceeded)
          throw tooMany('too many requests in a short time: wait a moment, then go on', found.ttlInSeconds)
      }
    }
  }

  /** A large answer lies in memory until its reader has taken it. */
  private countAnswer(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return
    if (payload.length < smallAnswerBytes) return
    const shares: [string, number][] = [
      [addressOf(request.socket), this.caps.answerBytesPerAddress],
      [everybody, this.caps.answerBytes],
    ]
    const release = takeAll(this.answers, shares, payload.length)
    if (release === null) {
      // what is done is done: neither its answer nor its row may say that it was refused
      if (request.routeOptions.config.audit != null) return
      throw tooMany('too many large answers are waiting to be read: read them, or try again in a moment', 1)
    }
    reply.raw.once('close', release)
  }

  private countRequest(request: FastifyRequest, reply: FastifyReply): void {
    const address = addressOf(request.socket)
    if (!this.requests.take(address, this.caps.requestsPerAddress))
      throw tooMany('too many requests at once: wait for some answers first', 1)
    let isOpen = true
    const end = () => {
      if (isOpen) this.requests.release(address)
      isOpen = false
    }
    this.openRequests.set(request, end)
    reply.raw.once('close', end)
  }

  private endRequest(request: FastifyRequest): void {
    this.openRequests.get(request)?.()
  }

  private countBody(request: FastifyRequest, reply: FastifyReply): void {
    const { headers } = request
    // of a body in chunks nobody knows the end
    const isChunked = headers['transfer-encoding'] !== undefined
    const bytes = isChunked ? limits.bodyBytes : Number(headers['content-length'] ?? 0)
    // one that is too large is refused unread
    if (!(bytes > 0 && bytes <= limits.bodyBytes)) return
    const address = addressOf(request.socket)
    const shares: [string, number][] = [
      [address, this.caps.bodyBytesPerAddress],
      [everybody, this.caps.bodyBytes],
    ]
    const release = takeAll(this.bodies, shares, bytes)
    if (release === null)
      throw tooMany('too many large requests at once: send one after the other, or try again in a moment', 1)
    reply.raw.once('close', release)
  }
}

function tooDeep(most: number): AppError {
  return new AppError('invalid_request', `cannot read the body: it is nested more than ${most} deep`)
}

/** Takes of all shares or of none. @returns how to give back, once; null: one of them is used up */
function takeAll(counts: Counts, shares: readonly [string, number][], count = 1): (() => void) | null {
  const taken: string[] = []
  const release = () => {
    for (const who of taken.splice(0)) counts.release(who, count)
  }
  for (const [who, most] of shares) {
    if (!counts.take(who, most, count)) {
      release()
      return null
    }
    taken.push(who)
  }
  return release
}

/** Whose rate counts: that of what was shown, whether or not it is right, else that of the address. */
function credentialKey({ headers, socket }: FastifyRequest): string {
  const shown = headers.authorization ?? headers.cookie
  if (shown === undefined) return `anonymous ${addressOf(socket)}`
  return createHash('sha256').update(shown).digest('base64url')
}

/** `afterSeconds`: the least that it helps to wait (`Retry-After`, RFC 9110, section 10.2.3). */
function tooMany(message: string, afterSeconds: number): AppError {
  return new AppError('too_many', message, { details: { retryAfterSeconds: Math.max(1, afterSeconds) } })
}

/** Seconds to wait before the same may be tried again. */
export function retryAfterOf(details: AppError['details']): number {
  const known = details?.retryAfterSeconds
  return typeof known === 'number' ? known : 1
}

/** What Node cannot read as a request, in the one shape of errors (RFC 9110, section 15.5; RFC 6585, section 5). */
const unreadable: Record<string, { status: string; code: ErrorCode; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'too_large',
    message: 'the line and the headers of the request are too large: leave some out, or shorten them',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'timeout',
    message: 'the request did not come in time: send all of it at once',
  },
}
const otherwise = {
  status: '400 Bad Request',
  code: 'invalid_request',
  message: 'cannot read the request: it is no HTTP',
}

/** Answers what is no request, and closes the connection. */
export function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  // where an answer has begun, another one would be read as a part of it
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy()
  const { status, code, message } = unreadable[error.code ?? ''] ?? otherwise
  const body = JSON.stringify({ code, message, requestId: randomUUID() })
  const head = [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
