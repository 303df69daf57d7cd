/** `hakuriver host --restore FILE`: puts a backup in the place of the database of a host that is stopped. */
import { constants, existsSync, statSync } from 'node:fs'
import { chmod, copyFile, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError } from '../../core/errors.ts'
import { syncDirectory } from '../../platform/files.ts'
import { lockDirectory } from '../../platform/instance-lock.ts'
import { AuditTable } from './audit-table.ts'
import { damageOf } from './damage.ts'
import { type LargestIds, largestIds, raiseIds } from './ids.ts'
import { carryJoins, JoinRows } from './joins.ts'
import { migrations } from './migrations.ts'
import { openDatabase } from './open.ts'
import { identityIn, type KnownIdentity, keepEnds } from './restore-identity.ts'
import type { CredentialRecord } from './store.ts'

export interface Restored {
  tasks: number
  /** Where the database that was there has gone; null: there was none. */
  keptAside: string | null
  /** It holds secrets, which only the key file of the host that made it opens. */
  hasSecrets: boolean
}

/** What SQLite keeps beside a database in WAL mode (sqlite.org/wal.html). */
const besides = ['-wal', '-shm']

/**
 * Checks the backup, moves the database of now aside, and copies the backup to its place. Ids that the database of
 * now has given out are not given again.
 * @throws AppError `not_found`, `conflict` for a damaged or newer backup or a host that runs
 */
export async function restore(
  file: string,
  { stateDir, databaseFile }: { stateDir: string; databaseFile: string },
  nowMs: number,
): Promise<Restored> {
  if (!existsSync(file))
    throw new AppError('not_found', `there is no backup ${file}: name the file of a backup`)
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  await mkdir(dirname(databaseFile), { recursive: true, mode: 0o700 })
  if (existsSync(databaseFile) && isSame(file, databaseFile))
    throw new AppError('invalid_request', `${file} is the database itself: name the file of a backup`)
  const lock = await lockDirectory(stateDir, 'host')
  const copy = `${databaseFile}.restoring`
  try {
    for (const end of ['', ...besides]) await rm(copy + end, { force: true })
    await copyFile(file, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    await chmod(copy, 0o600)
    const tasks = checkBackup(copy, file)
    const given = existsSync(databaseFile) ? givenBy(databaseFile) : null
    // also brings an older backup up to date
    const { raw, close } = openDatabase(copy)
    if (given !== null) raiseIds(raw, given.ids)
    if (given !== null) keepEnds(raw, given.identity)
    carryJoins(raw, given?.credentials ?? [])
    doubtAll(raw, nowMs)
    tellRestore(raw, nowMs)
    const hasSecrets = raw.prepare('select 1 from secrets limit 1').get() !== undefined
    raw.exec('pragma wal_checkpoint(truncate)')
    close()
    await syncFile(copy)
    const keptAside = existsSync(databaseFile) ? await moveAside(databaseFile, nowMs) : null
    await rename(copy, databaseFile)
    await syncDirectory(dirname(databaseFile))
    return { tasks, keptAside, hasSecrets }
  } finally {
    for (const end of ['', ...besides]) await rm(copy + end, { force: true })
    await lock.release()
  }
}

/**
 * Nothing is run twice because it is not known that it ran since the backup: what waited is lost, and what was placed
 * is asked of its node, which has it or its record, or else has lost it. Nobody is logged in any more.
 */
function doubtAll(raw: DatabaseSync, nowMs: number): void {
  const reason = 'the host was restored from a backup: whether it has run since is not known'
  raw.exec('begin immediate')
  const { event } = largestIds(raw)
  raw
    .prepare(
      `insert into task_events (id, at_ms, task_id, batch_id, attempt, type, status, node, exit_code, reason)
       select ? + row_number() over (order by id), ?, id, batch_id, attempt, 'restored', 'lost', null, null, ?
       from tasks where status = 'pending'`,
    )
    .run(event, nowMs, reason)
  raw
    .prepare("update tasks set status = 'lost', ended_at_ms = ?, reason = ? where status = 'pending'")
    .run(nowMs, reason)
  raw
    .prepare(
      `update tasks set status = 'unreachable', since_ms = ?, started_at_ms = coalesce(started_at_ms, placed_at_ms)
       where status in ('assigning', 'running', 'unreachable')`,
    )
    .run(nowMs)
  raw.exec("update tasks set started_at_ms = coalesce(started_at_ms, placed_at_ms) where status = 'killing'")
  // who has logged out since would be logged in again
  raw.exec("delete from tokens where kind in ('browser', 'login')")
  raw.exec('commit')
}

/** The log of who did what goes on from the backup's, and says where. */
function tellRestore(raw: DatabaseSync, nowMs: number): void {
  raw.exec('begin immediate')
  new AuditTable(raw).append([
    {
      atMs: nowMs,
      who: null,
      role: null,
      token: null,
      via: 'shell',
      address: null,
      action: 'restore',
      target: [],
      details: {},
      result: 'ok',
    },
  ])
  raw.exec('commit')
}

/** @throws AppError where it is no backup of ours, damaged, or of a newer version */
function checkBackup(copy: string, file: string): number {
  let raw: DatabaseSync | null = null
  try {
    raw = new DatabaseSync(copy, { readOnly: true })
    const [verdict] = Object.values(raw.prepare('pragma integrity_check(1)').get() ?? {})
    if (verdict !== 'ok') throw new AppError('conflict', `the backup ${file} is damaged: ${String(verdict)}`)
    const { newest } = raw.prepare('select max(number) as newest from schema_versions').get() ?? {}
    const known = migrations.at(-1)?.number ?? 0
    if (Number(newest) > known)
      throw new AppError(
        'conflict',
        `the backup ${file} has schema ${Number(newest)}, and this program knows only up to ${known}: use the newer hakuriver`,
      )
    return Number(raw.prepare('select count(*) as count from tasks').get()?.count ?? 0)
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('conflict', `${file} is no backup of a host: ${String(error)}`, { cause: error })
  } finally {
    raw?.close()
  }
}

/** What must not be given again. */
interface Given {
  ids: LargestIds
  identity: KnownIdentity
  credentials: CredentialRecord[]
}

/** null: the database of now cannot be read; ids follow the clock then. */
function givenBy(path: string): Given | null {
  try {
    const { raw, close } = openDatabase(path)
    try {
      const credentials = new JoinRows(raw).credentials()
      return { ids: largestIds(raw), identity: identityIn(raw), credentials }
    } finally {
      close()
    }
  } catch (error) {
    if (error instanceof AppError || damageOf(error, path) !== null) return null
    throw error
  }
}

async function moveAside(path: string, nowMs: number): Promise<string> {
  const day = new Date(nowMs).toISOString().replace(/[:.]/g, '-')
  const aside = `${path}.before-restore-${day}`
  for (const end of ['', ...besides]) if (existsSync(path + end)) await rename(path + end, aside + end)
  return aside
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [statSync(a), statSync(b)]
  return one.dev === other.dev && one.ino === other.ino
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
