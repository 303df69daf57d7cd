/**
 * How persons come in: a browser by a token, by the code of a link or by an invitation, and a program by an
 * invitation. What is good once is used up in the same commit that makes what it is exchanged for.
 */
import { AppError } from '../core/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { version } from '../platform/version.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { SessionView } from '../protocol/schemas.ts'
import { anybody, type Caller, type Visit } from './caller.ts'
import type { UrlFor } from './own-url.ts'
import { hashOf, newCode } from './secret.ts'
import { boundSessions, type Login, sessionFor, sessionOf, setCookieOf } from './sessions.ts'
import type { TokenRecord } from './store/store.ts'
import type { Tokens } from './tokens.ts'
import type { Users } from './users.ts'
import { instant } from './views.ts'
import type { WrongTries } from './wrong-tries.ts'

const codeMs = 5 * 60_000
/** Links that have not been used; a further one takes the place of the oldest. */
export const maxCodes = 100
/** Of a login by invitation. */
const loginMs = 90 * 86_400_000

export interface LoginDeps {
  users: Users
  tokens: Tokens
  tries: WrongTries
  /** No tokens are asked for. */
  isOpen: boolean
  clock: Clock
  log: Log
  /** The host speaks TLS. */
  isSecure: boolean
  urlFor: UrlFor
}

export type LoginHandlers = Pick<
  Handlers<Caller>,
  'getSession' | 'beginSession' | 'endSession' | 'makeLoginLink' | 'claimLogin'
>

type Credentials = Parameters<LoginHandlers['beginSession']>[0]['body']

export function createLogin(deps: LoginDeps): LoginHandlers {
  const { users, tokens, tries, isOpen, isSecure, urlFor, clock, log } = deps
  const codes = new LoginCodes(clock)
  const view = (session: TokenRecord | null): SessionView => ({
    name: isOpen ? anybody.name : (session?.user ?? null),
    role: isOpen ? anybody.role : session === null ? null : tokens.roleOf(session),
    isOpen,
    expiresAt: session?.expiresAtMs == null ? null : instant(session.expiresAtMs),
    version,
  })
  const refused = (visit: Visit, refusal: AppError) => {
    log.warn({ address: visit.address }, 'A login was refused')
    return tries.refuse(visit.address, refusal)
  }
  /** The invitation of this secret, where it can be used now. */
  const invitationOf = (secret: string): TokenRecord | null => {
    const token = tokens.find(secret)
    if (token?.kind !== 'login' || tokens.stateOf(token) !== 'good') return null
    const maker = token.madeBy === null ? null : users.get(token.madeBy)
    return maker?.isDisabled === false && maker.role === 'admin' ? token : null
  }
  /** What an invitation is exchanged for is its user's in full. */
  const loginBy = (invitation: TokenRecord): Login => ({
    user: invitation.user,
    role: tokens.roleOf(invitation),
    boundMs: null,
  })
  const begin = async (body: Credentials, visit: Visit) => {
    const { known, invitation } = 'token' in body ? byToken(body.token, visit) : byCode(body.code)
    if (invitation !== null) return tokens.exchange(invitation, sessionFor(loginBy(invitation), clock.now()))
    if (known === null) throw refused(visit, refusalOf(body))
    // a full disk is a reason to look: it holds as long as this host runs where it cannot be saved
    return tokens.makeUnsaved(sessionFor(known, clock.now()))
  }
  const byToken = (secret: string, visit: Visit) => {
    const token = tokens.find(secret)
    if (token?.kind === 'join')
      throw new AppError('not_permitted', 'a join token is for runners: log in with a token of yours')
    if (token?.kind !== 'api' || tokens.stateOf(token) !== 'good') return { known: null, invitation: null }
    tokens.used(token, visit.address)
    return { known: token, invitation: null }
  }
  const byCode = (code: string) => ({ known: codes.take(code, tokens), invitation: invitationOf(code) })

  return {
    getSession: async (_, { visit }) => view(sessionOf(tokens, visit?.cookies, isSecure)),
    beginSession: async ({ body }, caller) => {
      if (isOpen) return view(null)
      const visit = visitOf(caller)
      // one browser, one session
      const before = sessionOf(tokens, visit.cookies, isSecure)
      const { secret, token } = await begin(body, visit)
      if (before !== null) await tokens.revoke([before])
      await boundSessions(tokens, token.user)
      const { createdAtMs, expiresAtMs } = token
      const ageMs = (expiresAtMs ?? createdAtMs) - createdAtMs
      visit.setCookie(setCookieOf({ value: secret, ageMs }, isSecure))
      log.info({ address: visit.address, user: token.user }, 'A browser has logged in')
      return view(token)
    },
    endSession: async (_, caller) => {
      if (isOpen) return view(null)
      const visit = visitOf(caller)
      const session = sessionOf(tokens, visit.cookies, isSecure)
      visit.setCookie(setCookieOf(null, isSecure))
      if (session === null) return view(null)
      await tokens.revoke([session])
      log.info({ address: visit.address, user: session.user }, 'A browser has logged out')
      return view(null)
    },
    makeLoginLink: async (_, caller) => {
      const code = caller.token === null ? null : codes.make(caller.token, caller.role)
      // behind the # it is sent to no server, and stands in no log
      const path = code === null ? '/' : `/login#code=${code}`
      return { url: `${urlFor(caller.visit)}${path}`, expiresAt: instant(clock.now() + codeMs) }
    },
    claimLogin: async ({ body }, caller) => {
      const visit = visitOf(caller)
      const invitation = invitationOf(body.secret)
      if (invitation === null) throw refused(visit, refusalOf({ code: body.secret }))
      const login = loginBy(invitation)
      const expiresAtMs = clock.now() + loginMs
      const label = body.label ?? 'login'
      const { secret, token } = await tokens.exchange(invitation, {
        ...login,
        kind: 'api',
        label,
        expiresAtMs,
      })
      log.info({ address: visit.address, user: token.user, token: token.id }, 'An invitation was used')
      return {
        token: secret,
        user: token.user ?? '',
        role: tokens.roleOf(token),
        expiresAt: instant(expiresAtMs),
      }
    },
  }
}

/** The request of a caller. */
export function visitOf({ visit }: Caller): Visit {
  if (visit === undefined) throw new Error('a login without a request')
  return visit
}

function refusalOf(body: Credentials): AppError {
  if ('code' in body)
    return new AppError(
      'unauthenticated',
      'this link or invitation was used or is too old: ask for a new one',
    )
  return new AppError(
    'unauthenticated',
    "this is no token that can be used: the admin token is in the host's file admin-token, and `hakuriver web` makes a link without one",
  )
}

/** The codes of links that were not used yet, by their hash, oldest first. */
class LoginCodes {
  private readonly clock: Clock
  /** When each is too old, by the clock that nobody can set, and whose it is. */
  private readonly codes = new Map<string, { endMs: number; maker: TokenRecord; role: Login['role'] }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  make(maker: TokenRecord, role: Login['role']): string {
    const code = newCode()
    this.codes.set(hashOf(code), { endMs: this.clock.monotonic() + codeMs, maker, role })
    // of the same user: nobody takes the links of others away
    const own = [...this.codes].filter(([, known]) => known.maker.user === maker.user)
    const [oldest] = own
    if (own.length > maxCodes && oldest !== undefined) this.codes.delete(oldest[0])
    return code
  }

  /** Whom it logs in; null: nobody. It does so once, and as long as what made it is good. */
  take(code: string, tokens: Tokens): Login | null {
    const hash = hashOf(code)
    const known = this.codes.get(hash)
    this.codes.delete(hash)
    if (known === undefined || this.clock.monotonic() >= known.endMs) return null
    const { maker, role } = known
    if (tokens.get(maker.id) !== maker || tokens.stateOf(maker) !== 'good') return null
    return { user: maker.user, role, boundMs: maker.boundMs }
  }
}
