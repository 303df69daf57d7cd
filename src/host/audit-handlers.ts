/** The log of who did what, for admins: a page of it, and all of it as lines to keep and to check elsewhere. */
import { Readable } from 'node:stream'
import { type AuditRow, isAuditHash } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import type { Handlers } from '../protocol/host-api.ts'
import { streamRoutes } from '../protocol/routes.ts'
import type { AuditView } from '../protocol/schemas.ts'
import type { Caller } from './caller.ts'
import type { StreamRoute } from './http.ts'
import type { Store } from './store/store.ts'
import { instant } from './views.ts'

type AuditStore = Pick<Store, 'auditPage' | 'auditAfter' | 'auditHead'>

export type AuditHandlers = Pick<Handlers<Caller>, 'listAudit'>

export function createAuditHandlers(store: AuditStore): AuditHandlers {
  return {
    listAudit: async ({ query }) => {
      const { user, action, target, since, until, limit = 100, cursor } = query
      const filter = {
        who: user,
        action,
        target,
        sinceMs: msOf(since, 'since'),
        untilMs: msOf(until, 'until'),
      }
      const { rows, next } = await store.auditPage(filter, limit, beforeOf(cursor))
      const head = await store.auditHead()
      return { items: rows.map(auditView), next: next === null ? null : String(next), head }
    },
  }
}

/** Rows of one read: what else has come in goes between. */
const rowsPerTurn = 1_000

/** All rows that there are now, oldest first, one JSON value a line. */
export function auditExportRoute(store: AuditStore): StreamRoute {
  return {
    path: streamRoutes.auditExport.path,
    access: 'admin',
    handle: async ({ signal }, reply) => {
      const { seq, hash } = await store.auditHead()
      reply.header('content-type', 'application/x-ndjson').header('x-audit-head', `${seq} ${hash}`)
      return reply.send(Readable.from(linesUpTo(seq, store, signal)))
    },
  }
}

async function* linesUpTo(last: number, store: AuditStore, signal: AbortSignal): AsyncGenerator<string> {
  for (let at = 0; at < last && !signal.aborted; ) {
    const rows = (await store.auditAfter(at, rowsPerTurn)).filter(({ seq }) => seq <= last)
    if (rows.length === 0) return
    yield rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    at = rows.at(-1)?.seq ?? last
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

function auditView(row: AuditRow): AuditView {
  const { seq, atMs, who, role, token, via, address, action, target, details, result, hash } = row
  return {
    seq,
    at: instant(atMs),
    user: who,
    role,
    token,
    via,
    address,
    action,
    target: target === '' ? [] : target.split(' '),
    details: detailsOf(details),
    result,
    hash: isAuditHash(hash) ? hash : '',
  }
}

/** Also of a row that somebody has written over by hand: the list is shown, and `audit verify` tells. */
function detailsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return { unreadable: text.slice(0, 200) }
  }
}

function msOf(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms))
    throw new AppError('invalid_request', `cannot read ${what}: write a moment like 2026-11-23T10:00:00Z`)
  return ms
}

function beforeOf(cursor: string | undefined): number | null {
  if (cursor === undefined) return null
  const seq = parseId(cursor)
  if (seq === null)
    throw new AppError('invalid_request', `the cursor "${cursor}" is not one that this host gave out`)
  return seq
}
