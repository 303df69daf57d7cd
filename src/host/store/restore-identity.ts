/** Users and tokens of a backup: what was taken from them since is not given back. */
import type { DatabaseSync } from 'node:sqlite'
import { weakerRole } from '../../core/roles.ts'
import { IdentityTables } from './identity.ts'
import type { TokenRecord, UserRecord } from './store.ts'

/** Users and tokens of the database whose place the backup takes. */
export interface KnownIdentity {
  users: readonly UserRecord[]
  tokens: readonly TokenRecord[]
}

export function identityIn(raw: DatabaseSync): KnownIdentity {
  const tables = new IdentityTables(raw)
  return { users: tables.users(), tokens: tables.tokens() }
}

/**
 * Tokens that were revoked since stay so, and users have the weaker of their two roles. A token that the database of
 * now does not know any more has ended long ago, where it is a database of the same host at all.
 */
export function keepEnds(raw: DatabaseSync, now: KnownIdentity): void {
  const tables = new IdentityTables(raw)
  const tokensNow = new Map(now.tokens.map((token) => [token.hash, token]))
  const usersNow = new Map(now.users.map((user) => [user.name, user]))
  const tokens = tables.tokens()
  const isSameHost = tokens.some(({ hash }) => tokensNow.has(hash))
  if (!isSameHost) return
  const removed = tokens.filter(({ hash }) => !tokensNow.has(hash))
  const kept = tokens.flatMap((token) => tokensNow.get(token.hash) ?? [])
  const users = tables.users().map((user) => {
    const other = usersNow.get(user.name)
    if (other === undefined) return user
    const isDisabled = user.isDisabled || other.isDisabled
    return { ...user, role: weakerRole(user.role, other.role), isDisabled }
  })
  raw.exec('begin immediate')
  tables.write({ users, removedTokens: removed.map(({ id }) => id), tokens: kept })
  raw.exec('commit')
}
