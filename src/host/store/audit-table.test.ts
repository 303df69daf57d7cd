import { describe, expect, it } from 'vitest'
import { type AuditEntry, verifyChain } from '../../core/audit.ts'
import { sha256 } from './audit-table.ts'
import { inMemory, openDatabase } from './open.ts'
import { SqliteStore } from './sqlite.ts'
import type { Changes } from './store.ts'

const none: Changes = { batches: [], newTasks: [], changedTasks: [], nodes: [], events: [] }

function entry(given: Partial<AuditEntry> = {}): AuditEntry {
  return {
    atMs: 1_000,
    who: 'ann',
    role: 'submitter',
    token: '1',
    via: 'token',
    address: '::1',
    action: 'killTask',
    target: ['12'],
    details: { killed: 1 },
    result: 'ok',
    ...given,
  }
}

describe('rows of the log', () => {
  it('come back as they were chained, whatever is in them', async () => {
    const store = new SqliteStore(inMemory)
    const odd = ['\0', 'a\0b', '\ud800', 'ä€😀', "'", '"', '\n', '', 'x'.repeat(5_000)]
    await store.commit({
      ...none,
      audit: odd.map((text) => entry({ who: text, target: [text], details: { text } })),
    })
    await store.commit({ ...none, audit: [entry({ who: null, role: null, token: null, address: null })] })
    const rows = await store.auditAfter(0, 100)
    expect(rows).toHaveLength(odd.length + 1)
    expect(verifyChain(rows, sha256)).toBeNull()
    expect(await store.auditHead()).toEqual({ seq: rows.length, hash: rows.at(-1)?.hash })
    await store.close()
  })

  it('that could not be committed are none: the next ones follow on what is saved', async () => {
    const database = openDatabase(inMemory)
    const { raw } = database
    const exec = raw.exec.bind(raw)
    const store = new SqliteStore(database)
    await store.commit({ ...none, audit: [entry()] })
    raw.exec = (sql) => {
      if (sql === 'commit') throw new Error('the disk is gone')
      exec(sql)
    }
    await expect(store.commit({ ...none, audit: [entry()] })).rejects.toThrow('the disk is gone')
    raw.exec = exec
    await store.commit({ ...none, audit: [entry()] })
    const rows = await store.auditAfter(0, 100)
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2])
    expect(verifyChain(rows, sha256)).toBeNull()
    await store.close()
  })

  it('that were rolled back leave no gap, and the next ones follow on what is saved', async () => {
    const store = new SqliteStore(inMemory)
    await store.commit({ ...none, audit: [entry()] })
    const batch = { id: 7, owner: 'ann', name: null, submissionId: null, submittedAtMs: 1, answer: '{}' }
    await store.commit({ ...none, batches: [batch], audit: [entry()] })
    // the first of them is there already
    const sealed = [0, 0].map((set) => ({ set, data: new Uint8Array(1) }))
    const clash = { ...batch, id: 8, sealed }
    await expect(store.commit({ ...none, batches: [clash], audit: [entry()] })).rejects.toThrow()
    const late = { ...none, audit: [entry(), entry({ atMs: Number.NaN })] }
    await expect(store.commit(late)).rejects.toThrow()
    await store.commit({ ...none, audit: [entry(), entry()] })
    const rows = await store.auditAfter(0, 100)
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(verifyChain(rows, sha256)).toBeNull()
    await store.close()
  })

  it('are looked through a bounded number at a time, also where few match', async () => {
    const store = new SqliteStore(inMemory)
    const many = Array.from({ length: 45_000 }, (_, at) =>
      entry({ who: at === 10 ? 'bob' : 'ann', target: [String(at)] }),
    )
    await store.commit({ ...none, audit: many })
    const found: number[] = []
    let pages = 0
    for (let before: number | null = null; ; pages += 1) {
      const page = await store.auditPage({ who: 'bob' }, 100, before)
      found.push(...page.rows.map(({ seq }) => seq))
      before = page.next
      if (before === null) break
    }
    expect({ found, pages }).toEqual({ found: [11], pages: 2 })
    expect((await store.auditPage({ target: '44999' }, 5, null)).rows).toHaveLength(1)
    expect((await store.auditPage({ target: '4' }, 5, 30)).rows.map(({ seq }) => seq)).toEqual([5])
    await store.close()
  })
})
