/** `hakuriver audit`: who did what, and whether nobody has touched the rows that say so. */
import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { AuditCheck, type AuditRow, auditBeginning, isAuditHash } from '../../core/audit.ts'
import { AppError, exitCodes } from '../../core/errors.ts'
import { count, printable } from '../../core/text.ts'
import { parseDuration } from '../../core/units.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import { streamRoutes } from '../../protocol/routes.ts'
import type { AuditView } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { localTime } from '../output/text.ts'

export interface AuditListOptions {
  user: string | null
  action: string | null
  target: string | null
  since: string | null
  until: string | null
  limit: number
}

/** A host that sends nothing for so long is given up. */
const idleMs = 60_000
const pageRows = 1_000

/** The newest rows that fit, newest first. */
export async function auditList(options: AuditListOptions, context: Context): Promise<number> {
  const { user, action, target, since, until, limit } = options
  const host = await context.host()
  const given = {
    user,
    action,
    target,
    since: momentOf(since, host.now()),
    until: momentOf(until, host.now()),
  }
  const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
  const items: AuditView[] = []
  let next: string | null = null
  do {
    const wanted = Math.min(pageRows, limit - items.length)
    const query = { ...filter, limit: wanted, ...(next !== null && { cursor: next }) }
    const page = await host.client.listAudit({ query })
    items.push(...page.items)
    next = page.next
  } while (next !== null && items.length < limit)
  if (context.json) await context.printJson({ items, next })
  else if (items.length === 0) await context.note('Nothing of that kind was done.')
  else {
    const { stdout } = context.io
    await context.print(auditTable(items, stdout.isTty ? stdout.size().columns : null, context))
    if (next !== null) await context.note(`These are the newest ${items.length}: --limit shows more.`)
  }
  return exitCodes.ok
}

const columns: Column[] = [
  { title: 'WHEN' },
  { title: 'USER', shrinkTo: 10 },
  { title: 'ROLE', dropOrder: 2 },
  { title: 'ACTION', shrinkTo: 12 },
  { title: 'OF', shrinkTo: 16 },
  { title: 'RESULT' },
  { title: 'FROM', dropOrder: 1 },
]

function auditTable(items: readonly AuditView[], width: number | null, { colors }: Context): string[] {
  const rows = items.map((row): Cell[] => [
    { text: localTime(row.at) },
    { text: printable(row.user ?? '-') },
    { text: printable(row.role ?? '-') },
    { text: printable(row.action) },
    { text: printable(row.target.join(' ')) || '-' },
    row.result === 'ok' ? { text: 'ok' } : { text: printable(row.result), paint: colors.yellow },
    { text: printable(row.address ?? '-') },
  ])
  return renderTable(columns, rows, { width, paintTitle: colors.dim })
}

/** `2h` ago, or a moment as it is written. */
function momentOf(text: string | null, nowMs: number): string | null {
  if (text === null) return null
  const ms = /^\d+(\.\d+)?[a-z]+/i.test(text) ? nowMs - parseDuration(text) : Date.parse(text)
  if (!Number.isNaN(ms)) return new Date(ms).toISOString()
  throw new AppError('invalid_request', `cannot read the moment "${text}"`, {
    details: { fix: 'Write how long ago, like 2h, or a date like 2026-11-23 or 2026-11-23T10:00:00Z.' },
  })
}

/** Saves all rows, to standard output or whole to a file. */
export async function auditExport({ out }: { out: string | null }, context: Context): Promise<number> {
  const check = new AuditCheck(sha256)
  if (out === null) {
    for await (const line of linesOfHost(context)) {
      check.take(rowOf(line))
      await context.io.stdout.write(`${line}\n`)
    }
  } else await saveTo(out, check, context)
  const { head } = check.end()
  await context.note(`${count(head.seq, 'row')}; keep the hash of the last one elsewhere: ${head.hash}`)
  return exitCodes.ok
}

async function saveTo(path: string, check: AuditCheck, context: Context): Promise<void> {
  const part = `${path}.part`
  const file = await open(part, 'w', 0o600).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT')
      throw new AppError(
        'invalid_request',
        `cannot write ${path}: there is no directory ${dirname(resolve(path))}`,
      )
    throw new AppError('not_permitted', `cannot write ${part} (${code})`)
  })
  try {
    for await (const line of linesOfHost(context)) {
      check.take(rowOf(line))
      await file.writeFile(`${line}\n`)
    }
    await file.sync()
    await file.close()
    await rename(part, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(part, { force: true })
    throw error
  }
}

/**
 * Says whether the chain is whole: of the host that runs, or of an export.
 * @returns 1 where it is broken
 */
export async function auditVerify(
  { file, head: kept }: { file: string | null; head: string | null },
  context: Context,
): Promise<number> {
  if (kept !== null && !isAuditHash(kept))
    throw new AppError('invalid_request', `"${kept}" is no hash of a row: it has 64 digits from 0 to f`)
  const check = new AuditCheck(sha256, kept)
  for await (const line of file === null ? linesOfHost(context) : linesOfFile(file)) check.take(rowOf(line))
  const { head, broken } = check.end()
  if (context.json) await context.printJson({ isWhole: broken === null, head, broken })
  else if (broken === null) {
    const last =
      head.seq === 0 ? 'no row yet' : `${count(head.seq, 'row')}, the last with the hash ${head.hash}`
    await context.print(`The log of who did what is whole: ${last}`)
    if (kept === null && head.hash !== auditBeginning.hash)
      await context.note(
        'Rows that are missing at the end are found only by a hash that was kept: --head HASH.',
      )
  } else
    await context.print(
      `The log of who did what is broken at row ${broken.seq}: ${broken.why}. Nothing from there on is certain.`,
    )
  return broken === null ? exitCodes.ok : exitCodes.failed
}

async function* linesOfHost(context: Context): AsyncGenerator<string> {
  const host = await context.host()
  const gone = new AbortController()
  const answer = await host.open({ path: streamRoutes.auditExport.path, signal: gone.signal, idleMs })
  const [last = '0'] = String(answer.headers['x-audit-head']).split(' ')
  let seq = 0
  try {
    for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
      yield line
      seq += 1
    }
  } finally {
    gone.abort()
  }
  // of a log in which rows are missing there are fewer than its last number, and that is for the check to say
  if (!answer.complete) throw new AppError('unavailable', `the export broke off after ${seq} of ${last} rows`)
}

async function* linesOfFile(path: string): AsyncGenerator<string> {
  const input = createReadStream(path)
  try {
    await new Promise((resolve, reject) => input.once('open', resolve).once('error', reject))
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new AppError('invalid_request', `cannot read the export ${path} (${code})`)
  }
}

function sha256(text: string): string {
  return hash('sha256', text)
}

/** @throws AppError `invalid_request` for what is no line of an export */
function rowOf(line: string): AuditRow {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && 'seq' in value && 'hash' in value)
      return value as AuditRow // its other fields are what the hash is over
  } catch {
    // told below
  }
  throw new AppError('invalid_request', `"${printable(line.slice(0, 60))}" is no row of an export`)
}
