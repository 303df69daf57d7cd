/** The host's HTTP server: the contract's routes, the streams, the link's upgrade, and one shape for every error. */
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type RequestListener, STATUS_CODES } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Duplex } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { TSchema } from 'typebox'
import { AppError, errorTable } from '../core/errors.ts'
import type { ShownCertificate } from '../core/joining.ts'
import type { Log } from '../platform/log.ts'
import {
  type Access,
  type EndpointName,
  type Handlers,
  hostApi,
  type Input,
  type Output,
} from '../protocol/host-api.ts'
import { type Caps, limits } from '../protocol/limits.ts'
import { linkPath } from '../protocol/routes.ts'
import type { ErrorBody } from '../protocol/schemas.ts'
import type { Gate } from './access.ts'
import { Admissions, type Admit } from './admission.ts'
import type { Audit } from './audit.ts'
import { type AuditedAs, auditOfEndpoint, auditOfStream } from './audit-rules.ts'
import type { Caller, Visit } from './caller.ts'
import { HostCaps, refuseUnreadable, retryAfterOf, serverBounds } from './caps.ts'
import type { HostConfig } from './config.ts'
import { Packer } from './encoding.ts'
import { asAppError } from './http-error.ts'
import { hostOf } from './pki/host-names.ts'
import type { TlsServing } from './pki/serving.ts'
import { checkerOf } from './request-check.ts'
import type { WebRoutes } from './web-routes.ts'

export interface HttpDeps {
  config: HostConfig
  caps: Caps
  gate: Gate
  audit: Audit
  log: Log
  web: WebRoutes
  handlers: Handlers<Caller>
  /** Routes that answer with a stream. */
  streams: readonly StreamRoute[]
  /** `node`: the one whose certificate was shown; null: a join token was. */
  onLink: (request: IncomingMessage, socket: Duplex, head: Buffer, node: ShownCertificate | null) => void
  /** Makes the server that speaks TLS; null: plain HTTP. */
  tls: Pick<TlsServing, 'createServer'> | null
  /** Adds routes that are not of the native API. Sessions are not taken there. */
  addRoutes: (app: FastifyInstance, admit: Admit) => Promise<void>
  /** Told of every route that there is. */
  onRoute?: (route: { method: string | string[]; url: string; config?: AuditedAs }) => void
}

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
  caller: Caller
  /** Aborts when the caller is gone, may not see this any more, or the host stops. */
  signal: AbortSignal
}

/** Unless an answer says otherwise. No page of another site can take it in, whatever it is. */
const everyAnswer = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}

export async function createHttpServer(deps: HttpDeps): Promise<FastifyInstance> {
  // other upgrades are offers (h2c) that a server may pass over (RFC 9110, section 7.8)
  const upgrades = {
    shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
  }
  const bounds = serverBounds(deps.caps)
  const { requestTimeout } = bounds
  const keepAliveTimeout = 75_000
  const { tls } = deps
  const app = fastify({
    ...bounds,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    keepAliveTimeout,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler: refuseUnreadable,
    ...(tls === null
      ? { http: { ...bounds.http, ...upgrades } }
      : {
          serverFactory: (handler: RequestListener) =>
            tls.createServer({ ...bounds.http, ...upgrades, requestTimeout, keepAliveTimeout }, handler),
        }),
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
  if (deps.onRoute !== undefined) app.addHook('onRoute', deps.onRoute)
  deps.audit.watch(app)
  const caps = await HostCaps.add(app, deps.caps, deps.log)
  const packer = new Packer()
  const admissions = new Admissions(deps.gate)
  for (const name of Object.keys(hostApi) as EndpointName[])
    addEndpoint(app, deps, { admissions, packer }, name)
  for (const route of deps.streams) addStream(app, admissions, caps, route)
  await deps.addRoutes(app, (access, request, reply) =>
    admissions.admit(access, request, reply, { sessions: false }),
  )
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    try {
      deps.onLink(request, socket, head, linkOf(request, deps, isOurName))
    } catch (error) {
      refuseLink(socket, asAppError(error))
    }
  })
  await app.ready()
  return app
}

interface EndpointTools {
  admissions: Admissions
  packer: Packer
}

function addEndpoint(
  app: FastifyInstance,
  deps: HttpDeps,
  { admissions, packer }: EndpointTools,
  name: EndpointName,
): void {
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
    bodyLimit: bodyLimitOf(endpoint, deps.caps),
    config: auditOfEndpoint(name),
    onRequest: async (request, reply) => void admissions.admit(endpoint.access, request, reply),
    handler: async (request, reply) => {
      const input = {
        params: check.params(request.params),
        query: check.query(request.query),
        body: check.body(request.body),
      }
      const caller = admissions.callerOf(request)
      const visit = visitOf(request, reply)
      const act = (audited: Caller) => handle(input, { ...audited, visit }) as Promise<Output<EndpointName>>
      const result = await deps.audit.call(request, name, input as Input<EndpointName>, caller, act)
      reply.code(endpoint.status).header('content-type', 'application/json; charset=utf-8')
      const { body, encoding } = await packer.pack(JSON.stringify(result), request.headers['accept-encoding'])
      if (encoding !== null) reply.header('content-encoding', encoding).header('vary', 'accept-encoding')
      return body
    },
  })
}

function bodyLimitOf(endpoint: { access: Access; bodyBytes?: number }, caps: Caps): number {
  return endpoint.bodyBytes ?? (endpoint.access === 'public' ? caps.publicBodyBytes : limits.bodyBytes)
}

function addStream(app: FastifyInstance, admissions: Admissions, caps: HostCaps, route: StreamRoute): void {
  const checkParams = route.params === undefined ? () => undefined : checkerOf('params', route.params)
  const checkQuery = route.query === undefined ? () => undefined : checkerOf('query', route.query)
  app.route({
    method: 'GET',
    url: route.path,
    config: auditOfStream(route.path),
    exposeHeadRoute: false,
    onRequest: async (request, reply) => void admissions.admit(route.access, request, reply),
    handler: async (request, reply) => {
      const caller = admissions.callerOf(request)
      const { signal } = caller
      const { headers } = request
      const given = { params: checkParams(request.params), query: checkQuery(request.query) }
      caps.takeStream(request, caller.name, signal)
      return route.handle({ ...given, headers, caller, signal }, reply)
    },
  })
}

/** What the request says of who logs in or out. */
function visitOf(request: FastifyRequest, reply: FastifyReply): Visit {
  const { host = '', cookie } = request.headers
  return {
    address: request.ip,
    origin: `${request.protocol}://${host}`,
    cookies: cookie,
    setCookie: (text) => void reply.header('set-cookie', text),
  }
}

/** The node that may link; null: by a join token. @throws AppError where it may not */
function linkOf(
  request: IncomingMessage,
  deps: HttpDeps,
  isOurName: (host: string | undefined) => boolean,
): ShownCertificate | null {
  if (URL.parse(request.url ?? '/', 'http://host')?.pathname !== linkPath)
    throw new AppError('not_found', 'runners link elsewhere')
  if (!isOurName(request.headers.host)) throw wrongHost(request.headers.host)
  // a browser sends an origin; a runner does not
  if (request.headers.origin !== undefined) throw new AppError('not_permitted', 'a page cannot link')
  const { method = 'GET', headers, socket } = request
  return deps.gate.linkOf({ method, headers, socket, address: socket.remoteAddress ?? '' })
}

function refuseLink(socket: Duplex, { code, message, details }: AppError): void {
  const { http } = errorTable[code]
  const body = JSON.stringify({ code, message })
  const head = [
    `HTTP/1.1 ${http} ${STATUS_CODES[http]}`,
    'Connection: close',
    ...(details?.retryAfterSeconds === undefined ? [] : [`Retry-After: ${details.retryAfterSeconds}`]),
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  // no request any more for the server: it would neither time it out nor close it when the host stops
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/**
 * May callers address us by this name? Addresses are fine: only a name can be pointed at us by somebody else
 * (DNS rebinding).
 */
function hostCheck(config: HostConfig): (header: string | undefined) => boolean {
  const names = new Set(['localhost', hostname().toLowerCase()])
  for (const name of [config.reachableAddress, config.bindAddress])
    if (name !== null) names.add(hostOf(name).toLowerCase())
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

/** What HTTP asks of a refusal (RFC 9110, sections 11.6.1 and 10.2.3). */
export function addRefusalHeaders({ code, details }: AppError, reply: FastifyReply): void {
  if (code === 'unauthenticated') reply.header('www-authenticate', 'Bearer')
  if (code === 'too_many') reply.header('retry-after', retryAfterOf(details))
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
  addRefusalHeaders(error, reply)
  reply
    .code(errorTable[code].http)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body))
}
