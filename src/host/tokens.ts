/**
 * Tokens of persons, browsers that are logged in, invitations and the join token: one list, kept as hashes. Whatever is
 * open by one of them ends with it.
 */
import { randomBytes } from 'node:crypto'
import { nextId } from '../core/id.ts'
import { type Role, weakerRole } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { hashOf, newSecret } from './secret.ts'
import type { Store, TokenKind, TokenRecord } from './store/store.ts'
import type { Users } from './users.ts'

export interface TokensDeps {
  store: Pick<Store, 'tokens' | 'saveIdentity'>
  users: Users
  clock: Clock
  log: Log
}

export type NewToken = Pick<TokenRecord, 'kind' | 'user' | 'role' | 'label' | 'expiresAtMs'> &
  Partial<Pick<TokenRecord, 'boundMs' | 'madeBy'>>

/** Why a token cannot be used, or that it can. */
export type TokenState = 'good' | 'expired' | 'revoked' | 'disabled'

/** When a token was last used is written at most so often, and so is what else could not be written. */
const sweepMs = 60_000
/** Of each user so many tokens of a kind that have ended are still told of, for so long. */
const keptEnded = 50
const keptMs = 30 * 86_400_000

export class Tokens {
  private readonly deps: TokensDeps
  private readonly byId = new Map<number, TokenRecord>()
  /** Found by what nobody can guess: the time it takes tells nothing of the tokens. */
  private readonly byHash = new Map<string, TokenRecord>()
  private readonly byUser = new Map<string | null, Set<TokenRecord>>()
  /** What ends with a token. */
  private readonly watchers = new Map<number, Set<() => void>>()
  /** Timers of the ends of tokens by which something is open. */
  private readonly timers = new Map<number, () => void>()
  /** Those whose rows are older than what is here. */
  private readonly unsaved = new Set<TokenRecord>()
  private readonly unremoved = new Set<number>()
  private lastId = 0
  private cancelSweep = () => {}

  private constructor(deps: TokensDeps, records: readonly TokenRecord[]) {
    this.deps = deps
    for (const record of records) this.put(record)
    deps.users.onWeakened((user) => this.cutUser(user))
  }

  /** Takes up those that the store holds. */
  static async open(deps: TokensDeps): Promise<Tokens> {
    const tokens = new Tokens(deps, await deps.store.tokens())
    await tokens.sweep()
    return tokens
  }

  /** The token of this secret, whatever has become of it; null: there is none that is known. */
  find(secret: string): TokenRecord | null {
    return this.byHash.get(hashOf(secret)) ?? null
  }

  get(id: number): TokenRecord | null {
    return this.byId.get(id) ?? null
  }

  /** All of one user, or of all, newest first. */
  list(kinds: readonly TokenKind[], user?: string): TokenRecord[] {
    const all = user === undefined ? this.byId.values() : (this.byUser.get(user) ?? [])
    return [...all].filter(({ kind }) => kinds.includes(kind)).sort((a, b) => b.id - a.id)
  }

  /** Those of a user that can be used now, oldest first. */
  liveOf(user: string | null, kind: TokenKind): TokenRecord[] {
    return [...(this.byUser.get(user) ?? [])].filter(
      (token) => token.kind === kind && this.stateOf(token) === 'good',
    )
  }

  stateOf({ user, revokedAtMs, expiresAtMs }: TokenRecord): TokenState {
    if (revokedAtMs !== null) return 'revoked'
    if (expiresAtMs !== null && expiresAtMs <= this.deps.clock.now()) return 'expired'
    if (user !== null && this.deps.users.get(user)?.isDisabled !== false) return 'disabled'
    return 'good'
  }

  /** In which it acts now. */
  roleOf(token: TokenRecord): Role {
    return weakerRole(token.role, this.userRoleOf(token))
  }

  /** The role of its user. */
  userRoleOf({ user }: TokenRecord): Role {
    return (user === null ? null : this.deps.users.get(user))?.role ?? 'viewer'
  }

  /** Takes note that a token was used; it is written with the next look. */
  used(token: TokenRecord, address: string): void {
    token.lastUsedAtMs = this.deps.clock.now()
    token.lastUsedFrom = address
    this.unsaved.add(token)
  }

  /**
   * A new one, saved. `beforeSaved`: where it is written down, before it is good for anything.
   * @returns also the secret, which nobody can tell again
   * @throws AppError `store_full`
   */
  async make(
    wanted: NewToken,
    beforeSaved: (secret: string) => Promise<void> = async () => {},
  ): Promise<{ secret: string; token: TokenRecord }> {
    const made = this.prepare(wanted)
    // counted at once; before it is saved nobody is told of it
    this.put(made.token)
    try {
      await beforeSaved(made.secret)
      await this.deps.store.saveIdentity({ tokens: [made.token] })
    } catch (error) {
      this.drop(made.token)
      throw error
    }
    return made
  }

  /** A new one in the place of one that is good once: both at once, or neither. @throws AppError `store_full` */
  async exchange(used: TokenRecord, wanted: NewToken): Promise<{ secret: string; token: TokenRecord }> {
    const made = this.prepare(wanted)
    // gone before anything else can come: nobody else may use it meanwhile
    this.drop(used)
    try {
      await this.deps.store.saveIdentity({ tokens: [made.token], removedTokens: [used.id] })
    } catch (error) {
      this.put(used)
      throw error
    }
    this.put(made.token)
    return made
  }

  /** A new one that holds as long as this host runs where it cannot be saved. */
  async makeUnsaved(wanted: NewToken): Promise<{ secret: string; token: TokenRecord }> {
    const made = this.prepare(wanted)
    this.put(made.token)
    this.unsaved.add(made.token)
    await this.flush()
    return made
  }

  /**
   * Ends tokens, and what is open by them, from now on, also where that cannot be saved now.
   * @returns what could not be saved; null: it is
   */
  async revoke(tokens: readonly TokenRecord[]): Promise<unknown> {
    for (const token of tokens) {
      token.revokedAtMs ??= this.deps.clock.now()
      this.unsaved.add(token)
      this.cut(token.id)
    }
    return this.flush()
  }

  /** Forgets tokens altogether. What the store cannot forget now, it forgets later. */
  async forget(tokens: readonly TokenRecord[]): Promise<void> {
    for (const token of tokens) {
      this.drop(token)
      this.unremoved.add(token.id)
      this.cut(token.id)
    }
    await this.flush()
  }

  /** Calls back when the token ends, or may do less; at once where it has ended. @returns how to stop that */
  onEnd(token: TokenRecord, action: () => void): () => void {
    if (this.byId.get(token.id) !== token || this.stateOf(token) !== 'good') {
      action()
      return () => {}
    }
    const { id } = token
    const watchers = this.watchers.get(id) ?? new Set()
    this.watchers.set(id, watchers)
    watchers.add(action)
    this.watchEnd(token)
    return () => {
      watchers.delete(action)
      if (watchers.size === 0 && this.watchers.get(id) === watchers) this.watchers.delete(id)
    }
  }

  async close(): Promise<void> {
    this.cancelSweep()
    for (const cancel of this.timers.values()) cancel()
    await this.flush()
  }

  private prepare(wanted: NewToken): { secret: string; token: TokenRecord } {
    const { clock } = this.deps
    const nowMs = clock.now()
    this.lastId = nextId(this.lastId, nowMs)
    const secret = secretOf(wanted.kind)
    const token: TokenRecord = {
      boundMs: null,
      madeBy: null,
      ...wanted,
      id: this.lastId,
      hash: hashOf(secret),
      createdAtMs: nowMs,
      lastUsedAtMs: null,
      lastUsedFrom: null,
      revokedAtMs: null,
    }
    return { secret, token }
  }

  private put(token: TokenRecord): void {
    this.byId.set(token.id, token)
    this.byHash.set(token.hash, token)
    const ofUser = this.byUser.get(token.user) ?? new Set()
    this.byUser.set(token.user, ofUser.add(token))
    this.lastId = Math.max(this.lastId, token.id)
  }

  private drop(token: TokenRecord): void {
    this.byId.delete(token.id)
    this.byHash.delete(token.hash)
    this.byUser.get(token.user)?.delete(token)
    this.unsaved.delete(token)
  }

  /** Ends what is open by a token. */
  private cut(id: number): void {
    const watchers = this.watchers.get(id)
    this.watchers.delete(id)
    this.timers.get(id)?.()
    this.timers.delete(id)
    for (const end of watchers ?? []) end()
  }

  private cutUser(user: string): void {
    for (const { id } of this.byUser.get(user) ?? []) this.cut(id)
  }

  /** By a timer of its own, and where the clock was set by the next sweep. */
  private watchEnd({ id, expiresAtMs }: TokenRecord): void {
    if (expiresAtMs === null || this.timers.has(id)) return
    const leftMs = Math.max(0, expiresAtMs - this.deps.clock.now())
    this.timers.set(
      id,
      this.deps.clock.after(leftMs, () => {
        this.timers.delete(id)
        const token = this.byId.get(id)
        if (token === undefined || this.stateOf(token) !== 'good') this.cut(id)
        else if (this.watchers.has(id)) this.watchEnd(token)
      }),
    )
  }

  /** Writes what has changed. @returns why it could not; null: it did */
  private async flush(): Promise<unknown> {
    if (this.unsaved.size === 0 && this.unremoved.size === 0) return null
    const tokens = [...this.unsaved]
    const removedTokens = [...this.unremoved]
    this.unsaved.clear()
    this.unremoved.clear()
    try {
      await this.deps.store.saveIdentity({ tokens, removedTokens })
      return null
    } catch (error) {
      for (const token of tokens) if (this.byId.get(token.id) === token) this.unsaved.add(token)
      for (const id of removedTokens) this.unremoved.add(id)
      this.deps.log.warn({ error: String(error) }, 'What became of tokens is not saved yet')
      return error
    }
  }

  private async sweep(): Promise<void> {
    for (const id of [...this.watchers.keys()]) {
      const token = this.byId.get(id)
      if (token === undefined || this.stateOf(token) !== 'good') this.cut(id)
    }
    for (const token of this.tooOld()) {
      this.drop(token)
      this.unremoved.add(token.id)
    }
    await this.flush()
    this.cancelSweep = this.deps.clock.after(sweepMs, () => void this.sweep())
  }

  /** Those that ended long ago, or of which there are too many. */
  private tooOld(): TokenRecord[] {
    const nowMs = this.deps.clock.now()
    const endOf = ({ revokedAtMs, expiresAtMs }: TokenRecord) => revokedAtMs ?? expiresAtMs ?? nowMs
    return [...this.byUser.values()].flatMap((tokens) => {
      const kept = { api: keptEnded, browser: keptEnded, join: keptEnded, login: 0 }
      const ended = [...tokens].filter((token) => endOf(token) < nowMs).sort((a, b) => endOf(b) - endOf(a))
      return ended.filter((token) => {
        kept[token.kind] -= 1
        return kept[token.kind] < 0 || endOf(token) < nowMs - keptMs
      })
    })
  }
}

/** Of a browser it is the cookie's value, as it always was. All are random: at least 192 bits. */
function secretOf(kind: TokenKind): string {
  if (kind === 'browser') return randomBytes(32).toString('base64url')
  return newSecret(kind)
}
