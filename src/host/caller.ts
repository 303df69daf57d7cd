/** Who calls, as the endpoints see it. */
import type { AuditEntry } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { CertificateIdentity } from '../core/joining.ts'
import { type Actor, firstUser, mayTouch } from '../core/roles.ts'
import type { HostCheck } from '../protocol/schemas.ts'
import type { TokenRecord } from './store/store.ts'

export interface Caller extends Actor {
  /** `open`: the host asks for no tokens. `node`: the certificate of one. `nobody`: what is asked for is public. */
  via: 'token' | 'session' | 'open' | 'node' | 'nobody'
  /** By which he came; null: by none. */
  token: TokenRecord | null
  /** The node whose certificate was shown. */
  node?: CertificateIdentity
  /** Aborts when the caller is gone, or may not do this any more. Left out: it waits for every answer. */
  signal?: AbortSignal
  /** The request, for who logs in or out. Left out: it is none of the native API. */
  visit?: Visit
  /** For who can put the row of this call into his own commit; left out: it is written behind the call. */
  audit?: AuditTicket
  /** This answer goes out although it ends what the caller came by. */
  stay?: () => void
}

/** The row of the log of who did what of one call that goes well. */
export interface AuditTicket {
  entryFor(answer: unknown): AuditEntry
  /** It is on disk. */
  written(): void
}

/** What a login needs of the request. */
export interface Visit {
  /** Where it comes from. */
  address: string
  /** By which scheme, name and port it reached this host. */
  origin: string
  cookies: string | undefined
  setCookie(text: string): void
}

/** Everybody, on a host that asks for no tokens. */
export const anybody: Caller = { name: firstUser, role: 'admin', via: 'open', token: null }

/** Whoever asks for what is public. */
export const nobody: Caller = { name: 'nobody', role: 'viewer', via: 'nobody', token: null }

/** Whose token it is that was shown. */
export function tokenKindOf({ via, token }: Pick<Caller, 'via' | 'token'>): HostCheck['token'] {
  if (via === 'open') return 'none'
  if (via === 'node') return 'node'
  return token?.kind === 'join' ? 'join' : 'user'
}

/** `what`: what cannot be done, as in "cannot kill task 12". @throws AppError `not_permitted` for the work of others */
export function refuseOthers(caller: Actor, owner: string, what: string): void {
  if (!mayTouch(caller, owner)) throw new AppError('not_permitted', othersWords(caller, owner, what))
}

/** Why not, in a sentence. */
export function othersWords({ name, role }: Actor, owner: string, what: string): string {
  const needs =
    name === owner
      ? `that needs the role submitter, and ${name} is ${role} here`
      : `it belongs to ${owner}, so that needs the role operator, and ${name} is ${role}`
  return `cannot ${what}: ${needs}`
}
