/**
 * The file of histories, `history.db` beside the database: load of nodes, and what tasks used. It is only history: no
 * write of it is awaited, and where the file cannot be used it is set aside or done without, and work goes on.
 */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { AppError } from '../../core/errors.ts'
import { blockBytes, type Level, newBlock } from '../../core/load-history.ts'
import type { Log } from '../../platform/log.ts'
import type { Migration } from './migrations.ts'
import { inMemory, migrate } from './open.ts'

const steps: readonly Migration[] = [
  {
    number: 1,
    // by time and then by node: what is written together lies together, and what is old goes in one piece
    sql: `
      create table load (
        level integer not null,
        block integer not null,
        node text not null,
        steps blob not null,
        primary key (level, block, node)
      ) strict, without rowid;
      create table task_usage (
        number integer primary key autoincrement,
        task_id integer not null unique,
        series blob not null
      ) strict;
    `,
  },
]

const besides = ['', '-wal', '-shm']

interface Open {
  raw: DatabaseSync
  readLoad: StatementSync
  readPage: StatementSync
  writeLoad: StatementSync
  readUsage: StatementSync
  writeUsage: StatementSync
}

export class HistoryFile {
  private readonly path: string
  private readonly log: Log
  /** null: it is done without. */
  private open: Open | null
  private isFailing = false

  constructor(path: string, log: Log) {
    this.path = path
    this.log = log
    this.open = this.openOrReplace()
  }

  /** Does `work`, whose writes become one transaction. Where one of them fails, those before it are lost too. */
  together(work: () => void): void {
    const begun = this.use(null, (open) => {
      open.raw.exec('begin immediate')
      return open
    })
    try {
      work()
    } finally {
      this.use(undefined, (open) => {
        // after a failure there is nothing to commit: it is rolled back, or in another file
        if (open !== begun || !open.raw.isTransaction) return
        open.raw.exec('commit')
        this.isFailing = false
      })
    }
  }

  /** Changes a block of a node; one that is not there yet is empty. */
  changeLoad(level: Level, block: number, node: string, change: (steps: Float32Array) => void): void {
    this.use(undefined, ({ readLoad, writeLoad }) => {
      const steps = stepsOf(level, readLoad.get(level.id, block, node)) ?? newBlock(level)
      change(steps)
      writeLoad.run(level.id, block, node, new Uint8Array(steps.buffer, steps.byteOffset, steps.byteLength))
    })
  }

  /** The blocks of a node, from one to another, as far as they are there. */
  loadOf(level: Level, node: string, from: number, to: number): { block: number; steps: Float32Array }[] {
    return this.use([], ({ readLoad }) => {
      const found: { block: number; steps: Float32Array }[] = []
      for (let block = from; block <= to; block += 1) {
        const steps = stepsOf(level, readLoad.get(level.id, block, node))
        if (steps !== null) found.push({ block, steps })
      }
      return found
    })
  }

  /** One block of all nodes, by name, behind one of them (''; the first). */
  loadPage(
    level: Level,
    block: number,
    after: string,
    limit: number,
  ): { node: string; steps: Float32Array }[] {
    return this.use([], ({ readPage }) =>
      readPage
        .all(level.id, block, after, limit)
        .map((row) => ({ node: String(row.node), steps: stepsOf(level, row) ?? newBlock(level) })),
    )
  }

  /** The first and the last block of a level; null: there is none. */
  blocksOf(level: Level): { first: number; last: number } | null {
    return this.use(null, ({ raw }) => {
      const query = (what: 'min' | 'max') =>
        raw.prepare(`select ${what}(block) as block from load where level = ?`).get(level.id)?.block ?? null
      const first = query('min')
      return first === null ? null : { first: Number(first), last: Number(query('max')) }
    })
  }

  /** Forgets a block of at most so many nodes. */
  removeBlock(level: Level, block: number, limit: number): void {
    this.use(undefined, ({ raw }) => {
      const behind = raw
        .prepare('select node from load where level = ? and block = ? order by node limit 1 offset ?')
        .get(level.id, block, limit)
      raw
        .prepare(
          `delete from load where level = ? and block = ? ${behind === undefined ? '' : 'and node < ?'}`,
        )
        .run(level.id, block, ...(behind === undefined ? [] : [String(behind.node)]))
    })
  }

  /** Forgets a node. Its rows lie in every block. */
  removeNode(levels: readonly Level[], node: string): void {
    this.use(undefined, ({ raw }) => {
      const next = raw.prepare('select min(block) as block from load where level = ? and block > ?')
      const remove = raw.prepare('delete from load where level = ? and block = ? and node = ?')
      raw.exec('begin')
      for (const { id } of levels) {
        let block = next.get(id, Number.MIN_SAFE_INTEGER)?.block ?? null
        while (block !== null) {
          remove.run(id, Number(block), node)
          block = next.get(id, Number(block))?.block ?? null
        }
      }
      raw.exec('commit')
    })
  }

  /** Keeps what a task used; what was kept of it before goes. */
  saveUsage(taskId: number, series: Uint8Array): void {
    this.use(undefined, ({ writeUsage }) => writeUsage.run(taskId, series))
  }

  usageOf(taskId: number): Uint8Array | null {
    return this.use(
      null,
      ({ readUsage }) => (readUsage.get(taskId)?.series as Uint8Array | undefined) ?? null,
    )
  }

  /** Keeps the newest so many tasks; forgets at most `limit` of the others. */
  trimUsage(keep: number, limit: number): void {
    this.use(undefined, ({ raw }) => {
      const { first, last } =
        raw
          .prepare(
            'select (select min(number) from task_usage) as first, (select max(number) from task_usage) as last',
          )
          .get() ?? {}
      if (first == null || last == null) return
      const below = Math.min(Number(last) - keep + 1, Number(first) + limit)
      if (below > Number(first)) raw.prepare('delete from task_usage where number < ?').run(below)
    })
  }

  close(): void {
    this.open?.raw.close()
    this.open = null
  }

  private use<T>(without: T, work: (open: Open) => T): T {
    const { open } = this
    if (open === null) return without
    try {
      return work(open)
    } catch (error) {
      if (this.open === open) this.failed(open, error)
      return without
    }
  }

  private failed(open: Open, error: unknown): void {
    try {
      if (open.raw.isTransaction) open.raw.exec('rollback')
    } catch {
      // as broken as the rest
    }
    if (isDamage(error)) {
      open.raw.close()
      this.open = this.replace(error)
      return
    }
    // one line for a full disk, not one for each write
    if (!this.isFailing)
      this.log.warn({ file: this.path, error: String(error) }, 'Cannot keep histories; they have a gap')
    this.isFailing = true
  }

  private openOrReplace(): Open | null {
    try {
      return openAt(this.path)
    } catch (error) {
      const isOthers = error instanceof AppError || resultCode(error) === sqliteError
      return isOthers || isDamage(error) ? this.replace(error) : this.without(error)
    }
  }

  private replace(error: unknown): Open | null {
    try {
      const aside = `${this.path}.set-aside`
      for (const end of besides) {
        rmSync(aside + end, { force: true })
        if (existsSync(this.path + end)) renameSync(this.path + end, aside + end)
      }
      const open = openAt(this.path)
      this.log.warn({ file: this.path, aside, error: String(error) }, 'Began a new file of histories')
      return open
    } catch (again) {
      return this.without(again)
    }
  }

  private without(error: unknown): null {
    this.log.error(
      { file: this.path, error: String(error) },
      'No histories are kept: the file cannot be used',
    )
    return null
  }
}

/**
 * `synchronous=OFF`: the disk is never waited for. A power cut may cost the last minutes, or in the worst case the file
 * (sqlite.org/pragma.html#pragma_synchronous).
 */
function openAt(path: string): Open {
  const raw = new DatabaseSync(path)
  try {
    if (path !== inMemory) chmodSync(path, 0o600)
    // a row has some 1000 bytes, of which a page of 4096 takes too few (sqlite.org/fileformat.html, section 1.6)
    raw.exec('pragma page_size = 8192; pragma journal_mode = wal; pragma synchronous = off')
    migrate(raw, steps)
    return {
      raw,
      readLoad: raw.prepare('select steps from load where level = ? and block = ? and node = ?'),
      readPage: raw.prepare(
        'select node, steps from load where level = ? and block = ? and node > ? order by node limit ?',
      ),
      writeLoad: raw.prepare(
        `insert into load (level, block, node, steps) values (?, ?, ?, ?)
         on conflict do update set steps = excluded.steps`,
      ),
      readUsage: raw.prepare('select series from task_usage where task_id = ?'),
      writeUsage: raw.prepare('insert or replace into task_usage (task_id, series) values (?, ?)'),
    }
  } catch (error) {
    raw.close()
    throw error
  }
}

/** The steps of a row; null: there is none, or it is no block of this level. */
function stepsOf(level: Level, row: Record<string, unknown> | undefined): Float32Array | null {
  const bytes = row?.steps
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== blockBytes(level)) return null
  const isAligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0
  const { buffer, byteOffset } = isAligned ? bytes : bytes.slice()
  return new Float32Array(buffer, byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT)
}

/** SQLITE_ERROR: what a schema that is not ours gives (sqlite.org/rescode.html). */
const sqliteError = 1

/** SQLITE_CORRUPT, SQLITE_NOTADB. */
function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === 11 || code === 26
}

function resultCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : null
}
