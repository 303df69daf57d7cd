/** How a browser logs in and out: by the admin token, or by the code of a link that is good once. */
import { createHash, randomBytes } from 'node:crypto'
import { AppError } from '../core/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { version } from '../platform/version.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { SessionView } from '../protocol/schemas.ts'
import type { Tokens } from './auth.ts'
import { admin, type Caller, type Visit } from './caller.ts'
import type { Sessions } from './sessions.ts'
import { instant } from './views.ts'
import { WrongTries } from './wrong-tries.ts'

const codeMs = 5 * 60_000
/** Links that have not been used; a further one takes the place of the oldest. */
export const maxCodes = 100

export interface LoginDeps {
  /** null: no tokens are asked for. */
  tokens: Tokens | null
  sessions: Sessions
  clock: Clock
  log: Log
  scheme: 'http' | 'https'
}

export type LoginHandlers = Pick<
  Handlers<Caller>,
  'getSession' | 'beginSession' | 'endSession' | 'makeLoginLink'
>

export function createLogin({ tokens, sessions, clock, log, scheme }: LoginDeps): LoginHandlers {
  const codes = new LoginCodes(clock)
  const tries = new WrongTries(clock)
  const view = (expiresAtMs: number | null): SessionView => ({
    name: tokens === null || expiresAtMs !== null ? admin.name : null,
    isOpen: tokens === null,
    expiresAt: expiresAtMs === null ? null : instant(expiresAtMs),
    version,
  })

  return {
    getSession: async (_, { visit }) => view(sessions.find(visit?.cookies)?.expiresAtMs ?? null),
    beginSession: async ({ body }, caller) => {
      if (tokens === null) return view(null)
      const visit = visitOf(caller)
      if (!tries.mayTry(visit.address))
        throw new AppError('too_many', 'too many wrong tokens or links: wait a minute, then try again')
      const isRight =
        'token' in body ? tokens.kindOf(`Bearer ${body.token}`) === 'admin' : codes.take(body.code)
      if (!isRight) {
        tries.wrong(visit.address)
        log.warn({ address: visit.address }, 'A login was refused')
        throw refusalOf(body, tokens)
      }
      // one browser, one session
      const before = sessions.find(visit.cookies)
      const { value, expiresAtMs } = await sessions.begin()
      if (before !== null) await sessions.end([before.hash])
      visit.setCookie(sessions.setCookieOf(value))
      log.info({ address: visit.address }, 'A browser has logged in')
      return view(expiresAtMs)
    },
    endSession: async (_, caller) => {
      if (tokens === null) return view(null)
      const visit = visitOf(caller)
      const session = sessions.find(visit.cookies)
      visit.setCookie(sessions.setCookieOf(null))
      if (session === null) return view(null)
      await sessions.end([session.hash])
      log.info({ address: visit.address }, 'A browser has logged out')
      return view(null)
    },
    makeLoginLink: async (_, caller) => {
      const { host } = visitOf(caller)
      const code = tokens === null ? null : codes.make()
      // behind the # it is sent to no server, and stands in no log
      const path = code === null ? '/' : `/login#code=${code}`
      return { url: `${scheme}://${host}${path}`, expiresAt: instant(clock.now() + codeMs) }
    },
  }
}

function visitOf({ visit }: Caller): Visit {
  if (visit === undefined) throw new Error('a login without a request')
  return visit
}

function refusalOf(body: { token: string } | { code: string }, tokens: Tokens): AppError {
  if ('code' in body)
    return new AppError('unauthenticated', 'this link was used or is too old: ask for a new one')
  return tokens.kindOf(`Bearer ${body.token}`) === 'join'
    ? new AppError('not_permitted', 'a join token is for runners: log in with the admin token')
    : new AppError(
        'unauthenticated',
        "this is not the admin token: it is in the host's file admin-token, and `hakuriver web` makes a link without it",
      )
}

/** The codes of links that were not used yet, by their hash, oldest first. */
class LoginCodes {
  private readonly clock: Clock
  /** When each is too old, by the clock that nobody can set. */
  private readonly endOf = new Map<string, number>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  make(): string {
    const code = randomBytes(24).toString('base64url')
    this.endOf.set(hashOf(code), this.clock.monotonic() + codeMs)
    const [oldest] = this.endOf.keys()
    if (this.endOf.size > maxCodes && oldest !== undefined) this.endOf.delete(oldest)
    return code
  }

  /** Is it good? It is so once. */
  take(code: string): boolean {
    const hash = hashOf(code)
    const end = this.endOf.get(hash)
    this.endOf.delete(hash)
    return end !== undefined && this.clock.monotonic() < end
  }
}

function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('hex')
}
