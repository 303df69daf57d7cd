import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AuditCheck,
  type AuditEntry,
  type AuditRow,
  auditBeginning,
  auditDetailsChars,
  auditTargetChars,
  canonicalAudit,
  chainAudit,
  hashOfRow,
  verifyChain,
} from './audit.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 8 }))
const entries: fc.Arbitrary<AuditEntry> = fc.record({
  atMs: fc.integer({ min: -1, max: 8.64e15 }),
  who: fc.option(text),
  role: fc.option(fc.constantFrom('admin', 'viewer')),
  token: fc.option(text),
  via: fc.constantFrom('token', 'session', 'none'),
  address: fc.option(text),
  action: text,
  target: fc.array(text, { maxLength: 30 }),
  details: fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null))),
  result: fc.constantFrom('ok', 'conflict'),
})

function chainOf(given: readonly AuditEntry[]): AuditRow[] {
  let head = auditBeginning
  return given.map((entry) => {
    const row = chainAudit(entry, head, sha256)
    head = row
    return row
  })
}

const chains = fc.array(entries, { minLength: 1, maxLength: 12 }).map(chainOf)
/** A chain and a place in it. */
const places = chains.chain((rows) => fc.tuple(fc.constant(rows), fc.nat({ max: rows.length - 1 })))
const fields = [
  'atMs',
  'who',
  'role',
  'token',
  'via',
  'address',
  'action',
  'target',
  'details',
  'result',
] as const

function without(rows: readonly AuditRow[], at: number, count = 1): AuditRow[] {
  return rows.toSpliced(at, count)
}

describe('a chain of rows', () => {
  it('is whole as it is written, and as a database or JSON gives it back', () => {
    fc.assert(
      fc.property(chains, (rows) => {
        const back = rows.map((row) => JSON.parse(Buffer.from(JSON.stringify(row)).toString()) as AuditRow)
        expect(verifyChain(rows, sha256)).toBeNull()
        expect(verifyChain(back, sha256)).toBeNull()
        expect(new Set(rows.map((row) => canonicalAudit(row))).size).toBe(rows.length)
      }),
    )
  })

  it('is broken at a row of which any field was changed, also with its hash made anew', () => {
    fc.assert(
      fc.property(places, fc.constantFrom(...fields), text, (place, field, value) => {
        const [rows, at] = place
        const row = rows[at]
        if (row === undefined) return
        const changed = { ...row, [field]: field === 'atMs' ? row.atMs + 1 : value }
        fc.pre(changed[field] !== row[field])
        expect(verifyChain(rows.with(at, changed), sha256)).toMatchObject({ seq: row.seq })
        const forged = { ...changed, hash: hashOfRow(changed, sha256) }
        const next = rows[at + 1]
        // where it is the last one, only a hash that was kept elsewhere tells
        if (next !== undefined)
          expect(verifyChain(rows.with(at, forged), sha256)).toEqual({
            seq: next.seq,
            why: 'it does not follow on the row before it',
          })
        expect(verifyChain(rows.with(at, forged), sha256, rows.at(-1)?.hash)).not.toBeNull()
      }),
    )
  })

  it('is broken where rows are missing, doubled, put in or swapped', () => {
    fc.assert(
      fc.property(places, entries, fc.nat(), (place, entry, other) => {
        const [rows, at] = place
        const row = rows[at]
        if (row === undefined) return
        const isLast = at === rows.length - 1
        if (!isLast) {
          expect(verifyChain(without(rows, at), sha256)?.seq).toBe(row.seq + 1)
          expect(verifyChain(without(rows, at, 1 + (other % (rows.length - 1 - at))), sha256)).not.toBeNull()
        }
        expect(verifyChain(rows.toSpliced(at, 0, row), sha256)).not.toBeNull()
        const put = chainAudit(entry, { seq: row.seq - 1, hash: row.prevHash }, sha256)
        if (put.hash !== row.hash) expect(verifyChain(rows.toSpliced(at, 0, put), sha256)).not.toBeNull()
        const swapped = rows.with(at, rows[other % rows.length] ?? row).with(other % rows.length, row)
        if (other % rows.length !== at) expect(verifyChain(swapped, sha256)).not.toBeNull()
      }),
    )
  })

  it('of which the end is missing is found by a hash that was kept, and by that alone', () => {
    fc.assert(
      fc.property(places, ([rows, at]) => {
        const cut = rows.slice(0, at)
        expect(verifyChain(cut, sha256)).toBeNull()
        expect(verifyChain(cut, sha256, rows.at(-1)?.hash)).toMatchObject({ seq: at + 1 })
        // one that was kept earlier is a row of the middle now
        expect(verifyChain(rows, sha256, rows[at]?.hash.toUpperCase())).toBeNull()
      }),
    )
  })

  it('that was written anew as a whole is found by a hash that was kept', () => {
    const rows = chainOf([entry({ who: 'mallory' }), entry({})])
    const anew = chainOf([entry({ who: 'alice' }), entry({}), entry({})])
    expect(verifyChain(anew, sha256)).toBeNull()
    expect(verifyChain(anew, sha256, rows[1]?.hash)?.why).toContain('the whole log was written anew')
  })

  it('tells where it has come to', () => {
    const check = new AuditCheck(sha256)
    const rows = chainOf([entry({}), entry({})])
    for (const row of rows) check.take(row)
    expect(check.end()).toEqual({ head: { seq: 2, hash: rows[1]?.hash }, broken: null })
    expect(new AuditCheck(sha256).end()).toEqual({ head: auditBeginning, broken: null })
  })
})

describe('a row', () => {
  it('has a bound, whatever a caller sends', () => {
    const row = chainAudit(
      entry({
        who: 'x'.repeat(10_000),
        target: Array.from({ length: 10_000 }, (_, at) => String(10 ** 15 + at)),
        details: Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`k${at}`, 'x'.repeat(1_000)])),
      }),
      auditBeginning,
      sha256,
    )
    expect(row.who).toHaveLength(200)
    expect(row.target.length).toBeLessThanOrEqual(auditTargetChars)
    expect(row.target).toMatch(/ …\(10000\)$/)
    expect(row.details.length).toBeLessThanOrEqual(auditDetailsChars)
  })
})

function entry(given: Partial<AuditEntry>): AuditEntry {
  return {
    atMs: 1_000,
    who: 'admin',
    role: 'admin',
    token: '1',
    via: 'token',
    address: '127.0.0.1',
    action: 'killTask',
    target: ['12'],
    details: {},
    result: 'ok',
    ...given,
  }
}
