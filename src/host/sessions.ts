/**
 * Browsers that are logged in: each by a random cookie, of which only the hash is kept, over restarts too. Whoever
 * logs out has lost its open streams at once.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { SessionRecord, Store } from './store/store.ts'

/** The cookie's name over plain HTTP. */
export const sessionCookie = 'hakuriver_session'
/** Over TLS: a browser takes it from that host alone, and sends it over TLS alone (RFC 6265bis, section 4.1.3.2). */
export const secureSessionCookie = `__Host-${sessionCookie}`

const lifeMs = 30 * 24 * 3_600_000
/** So many browsers at a time: a further one takes the place of the oldest. */
export const maxSessions = 1_000
/** Between two looks for sessions that are over. */
const sweepMs = 60_000
/** Cookies of that name that are looked at: another program on this machine may have set one too. */
const maxCookies = 5

export interface SessionsDeps {
  store: Pick<Store, 'sessions' | 'addSession' | 'removeSessions'>
  clock: Clock
  log: Log
  /** The host speaks TLS. Left out: it does not. */
  isSecure?: boolean
}

interface Session extends SessionRecord {
  /** What ends with it. */
  streams: Set<() => void>
}

export class Sessions {
  private readonly deps: SessionsDeps
  /** By hash, oldest first. */
  private readonly sessions: Map<string, Session>
  /** Hashes that the store has to forget. */
  private readonly ended = new Set<string>()
  private cancelSweep = () => {}

  private constructor(deps: SessionsDeps, records: readonly SessionRecord[]) {
    this.deps = deps
    this.sessions = new Map(records.map((record) => [record.hash, { ...record, streams: new Set() }]))
  }

  /** Takes up those that the store holds. */
  static async open(deps: SessionsDeps): Promise<Sessions> {
    const sessions = new Sessions(deps, await deps.store.sessions())
    await sessions.sweep()
    return sessions
  }

  /**
   * Logs a browser in. Where that cannot be saved it holds as long as this host runs: a full disk is a reason to look.
   * @returns what the cookie holds
   */
  async begin(): Promise<{ value: string; expiresAtMs: number }> {
    const { clock, store, log } = this.deps
    const value = randomBytes(32).toString('base64url')
    const createdAtMs = clock.now()
    const record = { hash: hashOf(value), createdAtMs, expiresAtMs: createdAtMs + lifeMs }
    this.sessions.set(record.hash, { ...record, streams: new Set() })
    try {
      await store.addSession(record)
    } catch (error) {
      log.warn({ error: String(error) }, 'A login is not saved: it ends with this host')
    }
    const [oldest] = this.sessions.keys()
    if (this.sessions.size > maxSessions && oldest !== undefined) await this.end([oldest])
    return { value, expiresAtMs: record.expiresAtMs }
  }

  /** Who a Cookie header (RFC 6265, section 4.2) says that it is; null: nobody who is logged in. */
  find(cookies: string | undefined): { hash: string; expiresAtMs: number } | null {
    for (const value of valuesIn(cookies, this.cookie)) {
      const session = this.sessions.get(hashOf(value))
      if (session !== undefined && session.expiresAtMs > this.deps.clock.now()) return session
    }
    return null
  }

  /** The `Set-Cookie` of a login; null: of a logout. No script sees it, and no other site can have it sent. */
  setCookieOf(value: string | null): string {
    const age = value === null ? 0 : lifeMs / 1000
    const secure = this.deps.isSecure ? '; Secure' : ''
    return `${this.cookie}=${value ?? ''}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`
  }

  private get cookie(): string {
    return this.deps.isSecure ? secureSessionCookie : sessionCookie
  }

  /** Calls back when the session ends, at once where it has. @returns how to stop that */
  onEnd(hash: string, action: () => void): () => void {
    const streams = this.sessions.get(hash)?.streams
    if (streams === undefined) action()
    else streams.add(action)
    return () => streams?.delete(action)
  }

  /** Logs browsers out. What the store cannot forget now, it forgets later. */
  async end(hashes: readonly string[]): Promise<void> {
    for (const hash of hashes) {
      const session = this.sessions.get(hash)
      this.sessions.delete(hash)
      this.ended.add(hash)
      for (const end of session?.streams ?? []) end()
    }
    if (this.ended.size === 0) return
    const gone = [...this.ended]
    try {
      await this.deps.store.removeSessions(gone)
      for (const hash of gone) this.ended.delete(hash)
    } catch (error) {
      this.deps.log.warn({ error: String(error) }, 'A logout is not saved yet')
    }
  }

  close(): void {
    this.cancelSweep()
  }

  private async sweep(): Promise<void> {
    const { clock } = this.deps
    const nowMs = clock.now()
    const over = [...this.sessions.values()].filter(({ expiresAtMs }) => expiresAtMs <= nowMs)
    await this.end(over.map(({ hash }) => hash))
    this.cancelSweep = clock.after(sweepMs, () => void this.sweep())
  }
}

function valuesIn(cookies: string | undefined, name: string): string[] {
  const pattern = new RegExp(`(?:^|;\\s*)${name}=([A-Za-z0-9_-]{43})(?=;|$)`, 'g')
  return [...(cookies ?? '').matchAll(pattern)].slice(0, maxCookies).flatMap(([, value]) => value ?? [])
}

/** The value is 256 random bits: a plain hash cannot be turned back by guessing. */
function hashOf(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}
