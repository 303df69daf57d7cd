/** Browsers that are logged in: each by a random cookie, over restarts too. */
import type { TokenRecord } from './store/store.ts'
import type { NewToken, Tokens } from './tokens.ts'

/** The cookie's name. */
export const sessionCookie = 'hakuriver_session'

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

/** Who a Cookie header (RFC 6265, section 4.2) says that it is; null: nobody who is logged in. */
export function sessionOf(tokens: Tokens, cookies: string | undefined): TokenRecord | null {
  for (const value of valuesIn(cookies)) {
    const token = tokens.find(value)
    if (token?.kind === 'browser' && tokens.stateOf(token) === 'good') return token
  }
  return null
}

/**
 * The `Set-Cookie` of a login; null: of a logout. No script sees it, and no other site can have it sent. What came over
 * TLS goes over TLS alone.
 */
export function setCookieOf(session: { value: string; ageMs: number } | null, origin: string): string {
  const age = session === null ? 0 : Math.floor(session.ageMs / 1000)
  const secure = origin.startsWith('https:') ? '; Secure' : ''
  return `${sessionCookie}=${session?.value ?? ''}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`
}

function valuesIn(cookies: string | undefined): string[] {
  const pattern = new RegExp(`(?:^|;\\s*)${sessionCookie}=([A-Za-z0-9_-]{43})(?=;|$)`, 'g')
  return [...(cookies ?? '').matchAll(pattern)].slice(0, maxCookies).flatMap(([, value]) => value ?? [])
}
