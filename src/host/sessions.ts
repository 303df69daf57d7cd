/** Browsers that are logged in: each by a random cookie, over restarts too. */
import type { TokenRecord } from './store/store.ts'
import type { NewToken, Tokens } from './tokens.ts'

/** The cookie's name over plain HTTP. */
export const sessionCookie = 'hakuriver_session'
/** Over TLS: a browser takes it from that host alone, and sends it over TLS alone (RFC 6265bis, section 4.1.3.2). */
export const secureSessionCookie = `__Host-${sessionCookie}`

const lifeMs = 30 * 24 * 3_600_000
/** So many browsers of a user at a time: a further one takes the place of the oldest. */
export const maxSessions = 50
/** Cookies of that name that are looked at: another program on this machine may have set one too. */
const maxCookies = 5

/** Whom a browser is logged in as. */
export type Login = Pick<TokenRecord, 'user' | 'role' | 'boundMs'>

/** The token of a browser that logs in now. */
export function sessionFor({ user, role, boundMs }: Login, nowMs: number): NewToken {
  const expiresAtMs = Math.min(nowMs + lifeMs, boundMs ?? Number.POSITIVE_INFINITY)
  return { kind: 'browser', user, role, label: 'browser', expiresAtMs, boundMs }
}

/** Logs out those of a user that are too many. */
export async function boundSessions(tokens: Tokens, user: string | null): Promise<void> {
  const live = tokens.liveOf(user, 'browser')
  if (live.length > maxSessions) await tokens.revoke(live.slice(0, live.length - maxSessions))
}

/**
 * Who a Cookie header (RFC 6265, section 4.2) says that it is; null: nobody who is logged in. `isSecure`: the host
 * speaks TLS.
 */
export function sessionOf(
  tokens: Tokens,
  cookies: string | undefined,
  isSecure: boolean,
): TokenRecord | null {
  for (const value of valuesIn(cookies, cookieName(isSecure))) {
    const token = tokens.find(value)
    if (token?.kind === 'browser' && tokens.stateOf(token) === 'good') return token
  }
  return null
}

/** The `Set-Cookie` of a login; null: of a logout. No script sees it, and no other site can have it sent. */
export function setCookieOf(session: { value: string; ageMs: number } | null, isSecure: boolean): string {
  const age = session === null ? 0 : Math.floor(session.ageMs / 1000)
  const secure = isSecure ? '; Secure' : ''
  return `${cookieName(isSecure)}=${session?.value ?? ''}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`
}

function cookieName(isSecure: boolean): string {
  return isSecure ? secureSessionCookie : sessionCookie
}

function valuesIn(cookies: string | undefined, name: string): string[] {
  const pattern = new RegExp(`(?:^|;\\s*)${name}=([A-Za-z0-9_-]{43})(?=;|$)`, 'g')
  return [...(cookies ?? '').matchAll(pattern)].slice(0, maxCookies).flatMap(([, value]) => value ?? [])
}
