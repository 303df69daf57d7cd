/** The host's HTTP server: the contract's routes, the streams, the link's upgrade, and one shape for every error. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Duplex } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { TSchema } from 'typebox'
import { AppError, errorTable } from '../core/errors.ts'
import type { Log } from '../platform/log.ts'
import { type Access, type EndpointName, type Handlers, hostApi } from '../protocol/host-api.ts'
import { type Caps, limits } from '../protocol/limits.ts'
import { linkPath } from '../protocol/routes.ts'
import type { ErrorBody } from '../protocol/schemas.ts'
import type { Gate } from './access.ts'
import type { Caller, Visit } from './caller.ts'
import { HostCaps, refuseUnreadable, retryAfterOf, serverBounds } from './caps.ts'
import type { HostConfig } from './config.ts'
import { Packer } from './encoding.ts'
import { asAppError } from './http-error.ts'
import { checkerOf } from './request-check.ts'
import type { WebRoutes } from './web-routes.ts'

export interface HttpDeps {
  config: HostConfig
  caps: Caps
  gate: Gate
  log: Log
  web: WebRoutes
  handlers: Handlers<Caller>
  /** Routes that answer with a stream. */
  streams: readonly StreamRoute[]
  onLink: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Adds routes that are not of the native API. */
  addRoutes: (app: FastifyInstance, authorize: Authorize) => Promise<void>
}

/** Lets a request go on. @throws AppError `unauthenticated`, `not_permitted` */
export type Authorize = (access: Access, request: FastifyRequest) => void

/** A route whose answer is written piece by piece. */
export interface StreamRoute {
  path: string
  access: Access
  params?: TSchema
  query?: TSchema
  handle: (request: StreamRequest, reply: FastifyReply) => Promise<unknown>
}

export interface StreamRequest {
  params: unknown
  query: unknown
  headers: IncomingMessage['headers']
  /** Aborts when the caller is gone or the host stops. */
  signal: AbortSignal
}

/** Unless an answer says otherwise. No page of another site can take it in, whatever it is. */
const everyAnswer = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}

export async function createHttpServer(deps: HttpDeps): Promise<FastifyInstance> {
  const bounds = serverBounds(deps.caps)
  const app = fastify({
    ...bounds,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    keepAliveTimeout: 75_000,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler: refuseUnreadable,
    // other upgrades are offers (h2c) that a server may pass over (RFC 9110, section 7.8)
    http: {
      ...bounds.http,
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    frameworkErrors: (error, request, reply) => sendError(asAppError(error), request, reply, deps.log),
  })
  app.setErrorHandler((error, request, reply) => sendError(asAppError(error), request, reply, deps.log))
  app.setNotFoundHandler(async (request, reply) => {
    if (await deps.web.sendRest(request, reply)) return reply
    const refusal = new AppError(
      'not_found',
      `there is no ${request.method} ${request.url.split('?')[0]} here; /openapi.json lists what there is`,
    )
    sendError(refusal, request, reply, deps.log)
    return reply
  })
  const isOurName = hostCheck(deps.config)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(everyAnswer)
    if (!isOurName(request.headers.host)) throw wrongHost(request.headers.host)
    if (await deps.web.sendShared(request, reply)) return reply
  })
  const caps = await HostCaps.add(app, deps.caps, deps.log)
  const packer = new Packer()
  for (const name of Object.keys(hostApi) as EndpointName[]) addEndpoint(app, deps, packer, name)
  for (const route of deps.streams) addStream(app, deps, caps, route)
  await deps.addRoutes(app, (access, request) => deps.gate.authorizeByToken(access, request))
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const refusal = linkRefusal(request, deps, isOurName)
    if (refusal === null) deps.onLink(request, socket, head)
    else {
      // no request any more for the server: it would neither time it out nor close it when the host stops
      socket.once('finish', () => socket.destroy())
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    }
  })
  await app.ready()
  return app
}

function addEndpoint(app: FastifyInstance, deps: HttpDeps, packer: Packer, name: EndpointName): void {
  const endpoint = hostApi[name]
  const check = {
    params: 'params' in endpoint ? checkerOf('params', endpoint.params) : () => undefined,
    query: 'query' in endpoint ? checkerOf('query', endpoint.query) : () => undefined,
    body: 'body' in endpoint ? checkerOf('body', endpoint.body) : () => undefined,
  }
  // the table's types hold for each name by itself; here it is any of them
  const handle = deps.handlers[name] as (input: object, caller: Caller) => Promise<unknown>
  app.route({
    method: endpoint.method,
    url: endpoint.path,
    bodyLimit: endpoint.access === 'public' ? deps.caps.publicBodyBytes : limits.bodyBytes,
    onRequest: async (request) => deps.gate.authorize(endpoint.access, request),
    handler: async (request, reply) => {
      const input = {
        params: check.params(request.params),
        query: check.query(request.query),
        body: check.body(request.body),
      }
      const signal = signalOf(deps.gate, endpoint.access, request, reply)
      const caller = deps.gate.callerOf(endpoint.access, request)
      const visit = visitOf(request, reply)
      const result = await handle(input, { ...caller, signal, visit })
      reply.code(endpoint.status).header('content-type', 'application/json; charset=utf-8')
      const { body, encoding } = await packer.pack(JSON.stringify(result), request.headers['accept-encoding'])
      if (encoding !== null) reply.header('content-encoding', encoding).header('vary', 'accept-encoding')
      return body
    },
  })
}

function addStream(app: FastifyInstance, deps: HttpDeps, caps: HostCaps, route: StreamRoute): void {
  const checkParams = route.params === undefined ? () => undefined : checkerOf('params', route.params)
  const checkQuery = route.query === undefined ? () => undefined : checkerOf('query', route.query)
  app.route({
    method: 'GET',
    url: route.path,
    exposeHeadRoute: false,
    onRequest: async (request) => deps.gate.authorize(route.access, request),
    handler: async (request, reply) => {
      const signal = signalOf(deps.gate, route.access, request, reply)
      const { params, query, headers } = request
      const checked = { params: checkParams(params), query: checkQuery(query), headers, signal }
      caps.takeStream(request, deps.gate.callerOf(route.access, request).name, signal)
      return route.handle(checked, reply)
    },
  })
}

/** Aborts when the caller is gone. An answer that is still to come to a session is cut off where that ends. */
function signalOf(gate: Gate, access: Access, request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  // a logout itself is answered
  const session = access === 'public' ? null : gate.sessionOf(request)
  const letGo = session === null ? () => {} : gate.onEnd(session, () => reply.raw.destroy())
  reply.raw.once('close', () => {
    letGo()
    gone.abort()
  })
  return gone.signal
}

/** What the request says of who logs in or out. */
function visitOf(request: FastifyRequest, reply: FastifyReply): Visit {
  const { host = '', cookie } = request.headers
  return {
    address: request.ip,
    host,
    cookies: cookie,
    setCookie: (text) => void reply.header('set-cookie', text),
  }
}

/** The status line of a refusal; null where the runner may link. */
function linkRefusal(
  request: IncomingMessage,
  deps: HttpDeps,
  isOurName: (host: string | undefined) => boolean,
): string | null {
  if (URL.parse(request.url ?? '/', 'http://host')?.pathname !== linkPath) return '404 Not Found'
  if (!isOurName(request.headers.host)) return '421 Misdirected Request'
  // a browser sends an origin; a runner does not
  if (request.headers.origin !== undefined) return '403 Forbidden'
  return deps.gate.mayLink(request.headers) ? null : '401 Unauthorized'
}

/**
 * May callers address us by this name? Addresses are fine: only a name can be pointed at us by somebody else
 * (DNS rebinding).
 */
function hostCheck(config: HostConfig): (header: string | undefined) => boolean {
  const names = new Set(['localhost', hostname().toLowerCase()])
  for (const name of [config.reachableAddress, config.bindAddress])
    if (name !== null) names.add(name.toLowerCase())
  return (header) => {
    if (header === undefined) return false
    const name = header.replace(/:\d{1,5}$/, '').toLowerCase()
    return names.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
  }
}

function wrongHost(header: string | undefined): AppError {
  return new AppError(
    'wrong_host',
    `this host does not go by the name "${(header ?? '').slice(0, 100)}": use its address, or set host_reachable_address`,
  )
}

function sendError(error: AppError, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  const { code, message, details } = error
  if (code === 'internal')
    log.error({ requestId: request.id, error: String(error.cause ?? error) }, 'A request failed')
  const body: ErrorBody = {
    code,
    message,
    ...(details === undefined ? {} : { details }),
    requestId: request.id,
  }
  if (code === 'unauthenticated') reply.header('www-authenticate', 'Bearer')
  if (code === 'too_many') reply.header('retry-after', retryAfterOf(error))
  reply
    .code(errorTable[code].http)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body))
}
