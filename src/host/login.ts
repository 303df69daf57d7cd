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
import { type Sessions, setCookieOf } from './sessions.ts'
import { instant } from './views.ts'

const codeMs = 5 * 60_000
/** Links that have not been used; a further one takes the place of the oldest. */
export const maxCodes = 100
/** Wrong tries of one address in a minute. */
export const maxTries = 10
const triesMs = 60_000
const maxAddresses = 10_000

export interface LoginDeps {
  /** null: no tokens are asked for. */
  tokens: Tokens | null
  sessions: Sessions
  clock: Clock
  log: Log
}

export type LoginHandlers = Pick<
  Handlers<Caller>,
  'getSession' | 'beginSession' | 'endSession' | 'makeLoginLink'
>

export function createLogin({ tokens, sessions, clock, log }: LoginDeps): LoginHandlers {
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
      visit.setCookie(setCookieOf(value))
      log.info({ address: visit.address }, 'A browser has logged in')
      return view(expiresAtMs)
    },
    endSession: async (_, caller) => {
      if (tokens === null) return view(null)
      const visit = visitOf(caller)
      const session = sessions.find(visit.cookies)
      visit.setCookie(setCookieOf(null))
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
      return { url: `http://${host}${path}`, expiresAt: instant(clock.now() + codeMs) }
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

/** Counts wrong tries by address. */
class WrongTries {
  private readonly clock: Clock
  /** Addresses that were wrong lately, the earliest first. */
  private readonly byAddress = new Map<string, { count: number; endMs: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  mayTry(address: string): boolean {
    const tried = this.byAddress.get(networkOf(address))
    return tried === undefined || tried.endMs <= this.clock.monotonic() || tried.count < maxTries
  }

  wrong(address: string): void {
    const nowMs = this.clock.monotonic()
    const network = networkOf(address)
    const before = this.byAddress.get(network)
    if (before !== undefined && before.endMs > nowMs) {
      before.count += 1
      return
    }
    this.byAddress.delete(network)
    this.byAddress.set(network, { count: 1, endMs: nowMs + triesMs })
    const [oldest] = this.byAddress.keys()
    if (this.byAddress.size > maxAddresses && oldest !== undefined) this.byAddress.delete(oldest)
  }
}

/** Of IPv6 the first half: whoever has one address of a network has all of them (RFC 4291, section 2.5.4). */
function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [front = '', back = ''] = address.split('::')
  const [before, after] = [front, back].map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(Math.max(0, 8 - (before?.length ?? 0) - (after?.length ?? 0))).fill('0')
  return [...(before ?? []), ...zeros, ...(after ?? [])].slice(0, 4).join(':')
}

function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('hex')
}
