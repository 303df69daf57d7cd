import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import type { Task } from '../../core/task.ts'
import { migrations } from './migrations.ts'
import { migrate, openDatabase } from './open.ts'
import { restore } from './restore.ts'
import { SqliteStore } from './sqlite.ts'
import { none, planOf } from './store.suite.ts'
import type { TokenRecord, UserRecord } from './store.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-store-'))
  path = join(dir, 'cluster.db')
})
afterEach(() => rmSync(dir, { recursive: true }))

const batch = (id: number) => ({
  id,
  submissionId: `submission-${id}`,
  name: null,
  owner: 'admin',
  submittedAtMs: 1,
  answer: '{}',
})
const base = {
  batchId: 1,
  owner: 'admin',
  spec: spec({ arguments: ['a', 'b'], memoryBytes: 5 }),
  submittedAtMs: 1,
}
const pending = (id: number): Task => ({
  ...base,
  id,
  target: { kind: 'any' },
  attempt: 0,
  status: 'pending',
})
const placed = {
  placement: { node: 'n1', numaId: 1 },
  dispatchedTo: { runnerId: 'r', bootId: 'b' },
  placedAtMs: 2,
  target: { kind: 'numa', node: 'n1', numaId: 1 },
  attempt: 1,
} as const
const end = {
  startedAtMs: 3,
  endedAtMs: 5,
  exitCode: 1,
  signal: null,
  reason: 'why',
  cpuTimeMs: 7,
  peakMemoryBytes: 9,
}

describe('the store', () => {
  it('gives back every kind of task as it was', async () => {
    const store = new SqliteStore(path)
    const tasks: Task[] = [
      pending(2),
      { ...base, ...placed, id: 3, status: 'assigning' },
      { ...base, ...placed, id: 4, status: 'running', startedAtMs: 3 },
      { ...base, ...placed, id: 5, status: 'unreachable', startedAtMs: null, sinceMs: 4 },
      {
        ...base,
        ...placed,
        id: 6,
        status: 'killing',
        startedAtMs: 3,
        killRequestedAtMs: 4,
        killReason: 'asked',
      },
      { ...base, ...placed, ...end, id: 7, status: 'failed' },
      { ...pending(8), rerunOf: 7, ...end, startedAtMs: null, status: 'killed', placement: null },
    ]
    await store.commit({ ...none, batches: [batch(1)], newTasks: tasks })
    for (const task of tasks) expect(await store.task(task.id)).toEqual(task)
    expect((await store.unfinishedTasks()).map(({ id }) => id)).toEqual([2, 3, 4, 5, 6])
    expect(await store.lastIds()).toEqual({ task: 8, event: 0 })
    await store.close()
    const again = new SqliteStore(path)
    for (const task of tasks) expect(await again.task(task.id)).toEqual(task)
    expect(await again.tasksById([8, 99, 2])).toEqual([tasks[6], null, tasks[0]])
    expect(await again.statusesOf([7, 99])).toEqual(new Map([[7, 'failed']]))
    await again.close()
  })

  it('commits all or nothing', async () => {
    const store = new SqliteStore(path)
    await store.commit({ ...none, batches: [batch(1)], newTasks: [pending(2)] })
    const clash = { ...none, batches: [batch(3)], newTasks: [pending(4), pending(2)] }
    await expect(store.commit(clash)).rejects.toThrow()
    expect(await store.task(4)).toBeNull()
    expect(await store.batch(3)).toBeNull()
    await store.commit({ ...none, batches: [batch(3)], newTasks: [pending(4)] })
    await store.close()
  })

  it('uses an index for every list', () => {
    const { raw, close } = openDatabase(path)
    const plans = [
      'select * from tasks where id < 5 order by id desc limit 3',
      'select * from batches where id < 5 order by id desc limit 3',
      'select * from task_events where task_id = 1 order by id limit 3',
      'select * from task_events where id > 5 order by id limit 3',
      "select * from node_events where node = 'n1' order by id desc limit 3",
    ]
    for (const query of plans) {
      expect(planOf(raw, query).join('; '), query).toMatch(
        /^SEARCH .* USING (INDEX|INTEGER PRIMARY KEY)[^;]*$/,
      )
    }
    close()
  })

  it('row 22: refuses a database of a newer program, and leaves it as it is', () => {
    openDatabase(path).close()
    const newer = new DatabaseSync(path)
    newer.exec('insert into schema_versions values (99)')
    newer.close()
    expect(() => openDatabase(path)).toThrow(/schema 99.*start the newer hakuriver/)
  })

  it('row 22: migrates step by step, and undoes a step that fails', () => {
    const first = { number: 1, sql: 'create table a (x integer) strict' }
    openDatabase(path, [first]).close()
    const broken = { number: 2, sql: 'create table b (x integer) strict; create table a (y integer) strict' }
    expect(() => openDatabase(path, [first, broken])).toThrow()
    const { raw, close } = openDatabase(path, [
      first,
      { number: 2, sql: 'create table b (x integer) strict' },
    ])
    expect(raw.prepare('select max(number) as n from schema_versions').get()).toEqual({ n: 2 })
    close()
  })

  it('takes a step that is missing below the newest: branches meet in any order', () => {
    const raw = new DatabaseSync(':memory:')
    const [one, two, three] = [1, 2, 3].map((number) => ({
      number,
      sql: `create table t${number} (id integer)`,
    }))
    if (one === undefined || two === undefined || three === undefined) throw new Error('three were made')
    migrate(raw, [one, three])
    migrate(raw, [one, two, three])
    migrate(raw, [one, two, three])
    const tables = raw.prepare("select name from sqlite_schema where name like 't%' order by name").all()
    expect(tables.map(({ name }) => name)).toEqual(['t1', 't2', 't3'])
    raw.close()
  })

  it('is durable and private', () => {
    const { raw, close } = openDatabase(path)
    expect(raw.prepare('pragma synchronous').get()).toEqual({ synchronous: 2 })
    expect(raw.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    close()
  })

  it.runIf(process.getuid?.() === 0)(
    'row 10: says so when the disk is full, keeps what it had, and goes on later',
    async () => {
      const small = join(dir, 'small')
      execFileSync('mkdir', [small])
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', small])
      try {
        const store = new SqliteStore(join(small, 'cluster.db'))
        await store.commit({ ...none, batches: [batch(1)], newTasks: [pending(2)] })
        execFileSync('sh', ['-c', `head -c 1000000 /dev/zero > ${small}/filler || true`], { stdio: 'ignore' })
        const many = Array.from({ length: 2000 }, (_, i) => pending(10 + i))
        await expect(store.commit({ ...none, newTasks: many })).rejects.toMatchObject({ code: 'store_full' })
        expect(await store.task(2)).toEqual(pending(2))
        expect(await store.task(10)).toBeNull()
        rmSync(join(small, 'filler'))
        await store.commit({ ...none, newTasks: [pending(10)] })
        expect(await store.task(10)).toEqual(pending(10))
        await store.close()
      } finally {
        execFileSync('umount', [small])
      }
    },
  )
})

describe('users and tokens', () => {
  const token = (id: number, given: Partial<TokenRecord> = {}): TokenRecord => ({
    id,
    hash: `hash ${id}`,
    kind: 'api',
    user: 'ann',
    role: 'submitter',
    label: 'laptop',
    createdAtMs: id,
    expiresAtMs: null,
    boundMs: null,
    madeBy: null,
    lastUsedAtMs: null,
    lastUsedFrom: null,
    revokedAtMs: null,
    ...given,
  })
  const ann: UserRecord = { name: 'ann', role: 'operator', isDisabled: false, createdAtMs: 7 }

  it('are there as they were saved last, until they are taken out', async () => {
    const store = new SqliteStore(path)
    const used = token(2, { expiresAtMs: 9, boundMs: 8, madeBy: 'bob', lastUsedAtMs: 5, lastUsedFrom: '::1' })
    await store.saveIdentity({ users: [ann], tokens: [token(3), used, token(1, { kind: 'browser' })] })
    await store.saveIdentity({
      users: [{ ...ann, isDisabled: true }],
      tokens: [token(3, { revokedAtMs: 4 })],
      removedTokens: [1, 99],
    })
    await store.close()
    const again = new SqliteStore(path)
    expect(await again.users()).toEqual([{ ...ann, isDisabled: true }])
    expect(await again.tokens()).toEqual([used, token(3, { revokedAtMs: 4 })])
    await again.close()
  })

  it('are saved together or not at all', async () => {
    const store = new SqliteStore(path)
    const twice = [token(1), token(2, { user: null, role: 'viewer', label: null as never })]
    await expect(store.saveIdentity({ users: [ann], tokens: twice })).rejects.toThrow(/label/)
    expect([await store.users(), await store.tokens()]).toEqual([[], []])
    await store.close()
  })

  it('come from before there were any: who had the admin token or was logged in is admin', async () => {
    const before = openDatabase(
      path,
      migrations.filter(({ number }) => number < 9),
    )
    before.raw.exec(`
      insert into tokens (hash, kind, created_at_ms) values ('a', 'admin', 10), ('j', 'join', 11);
      insert into sessions (hash, created_at_ms, expires_at_ms) values ('s', 12, 99);
    `)
    before.close()
    const store = new SqliteStore(path)
    expect(await store.users()).toEqual([
      { name: 'admin', role: 'admin', isDisabled: false, createdAtMs: 10 },
    ])
    const admin = { user: 'admin', role: 'admin' } as const
    expect(await store.tokens()).toEqual([
      token(1, { ...admin, hash: 'a', label: 'admin-token', createdAtMs: 10 }),
      token(2, { hash: 'j', kind: 'join', user: null, role: 'viewer', label: 'join-token', createdAtMs: 11 }),
      token(1001, {
        ...admin,
        hash: 's',
        kind: 'browser',
        label: 'browser',
        createdAtMs: 12,
        expiresAtMs: 99,
      }),
    ])
    await store.close()
  })

  it('do not come back with a backup as browsers and invitations: who has logged out since stays out', async () => {
    const store = new SqliteStore(path)
    await store.saveIdentity({
      tokens: [token(1), token(2, { kind: 'browser' }), token(3, { kind: 'login' })],
    })
    const copy = join(dir, 'copy.db')
    await store.backup(copy)
    await store.close()
    await restore(copy, { stateDir: dir, databaseFile: path }, 5)
    const again = new SqliteStore(path)
    expect(await again.tokens()).toEqual([token(1)])
    await again.close()
  })

  it('are after a restore no stronger than they were before it', async () => {
    const store = new SqliteStore(path)
    const bob: UserRecord = { ...ann, name: 'bob' }
    await store.saveIdentity({ users: [ann, bob], tokens: [token(1), token(2), token(3)] })
    const copy = join(dir, 'copy.db')
    await store.backup(copy)
    // revoked, forgotten after it was, and made since
    await store.saveIdentity({
      users: [
        { ...ann, role: 'viewer' },
        { ...bob, isDisabled: true },
      ],
      tokens: [token(2, { revokedAtMs: 9 }), token(4)],
      removedTokens: [3],
    })
    await store.close()
    await restore(copy, { stateDir: dir, databaseFile: path }, 5)
    const again = new SqliteStore(path)
    expect(await again.users()).toEqual([
      { ...ann, role: 'viewer' },
      { ...bob, isDisabled: true },
    ])
    expect(await again.tokens()).toEqual([token(1), token(2, { revokedAtMs: 9 })])
    await again.close()
  })

  it('are those of the backup where it comes to another machine', async () => {
    const store = new SqliteStore(path)
    await store.saveIdentity({ users: [ann], tokens: [token(1)] })
    const copy = join(dir, 'copy.db')
    await store.backup(copy)
    await store.close()
    rmSync(path)
    const other = new SqliteStore(path)
    await other.saveIdentity({ users: [{ ...ann, role: 'viewer' }], tokens: [token(1, { hash: 'another' })] })
    await other.close()
    await restore(copy, { stateDir: dir, databaseFile: path }, 5)
    const again = new SqliteStore(path)
    expect([await again.users(), await again.tokens()]).toEqual([[ann], [token(1)]])
    await again.close()
  })

  it('says that secrets need their key, and goes on with the log of who did what', async () => {
    const store = new SqliteStore(path)
    const sealed = [{ set: 0, data: new Uint8Array([1]) }]
    const own = {
      id: 7,
      owner: 'ann',
      name: null,
      submissionId: null,
      submittedAtMs: 1,
      answer: '{}',
      sealed,
    }
    const nothing = { newTasks: [], changedTasks: [], nodes: [], events: [] }
    await store.commit({ ...nothing, batches: [own] })
    const copy = join(dir, 'copy.db')
    await store.backup(copy)
    await store.close()
    expect(await restore(copy, { stateDir: dir, databaseFile: path }, 5)).toMatchObject({ hasSecrets: true })
    const again = new SqliteStore(path)
    expect(await again.sealedSet(7, 0)).toEqual(new Uint8Array([1]))
    expect(await again.auditAfter(0, 9)).toMatchObject([{ seq: 1, atMs: 5, action: 'restore', via: 'shell' }])
    await again.close()
  })
})
