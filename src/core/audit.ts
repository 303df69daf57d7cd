/**
 * The log of who did what: rows that are only ever added, each with a hash over itself and the hash before it. Whoever
 * changes, removes or moves one breaks the chain there; whoever takes away the last ones is found by a hash that was
 * kept elsewhere. Pure: the hash function is an argument.
 */

/** What is written of one call. */
export interface AuditEntry {
  atMs: number
  /** The user; null: nobody that was known. */
  who: string | null
  role: string | null
  /** Id of the token or login by which he came; null: by none. */
  token: string | null
  via: string
  /** The address from which the call came; null: from this machine's own shell. */
  address: string | null
  /** Name of the endpoint. */
  action: string
  /** Ids and names of what it was about. */
  target: readonly string[]
  /** A few figures and names; never a value that a body brought. */
  details: Readonly<Record<string, string | number | boolean | null>>
  /** `ok`, or the code of the error. */
  result: string
}

/** Where a chain has come to. */
export interface AuditHead {
  seq: number
  hash: string
}

/** A row as it lies in the database and in an export: texts are as they were hashed. */
export interface AuditRow extends Omit<AuditEntry, 'target' | 'details'> {
  seq: number
  /** Ids with a space between. */
  target: string
  /** JSON. */
  details: string
  prevHash: string
  hash: string
}

export type Sha256 = (text: string) => string

/** Before the first row. */
export const auditBeginning: AuditHead = { seq: 0, hash: '0'.repeat(64) }

/** Can it be the hash of a row? */
export function isAuditHash(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text)
}

/** Bounds of one row, in characters: so many of them make a row of known size, whatever a caller sends. */
export const auditTextChars = 200
export const auditTargetChars = 1_000
export const auditDetailsChars = 1_000

/** The next row of a chain. */
export function chainAudit(entry: AuditEntry, head: AuditHead, sha256: Sha256): AuditRow {
  const bare = {
    atMs: Math.trunc(entry.atMs),
    who: textOrNull(entry.who),
    role: textOrNull(entry.role),
    token: textOrNull(entry.token),
    via: bounded(entry.via, auditTextChars),
    address: textOrNull(entry.address),
    action: bounded(entry.action, auditTextChars),
    target: targetText(entry.target),
    details: detailsText(entry.details),
    result: bounded(entry.result, auditTextChars),
  }
  const row = { seq: head.seq + 1, ...bare, prevHash: head.hash }
  return { ...row, hash: hashOfRow(row, sha256) }
}

/** The one text that stands for a row: fields in a fixed order, behind the number of this layout. */
export function canonicalAudit(row: Omit<AuditRow, 'prevHash' | 'hash'>): string {
  const { seq, atMs, who, role, token, via, address, action, target, details, result } = row
  return JSON.stringify([1, seq, atMs, who, role, token, via, address, action, target, details, result])
}

export function hashOfRow(row: Omit<AuditRow, 'hash'>, sha256: Sha256): string {
  return sha256(`${row.prevHash}\n${canonicalAudit(row)}`)
}

/** What is wrong with a chain, and from which row on. */
export interface AuditBreak {
  seq: number
  why: string
}

/** Checks a chain row by row, so that one of any length can be looked at. */
export class AuditCheck {
  private readonly sha256: Sha256
  private readonly wanted: string | null
  private head = auditBeginning
  private found: AuditBreak | null = null
  private isWantedSeen: boolean

  /** @param keptHead a hash that was kept elsewhere: one of the rows has to have it; null: none was */
  constructor(sha256: Sha256, keptHead: string | null = null) {
    this.sha256 = sha256
    this.wanted = keptHead === null ? null : keptHead.toLowerCase()
    this.isWantedSeen = this.wanted === null || this.wanted === auditBeginning.hash
  }

  /** Takes the next row. Behind the first break nothing can be said any more. */
  take(row: AuditRow): void {
    if (this.found !== null) return
    const why = this.breakOf(row)
    if (why !== null) {
      this.found = { seq: row.seq, why }
      return
    }
    this.head = { seq: row.seq, hash: row.hash }
    if (row.hash === this.wanted) this.isWantedSeen = true
  }

  /** All rows were taken. */
  end(): { head: AuditHead; broken: AuditBreak | null } {
    const { head } = this
    const isCut = this.found === null && !this.isWantedSeen
    const why =
      'no row has the hash that was kept: rows at the end are gone, or the whole log was written anew'
    return { head, broken: isCut ? { seq: head.seq + 1, why } : this.found }
  }

  private breakOf(row: AuditRow): string | null {
    const { head } = this
    if (row.seq !== head.seq + 1)
      return row.seq > head.seq + 1
        ? `rows ${head.seq + 1} to ${row.seq - 1} before it are missing`
        : `it stands behind row ${head.seq}`
    if (row.prevHash !== head.hash) return 'it does not follow on the row before it'
    if (hashOfRow(row, this.sha256) !== row.hash) return 'it was changed: its hash is another one'
    return null
  }
}

/** The first row at which a chain is broken, and why; null: it is whole. */
export function verifyChain(
  rows: Iterable<AuditRow>,
  sha256: Sha256,
  keptHead: string | null = null,
): AuditBreak | null {
  const check = new AuditCheck(sha256, keptHead)
  for (const row of rows) check.take(row)
  return check.end().broken
}

function textOrNull(text: string | null): string | null {
  return text === null ? null : bounded(text, auditTextChars)
}

/** As many of the ids as there is room for, and how many there were. */
function targetText(ids: readonly string[]): string {
  const taken: string[] = []
  let length = 0
  for (const id of ids) {
    const text = bounded(id, auditTextChars)
    length += text.length + 1
    if (length > auditTargetChars - 20) return [...taken, `…(${ids.length})`].join(' ')
    taken.push(text)
  }
  return taken.join(' ')
}

function detailsText(details: AuditEntry['details']): string {
  const entries = Object.entries(details).map(([name, value]) => [
    name,
    typeof value === 'string' ? bounded(value, auditTextChars) : value,
  ])
  const text = JSON.stringify(Object.fromEntries(entries))
  return text.length <= auditDetailsChars ? text : '{"tooLarge":true}'
}

const plainText = /^[ -~]*$/

/** What a database gives back as it took it: no half of a surrogate pair, no control character. */
function bounded(text: string, most: number): string {
  if (text.length <= most && plainText.test(text)) return text
  const plain = text.toWellFormed().replace(/\p{Cc}/gu, '\u{fffd}')
  return plain.length <= most ? plain : `${plain.slice(0, most - 1).toWellFormed()}…`
}
