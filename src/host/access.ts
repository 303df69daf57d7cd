/**
 * Who may call: by a token, by the session of a browser, or anybody on a host that asks for no tokens. What a browser
 * sends along by itself proves nothing, so with a session it also counts which page has asked.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../core/errors.ts'
import type { Refusal, ShownCertificate } from '../core/joining.ts'
import { type Permission, roleMay } from '../core/roles.ts'
import type { Access } from '../protocol/host-api.ts'
import { anybody, type Caller, nobody } from './caller.ts'
import { sessionOf } from './sessions.ts'
import type { TokenRecord } from './store/store.ts'
import type { Tokens } from './tokens.ts'
import { instant } from './views.ts'
import type { WrongTries } from './wrong-tries.ts'

/** What of a request counts. */
export interface Asked {
  method: string
  headers: IncomingHttpHeaders
  /** Where it comes from. */
  address: string
  /** Its connection, on which a node shows its certificate. */
  socket: unknown
}

export interface GateDeps {
  tokens: Tokens
  tries: WrongTries
  /** No tokens are asked for. */
  isOpen: boolean
  /** The host speaks TLS. */
  isSecure: boolean
  /** null: there are no certificates, and join tokens open the link. */
  nodeOf: NodeOf | null
}

/** Tells which node a connection is of, by the certificate that was shown on it, or why it is of none. */
export type NodeOf = (socket: unknown) => ShownCertificate | Refusal

export class Gate {
  private readonly deps: GateDeps

  constructor(deps: GateDeps) {
    this.deps = deps
  }

  /**
   * Lets a request go on, and tells who calls. `sessions` false: where browsers have nothing to do.
   * @throws AppError `unauthenticated`, `not_permitted`, `too_many`
   */
  admit(access: Access, request: Asked, { sessions = true } = {}): Caller {
    const { tokens, isOpen } = this.deps
    if (access === 'node') {
      refuseForeign(request)
      return callerOf(this.wantedNode(request))
    }
    if (access === 'public') {
      if (!isReading(request)) refuseForeign(request)
      return isOpen ? anybody : nobody
    }
    if (isOpen) {
      refuseForeign(request)
      return anybody
    }
    if (this.isByNode(access, request)) return callerOf(this.wantedNode(request))
    const { headers, address } = request
    const isSession = sessions && headers.authorization === undefined && headers.cookie !== undefined
    const token = isSession ? this.sessionIn(request) : this.tokenIn(request)
    const name = token.user ?? 'a runner'
    const caller: Caller = { name, role: tokens.roleOf(token), via: isSession ? 'session' : 'token', token }
    refuseWeaker(caller, access, tokens)
    tokens.used(token, address)
    return caller
  }

  /** Calls back when what the caller came by ends, or may do less. @returns how to stop that */
  onEnd({ token }: Caller, action: () => void): () => void {
    return token === null ? () => {} : this.deps.tokens.onEnd(token, action)
  }

  /**
   * The node that links by a certificate; null: one that may by a join token.
   * @throws AppError `unauthenticated`, `not_permitted`, `too_many` where it may not
   */
  linkOf(request: Asked): ShownCertificate | null {
    const { isOpen, nodeOf } = this.deps
    if (nodeOf !== null) return this.wantedNode(request)
    if (isOpen) return null
    if (this.tokenIn(request).kind === 'join') return null
    throw new AppError('not_permitted', 'a runner links with the join token, not with one of a user')
  }

  /** The session by which a browser comes. @throws AppError */
  private sessionIn(request: Asked): TokenRecord {
    const { tokens, isSecure } = this.deps
    const session = sessionOf(tokens, request.headers.cookie, isSecure)
    if (session === null) throw refusalOf(null, undefined)
    refuseForgery(request)
    return session
  }

  /** The token of the Authorization header (RFC 6750, section 2.1). @throws AppError */
  private tokenIn({ headers: { authorization }, address }: Asked): TokenRecord {
    const { tokens, tries } = this.deps
    const match = /^Bearer +([A-Za-z0-9._~+/=-]{1,200})$/i.exec(authorization ?? '')
    if (match?.[1] === undefined) throw refusalOf(null, authorization)
    const token = tokens.find(match[1])
    // what a cookie or an invitation holds is no token
    if (token === null || token.kind === 'browser' || token.kind === 'login')
      throw tries.refuse(address, refusalOf(null, authorization))
    if (tokens.stateOf(token) !== 'good') throw refusalOf(endWords(token, tokens), authorization)
    return token
  }

  /** A machine checks itself by its certificate; whoever shows anything else is judged by that alone. */
  private isByNode(access: Access, { headers }: Asked): boolean {
    if (access !== 'check' || this.deps.nodeOf === null) return false
    return headers.authorization === undefined && headers.cookie === undefined
  }

  private wantedNode({ socket }: Pick<Asked, 'socket'>): ShownCertificate {
    const { nodeOf } = this.deps
    if (nodeOf === null)
      throw new AppError('unauthenticated', 'this host serves plain HTTP: no machine has a certificate here')
    const node = nodeOf(socket)
    if ('nodeId' in node) return node
    throw new AppError(node.code, node.message)
  }
}

/** A node by its certificate has no role: it may do what is for nodes alone. */
function callerOf(node: ShownCertificate): Caller {
  return { name: `node ${node.node}`, role: 'viewer', via: 'node', token: null, node }
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

/** @throws AppError `not_permitted` where the role is too weak */
function refuseWeaker({ name, role, token, via }: Caller, access: Access, tokens: Tokens): void {
  if (token?.kind === 'join') {
    if (access === 'check') return
    throw new AppError('not_permitted', 'a join token is for runners: show a token of a user here')
  }
  const permission: Permission =
    access === 'check' || access === 'public' || access === 'node' ? 'view' : access
  if (roleMay(role, permission)) return
  const needed = neededWords[permission]
  const isWeakToken = token !== null && roleMay(tokens.userRoleOf(token), permission)
  const what = via === 'session' ? 'login' : 'token'
  const who = isWeakToken ? `this ${what} of ${name} is only ${role}` : `${name} is ${role}`
  throw new AppError('not_permitted', `this needs the role ${needed}, and ${who}`)
}

const neededWords: Record<Permission, string> = {
  view: 'viewer',
  submit: 'submitter',
  operate: 'operator',
  admin: 'admin',
}

/** Why a token that is known cannot be used. */
function endWords(token: TokenRecord, tokens: Tokens): string {
  const { user, label, revokedAtMs, expiresAtMs } = token
  const name = `the token "${label}" of ${user ?? 'the runners'}`
  const state = tokens.stateOf(token)
  if (state === 'revoked') return `${name} was revoked at ${instant(revokedAtMs ?? 0)}: use another one`
  if (state === 'disabled') return `the user ${user} is disabled: ask an admin`
  return `${name} has expired at ${instant(expiresAtMs ?? 0)}: ask an admin for an invitation, and log in by it`
}

function refusalOf(why: string | null, authorization: string | undefined): AppError {
  if (why !== null) return new AppError('unauthenticated', why)
  const what = authorization === undefined ? 'no token was shown' : 'the token is not one of this host'
  return new AppError(
    'unauthenticated',
    `${what}: send "Authorization: Bearer …" with a token of yours, or with what is in the host's file admin-token`,
  )
}
