/** Users and their tokens in the database. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Role, roles } from '../../core/roles.ts'
import type { IdentityChanges, TokenKind, TokenRecord, UserRecord } from './store.ts'
import type { TokensTable, UsersTable } from './tables.ts'

const kinds: readonly TokenKind[] = ['api', 'browser', 'login', 'join']

export class IdentityTables {
  private readonly raw: DatabaseSync
  private readonly putUser: StatementSync
  private readonly putToken: StatementSync
  private readonly removeToken: StatementSync

  constructor(raw: DatabaseSync) {
    this.raw = raw
    this.putUser = raw.prepare(
      'insert or replace into users (name, role, is_disabled, created_at_ms) values (?, ?, ?, ?)',
    )
    this.putToken = raw.prepare(
      `insert or replace into tokens (id, hash, kind, user, role, label, created_at_ms, expires_at_ms, bound_ms,
         made_by, last_used_at_ms, last_used_from, revoked_at_ms)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.removeToken = raw.prepare('delete from tokens where id = ?')
  }

  users(): UserRecord[] {
    const rows = this.raw.prepare('select * from users order by name').all() as unknown as UsersTable[]
    return rows.map((row) => ({
      name: row.name,
      role: roleOf(row.role, `user ${row.name}`),
      isDisabled: row.is_disabled !== 0,
      createdAtMs: row.created_at_ms,
    }))
  }

  tokens(): TokenRecord[] {
    const rows = this.raw.prepare('select * from tokens order by id').all() as unknown as TokensTable[]
    return rows.map((row) => ({
      id: row.id,
      hash: row.hash,
      kind: kindOf(row),
      user: row.user,
      role: roleOf(row.role, `token ${row.id}`),
      label: row.label,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms,
      boundMs: row.bound_ms,
      madeBy: row.made_by,
      lastUsedAtMs: row.last_used_at_ms,
      lastUsedFrom: row.last_used_from,
      revokedAtMs: row.revoked_at_ms,
    }))
  }

  /** In the transaction that the caller has begun. */
  write({ users = [], tokens = [], removedTokens = [] }: IdentityChanges): void {
    for (const { name, role, isDisabled, createdAtMs } of users)
      this.putUser.run(name, role, isDisabled ? 1 : 0, createdAtMs)
    for (const id of removedTokens) this.removeToken.run(id)
    for (const token of tokens)
      this.putToken.run(
        token.id,
        token.hash,
        token.kind,
        token.user,
        token.role,
        token.label,
        token.createdAtMs,
        token.expiresAtMs,
        token.boundMs,
        token.madeBy,
        token.lastUsedAtMs,
        token.lastUsedFrom,
        token.revokedAtMs,
      )
  }
}

function kindOf({ id, kind }: TokensTable): TokenKind {
  const known = kinds.find((each) => each === kind)
  if (known === undefined) throw new Error(`token ${id} has the unknown kind "${kind}" in the database`)
  return known
}

function roleOf(text: string, whose: string): Role {
  const known = roles.find((each) => each === text)
  if (known === undefined) throw new Error(`${whose} has the unknown role "${text}" in the database`)
  return known
}
