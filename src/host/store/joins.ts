/** Join tokens and the credentials of nodes, as rows. */
import type { DatabaseSync } from 'node:sqlite'
import { AppError } from '../../core/errors.ts'
import { asSaveError } from './full.ts'
import type { CredentialRecord, Joined, JoinTokenRecord } from './store.ts'
import type { JoinTokensTable, NodeCredentialsTable } from './tables.ts'

export class JoinRows {
  private readonly raw: DatabaseSync

  constructor(raw: DatabaseSync) {
    this.raw = raw
  }

  token(hash: string): JoinTokenRecord | null {
    const row = this.raw.prepare('select * from join_tokens where hash = ?').get(hash)
    return row === undefined ? null : tokenOf(row as unknown as JoinTokensTable) // as the schema has it
  }

  addTokens(tokens: readonly JoinTokenRecord[], forgetBeforeMs: number): void {
    this.transact(() => {
      this.raw.prepare('delete from join_tokens where expires_at_ms < ?').run(forgetBeforeMs)
      const add = this.raw.prepare(
        'insert into join_tokens (hash, node, created_at_ms, expires_at_ms, used_at_ms) values (?, ?, ?, ?, ?)',
      )
      for (const { hash, node, createdAtMs, expiresAtMs, usedAtMs } of tokens)
        add.run(hash, node, createdAtMs, expiresAtMs, usedAtMs)
    })
  }

  credentials(): CredentialRecord[] {
    const rows = this.raw.prepare('select * from node_credentials order by created_at_ms, node_id').all()
    return (rows as unknown as NodeCredentialsTable[]).map(credentialOf)
  }

  join({ tokenHash, atMs, credential, replaced }: Joined): void {
    this.transact(() => {
      const used = this.raw
        .prepare('update join_tokens set used_at_ms = ? where hash = ? and used_at_ms is null')
        .run(atMs, tokenHash)
      if (Number(used.changes) !== 1) throw new AppError('conflict', 'this invitation was used')
      const revoke = this.raw.prepare('update node_credentials set revoked_at_ms = ? where node_id = ?')
      for (const nodeId of replaced) revoke.run(atMs, nodeId)
      this.write(credential)
    })
  }

  save(credential: CredentialRecord): void {
    this.transact(() => this.write(credential))
  }

  private write(record: CredentialRecord): void {
    const { nodeId, node, runnerId, authority, createdAtMs, expiresAtMs, revokedAtMs } = record
    this.raw
      .prepare(
        `insert or replace into node_credentials
         (node_id, node, runner_id, authority, created_at_ms, expires_at_ms, revoked_at_ms)
         values (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(nodeId, node, runnerId, authority, createdAtMs, expiresAtMs, revokedAtMs)
  }

  private transact(work: () => void): void {
    try {
      this.raw.exec('begin immediate')
      try {
        work()
        this.raw.exec('commit')
      } catch (error) {
        if (this.raw.isTransaction) this.raw.exec('rollback')
        throw error
      }
    } catch (error) {
      throw asSaveError(error)
    }
  }
}

/**
 * What a restored database takes over of the one whose place it takes: who has joined and who was revoked since. An
 * invitation that it holds may have been used since.
 */
export function carryJoins(raw: DatabaseSync, credentials: readonly CredentialRecord[]): void {
  const rows = new JoinRows(raw)
  for (const credential of credentials) rows.save(credential)
  raw.exec('delete from join_tokens')
}

function tokenOf(row: JoinTokensTable): JoinTokenRecord {
  return {
    hash: row.hash,
    node: row.node,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    usedAtMs: row.used_at_ms,
  }
}

function credentialOf(row: NodeCredentialsTable): CredentialRecord {
  return {
    nodeId: row.node_id,
    node: row.node,
    runnerId: row.runner_id,
    authority: row.authority,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
  }
}
