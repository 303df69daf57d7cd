/**
 * Who may call: by a token, by the session of a browser, or anybody on a host that asks for no tokens. What a browser
 * sends along by itself proves nothing, so with a session it also counts which page has asked.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../core/errors.ts'
import type { Refusal, ShownCertificate } from '../core/joining.ts'
import type { Access } from '../protocol/host-api.ts'
import type { Tokens } from './auth.ts'
import { admin, type Caller } from './caller.ts'
import type { Sessions } from './sessions.ts'
import type { TokenKind } from './store/store.ts'

/** What of a request counts. */
export interface Asked {
  method: string
  headers: IncomingHttpHeaders
  socket: unknown
}

/** Tells which node a connection is of, by the certificate that was shown on it, or why it is of none. */
export type NodeOf = (socket: unknown) => ShownCertificate | Refusal

export class Gate {
  private readonly tokens: Tokens | null
  private readonly sessions: Sessions
  private readonly nodeOf: NodeOf | null

  /** `tokens` null: no tokens are asked for. `nodeOf` null: there are no certificates, and join tokens open the link. */
  constructor(tokens: Tokens | null, sessions: Sessions, nodeOf: NodeOf | null = null) {
    this.tokens = tokens
    this.sessions = sessions
    this.nodeOf = nodeOf
  }

  /** Lets a request go on. @throws AppError `unauthenticated`, `not_permitted` */
  authorize(access: Access, request: Asked): void {
    if (access === 'node') return void this.wantedNode(request)
    if (access === 'public') {
      if (!isReading(request)) refuseForeign(request)
    } else if (this.isByNode(access, request)) this.wantedNode(request)
    else if (this.tokens !== null && this.sessionOf(request) !== null) refuseForgery(request)
    else this.authorizeByToken(access, request)
  }

  /** The same for routes where a session is not taken. */
  authorizeByToken(access: Access, request: Asked): void {
    if (access === 'public') return
    if (this.tokens === null) return refuseForeign(request)
    const { authorization } = request.headers
    const kind = this.tokens.kindOf(authorization)
    // where machines join by certificates, the join token opens nothing
    if (kind === 'admin' || (kind === 'join' && access === 'check' && this.nodeOf === null)) return
    throw refusalOf(kind, authorization)
  }

  /** Who calls, after `authorize`. Only where a join token will do is there more than one. */
  callerOf(access: Access, request: Asked): Caller {
    if (access === 'node' || this.isByNode(access, request)) return callerOf(this.wantedNode(request))
    if (this.tokens === null) return { ...admin, token: 'none' }
    const kind = access === 'check' ? this.tokens.kindOf(request.headers.authorization) : 'admin'
    return kind === 'join' ? { name: 'a runner', token: 'join' } : admin
  }

  /** The session by which a request comes; null: by none. A token that is shown counts alone. */
  sessionOf({ headers }: Asked): string | null {
    if (headers.authorization !== undefined) return null
    return this.sessions.find(headers.cookie)?.hash ?? null
  }

  /** Calls back when that session ends. @returns how to stop that */
  onEnd(session: string, action: () => void): () => void {
    return this.sessions.onEnd(session, action)
  }

  /** The node that links by a certificate; null: one that may by a join token. @throws AppError where it may not */
  linkOf(request: Pick<Asked, 'headers' | 'socket'>): ShownCertificate | null {
    if (this.nodeOf !== null) return this.wantedNode(request)
    if (this.tokens === null || this.tokens.kindOf(request.headers.authorization) === 'join') return null
    throw new AppError('unauthenticated', 'the join token is not one of this host')
  }

  /** A machine checks itself by its certificate; whoever shows anything else is judged by that alone. */
  private isByNode(access: Access, request: Asked): boolean {
    if (access !== 'check' || this.nodeOf === null || this.tokens === null) return false
    return request.headers.authorization === undefined && this.sessionOf(request) === null
  }

  private wantedNode({ socket }: Pick<Asked, 'socket'>): ShownCertificate {
    if (this.nodeOf === null)
      throw new AppError('unauthenticated', 'this host serves plain HTTP: no machine has a certificate here')
    const node = this.nodeOf(socket)
    if ('nodeId' in node) return node
    throw new AppError(node.code, node.message)
  }
}

function callerOf(node: ShownCertificate): Caller {
  return { name: `node ${node.node}`, token: 'node', node }
}

function isReading({ method }: Asked): boolean {
  return method === 'GET' || method === 'HEAD'
}

/**
 * Which page has asked, as the browser says itself: by Fetch Metadata (`Sec-Fetch-Site`), which it sends to loopback
 * and over TLS only, else by `Origin` (Fetch Standard), which it sends with all that changes something. A page of
 * another port of this machine is another one too. null: nobody says so.
 */
function isOwnPage({ headers }: Asked): boolean | null {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'none') return site === 'same-origin'
  const { origin, host } = headers
  if (origin === undefined) return null
  return [`http://${host}`, `https://${host}`].includes(origin.toLowerCase())
}

/** Without a proof of who calls nothing tells the user's own calls from those of a page that lies open. */
function refuseForeign(request: Asked): void {
  if (isOwnPage(request) === false)
    throw new AppError('not_permitted', 'a page of another site may not use this host')
}

/** Cookies go along with whatever a page of another port asks (cross-site request forgery). */
function refuseForgery(request: Asked): void {
  if (isReading(request)) return refuseForeign(request)
  if (isOwnPage(request) !== true)
    throw new AppError('not_permitted', 'only a page of this host may change something by its session')
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new AppError('not_permitted', 'a page has to send JSON: set content-type to application/json')
}

function refusalOf(kind: TokenKind | null, authorization: string | undefined): AppError {
  if (kind === 'join')
    return new AppError('not_permitted', 'a join token is for runners: show the admin token here')
  const why = authorization === undefined ? 'no token was shown' : 'the token is not one of this host'
  return new AppError(
    'unauthenticated',
    `${why}: send "Authorization: Bearer …" with what is in the host's file admin-token`,
  )
}
