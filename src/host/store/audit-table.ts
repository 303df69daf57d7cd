/** The log of who did what, as rows that the database itself lets nobody change or remove. */
import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  type AuditEntry,
  type AuditHead,
  type AuditRow,
  auditBeginning,
  chainAudit,
} from '../../core/audit.ts'
import type { AuditTableRow } from './tables.ts'

/** What a page of the log is about; left out: everything. */
export interface AuditFilter {
  who?: string | undefined
  action?: string | undefined
  /** An id or a name that it was about. */
  target?: string | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
}

/** A part of the log, newest first. */
export interface AuditPage {
  rows: AuditRow[]
  /** Rows before this one are still to be looked at; null: none are left. */
  next: number | null
}

/** Rows of one page that are looked at at most: a filter that matches little makes short pages, not long ones. */
const lookedPerPage = 20_000

export const sha256 = (text: string) => hash('sha256', text)

export class AuditTable {
  private readonly raw: DatabaseSync
  private readonly insert: StatementSync
  private readonly forward: StatementSync
  private saved: AuditHead

  constructor(raw: DatabaseSync) {
    this.raw = raw
    this.insert = raw.prepare(
      `insert into audit (seq, at_ms, who, role, token, via, address, action, target, details, result, prev_hash, hash)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.forward = raw.prepare('select * from audit where seq > ? order by seq limit ?')
    this.saved = headIn(raw)
  }

  /** The last row that is on disk. */
  get head(): AuditHead {
    return this.saved
  }

  /** Adds rows in the transaction that is open. @returns what to call when that is committed */
  append(entries: readonly AuditEntry[]): () => void {
    let head = this.saved
    for (const entry of entries) {
      const row = chainAudit(entry, head, sha256)
      const { seq, atMs, who, role, token, via, address, action, target, details, result } = row
      const before = Buffer.from(row.prevHash, 'hex')
      const own = Buffer.from(row.hash, 'hex')
      this.insert.run(
        ...[seq, atMs, who, role, token, via, address, action, target, details, result, before, own],
      )
      head = { seq, hash: row.hash }
    }
    return () => {
      this.saved = head
    }
  }

  /** From a row on, oldest first. */
  after(seq: number, limit: number): AuditRow[] {
    return this.forward.all(seq, limit).map((row) => rowOf(row as unknown as AuditTableRow)) // its own columns
  }

  /** Newest first. @param before only rows before this one; null: from the newest on */
  page(
    { who, action, target, sinceMs, untilMs }: AuditFilter,
    limit: number,
    before: number | null,
  ): AuditPage {
    const from = before ?? this.saved.seq + 1
    const least = Math.max(0, from - 1 - lookedPerPage)
    const conditions: [string, string | number | undefined][] = [
      ['who = ?', who],
      ['action = ?', action],
      // whole words of it: "1" is not in "12"
      [`instr(' ' || target || ' ', ' ' || ? || ' ') > 0`, target],
      ['at_ms >= ?', sinceMs],
      ['at_ms < ?', untilMs],
    ]
    const given = conditions.filter((each): each is [string, string | number] => each[1] !== undefined)
    const where = ['seq < ?', 'seq > ?', ...given.map(([sql]) => sql)].join(' and ')
    const rows = this.raw
      .prepare(`select * from audit where ${where} order by seq desc limit ?`)
      .all(from, least, ...given.map(([, value]) => value), limit)
      .map((row) => rowOf(row as unknown as AuditTableRow)) // its own columns
    const at = rows.length === limit ? (rows.at(-1)?.seq ?? 1) : least + 1
    return { rows, next: at > 1 ? at : null }
  }
}

/** The last row of a database. */
export function headIn(raw: DatabaseSync): AuditHead {
  const row = raw.prepare('select seq, hash from audit order by seq desc limit 1').get()
  if (row === undefined) return auditBeginning
  return { seq: Number(row.seq), hash: hexOf(row.hash) }
}

function rowOf(row: AuditTableRow): AuditRow {
  return {
    seq: row.seq,
    atMs: row.at_ms,
    who: row.who,
    role: row.role,
    token: row.token,
    via: row.via,
    address: row.address,
    action: row.action,
    target: row.target,
    details: row.details,
    result: row.result,
    prevHash: hexOf(row.prev_hash),
    hash: hexOf(row.hash),
  }
}

/** Also of what somebody wrote there by hand: it is no hash then. */
function hexOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}
