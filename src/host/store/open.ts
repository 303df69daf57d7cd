/** Opens the database: durable, in WAL mode, at the newest schema, and for one host at a time. */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type Kysely, Kysely as KyselyClass, SqliteDialect } from 'kysely'
import { AppError } from '../../core/errors.ts'
import { type Migration, migrations } from './migrations.ts'
import type { Database } from './tables.ts'

/** In place of a path: a database that is gone with the program (sqlite.org/inmemorydb.html). */
export const inMemory = ':memory:'

export interface OpenDatabase {
  db: Kysely<Database>
  /** For what runs many times in a transaction: prepared once. */
  raw: DatabaseSync
  close(): void
}

/**
 * `synchronous=FULL` in WAL mode: a committed transaction survives power loss (sqlite.org/pragma.html#pragma_synchronous).
 * @throws AppError `conflict` when the database is newer than this program
 */
export function openDatabase(path: string, steps: readonly Migration[] = migrations): OpenDatabase {
  const isFile = path !== inMemory
  if (isFile) mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const raw = new DatabaseSync(path)
  if (isFile) chmodSync(path, 0o600)
  raw.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000',
  )
  try {
    migrate(raw, steps)
  } catch (error) {
    raw.close()
    throw error
  }
  const db = new KyselyClass<Database>({ dialect: new SqliteDialect({ database: adapt(raw) }) })
  return { db, raw, close: () => raw.close() }
}

/** Brings the schema up to date, each step in a transaction whose first statement records it. */
export function migrate(raw: DatabaseSync, steps: readonly Migration[]): void {
  raw.exec('create table if not exists schema_versions (number integer primary key) strict')
  const made = new Set(
    raw
      .prepare('select number from schema_versions')
      .all()
      .map(({ number }) => Number(number)),
  )
  const newest = Math.max(0, ...made)
  const known = steps.at(-1)?.number ?? 0
  if (newest > known) {
    throw new AppError(
      'conflict',
      `the database has schema ${newest}, and this program knows only up to ${known}: start the newer hakuriver, or restore a backup`,
    )
  }
  // by what is missing, not by the newest: steps of several branches meet in any order
  for (const step of steps.filter(({ number }) => !made.has(number))) {
    raw.exec('begin immediate')
    try {
      raw.prepare('insert into schema_versions (number) values (?)').run(step.number)
      raw.exec(step.sql)
      raw.exec('commit')
    } catch (error) {
      raw.exec('rollback')
      throw error
    }
  }
}

/** node:sqlite with the few methods that the query layer asks of a database; statements are prepared once. */
function adapt(raw: DatabaseSync) {
  const statements = new Map<string, StatementSync>()
  return {
    prepare(sql: string) {
      let statement = statements.get(sql)
      if (statement === undefined) {
        statement = raw.prepare(sql)
        if (statements.size > 500) statements.clear()
        statements.set(sql, statement)
      }
      const prepared = statement
      return {
        reader: prepared.columns().length > 0,
        all: (parameters: readonly unknown[]) => prepared.all(...(parameters as never[])) as unknown[],
        run: (parameters: readonly unknown[]) => prepared.run(...(parameters as never[])),
        iterate: (parameters: readonly unknown[]) =>
          prepared.iterate(...(parameters as never[])) as IterableIterator<unknown>,
      }
    },
    close() {},
  }
}
