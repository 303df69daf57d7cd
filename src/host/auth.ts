/** Tokens: made at the first start, kept as hashes, shown to this machine's user in files of mode 0600. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../platform/files.ts'
import type { Log } from '../platform/log.ts'
import type { Store, TokenKind } from './store/store.ts'

const files: Record<TokenKind, string> = { admin: 'admin-token', join: 'join-token' }

export class Tokens {
  private readonly kinds: ReadonlyMap<string, TokenKind>

  private constructor(kinds: ReadonlyMap<string, TokenKind>) {
    this.kinds = kinds
  }

  /** Makes the tokens that are not there yet, of those kinds. */
  static async open(
    store: Store,
    stateDir: string,
    nowMs: number,
    log: Log,
    kinds: readonly TokenKind[] = ['admin', 'join'],
  ): Promise<Tokens> {
    const known = await store.tokens()
    for (const kind of kinds) {
      const path = join(stateDir, files[kind])
      if (known.some((token) => token.kind === kind)) {
        if (!existsSync(path))
          log.warn({ path }, `The ${kind} token is not in its file any more; the host still accepts it`)
        continue
      }
      const token = `hakuriver_${kind}_${randomBytes(24).toString('base64url')}`
      const hash = hashOf(token)
      await writeFileAtomic(path, `${token}\n`, { mode: 0o600, sync: true })
      await store.addToken(hash, kind, nowMs)
      known.push({ hash, kind })
      log.info({ path }, `Made the ${kind} token`)
    }
    return new Tokens(new Map(known.map(({ hash, kind }) => [hash, kind])))
  }

  /**
   * What the token of an Authorization header (RFC 6750, section 2.1) is for; null: nothing. Looked up by its
   * hash, so the time it takes tells nothing of the tokens.
   */
  kindOf(authorization: string | undefined): TokenKind | null {
    const match = /^Bearer +([A-Za-z0-9._~+/=-]{1,200})$/i.exec(authorization ?? '')
    return match?.[1] === undefined ? null : (this.kinds.get(hashOf(match[1])) ?? null)
  }
}

/** The tokens are 192 random bits: a plain hash cannot be turned back by guessing. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
