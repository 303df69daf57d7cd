/** Who calls, as the endpoints see it. */
import type { CertificateIdentity } from '../core/joining.ts'
import type { TokenKind } from './store/store.ts'

/** Roles come with users; for now whoever holds the admin token may do everything. */
export interface Caller {
  name: string
  /** What the token is for; `none`: no tokens are asked for; `node`: it has shown the certificate of one. */
  token: TokenKind | 'node' | 'none'
  /** The node whose certificate was shown. */
  node?: CertificateIdentity
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

export const admin: Caller = { name: 'admin', token: 'admin' }
