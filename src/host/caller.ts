/** Who calls, as the endpoints see it. */
import { type Actor, firstUser } from '../core/roles.ts'
import type { TokenKind } from './store/store.ts'

export interface Caller extends Actor {
  /** What the token is for; `none`: no tokens are asked for. */
  token: TokenKind | 'none'
  /** Aborts when the caller is gone. Left out: it waits for every answer. */
  signal?: AbortSignal
  /** The request, for who logs in or out. Left out: it is none of the native API. */
  visit?: Visit
}

/** What a login needs of the request. */
export interface Visit {
  /** Where it comes from. */
  address: string
  /** The name by which it reached this host, with the port. */
  host: string
  cookies: string | undefined
  setCookie(text: string): void
}

export const admin: Caller = { name: firstUser, role: 'admin', token: 'admin' }
