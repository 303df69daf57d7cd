/**
 * Who may call: by a token, by the session of a browser, or anybody on a host that asks for no tokens. What a browser
 * sends along by itself proves nothing, so with a session it also counts which page has asked.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../core/errors.ts'
import type { Access } from '../protocol/host-api.ts'
import type { Tokens } from './auth.ts'
import { admin, type Caller } from './caller.ts'
import type { Sessions } from './sessions.ts'
import type { TokenKind } from './store/store.ts'

/** What of a request counts. */
export interface Asked {
  method: string
  headers: IncomingHttpHeaders
}

export class Gate {
  private readonly tokens: Tokens | null
  private readonly sessions: Sessions

  /** `tokens` null: no tokens are asked for. */
  constructor(tokens: Tokens | null, sessions: Sessions) {
    this.tokens = tokens
    this.sessions = sessions
  }

  /** Lets a request go on. @throws AppError `unauthenticated`, `not_permitted` */
  authorize(access: Access, request: Asked): void {
    if (access === 'public') {
      if (!isReading(request)) refuseForeign(request)
    } else if (this.tokens !== null && this.sessionOf(request) !== null) refuseForgery(request)
    else this.authorizeByToken(access, request)
  }

  /** The same for routes where a session is not taken. */
  authorizeByToken(access: Access, request: Asked): void {
    if (access === 'public') return
    if (this.tokens === null) return refuseForeign(request)
    const { authorization } = request.headers
    const kind = this.tokens.kindOf(authorization)
    if (kind === 'admin' || (kind === 'join' && access === 'check')) return
    throw refusalOf(kind, authorization)
  }

  /** Who calls, after `authorize`. Only where a join token will do is there more than one. */
  callerOf(access: Access, request: Asked): Caller {
    if (this.tokens === null) return { ...admin, token: 'none' }
    const kind = access === 'check' ? this.tokens.kindOf(request.headers.authorization) : 'admin'
    return kind === 'join' ? { name: 'a runner', role: 'viewer', token: 'join' } : admin
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

  /** May a runner link? */
  mayLink(headers: IncomingHttpHeaders): boolean {
    return this.tokens === null || this.tokens.kindOf(headers.authorization) === 'join'
  }
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
