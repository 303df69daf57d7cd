/** What a host needs of users and tokens from its first start on, shown to this machine's user in files of mode 0600. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { firstUser } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import { writeFileAtomic } from '../platform/files.ts'
import type { Log } from '../platform/log.ts'
import type { Store } from './store/store.ts'
import { type NewToken, Tokens } from './tokens.ts'
import { Users } from './users.ts'

export interface Identity {
  users: Users
  tokens: Tokens
}

export interface IdentityDeps {
  store: Store
  stateDir: string
  clock: Clock
  log: Log
  /** No tokens are asked for, so none are made. */
  isOpen: boolean
  /** Machines join by the token of a file. */
  hasJoinToken: boolean
}

/** Takes up users and tokens, and makes those without which nobody could begin. */
export async function openIdentity(deps: IdentityDeps): Promise<Identity> {
  const { store, stateDir, clock, log, isOpen, hasJoinToken } = deps
  const users = await Users.open({ store, clock })
  const tokens = await Tokens.open({ store, users, clock, log })
  if (isOpen) return { users, tokens }
  if (users.list().length === 0) await users.create(firstUser, 'admin')
  const admins = users.admins()
  const { name } = admins.find((user) => user.name === firstUser) ?? admins[0] ?? { name: firstUser }
  const files = [
    {
      file: 'admin-token',
      token: { kind: 'api', user: name, role: 'admin', label: 'admin-token' },
      // whoever has revoked the last one gets another by a restart
      isThere: admins.some((user) =>
        tokens.liveOf(user.name, 'api').some((token) => tokens.roleOf(token) === 'admin'),
      ),
    },
    {
      file: 'join-token',
      token: { kind: 'join', user: null, role: 'viewer', label: 'join-token' },
      isThere: tokens.liveOf(null, 'join').length > 0,
    },
  ] satisfies { file: string; token: Omit<NewToken, 'expiresAtMs'>; isThere: boolean }[]
  for (const { file, token, isThere } of files) {
    if (token.kind === 'join' && !hasJoinToken) continue
    const path = join(stateDir, file)
    if (isThere) {
      if (!existsSync(path))
        log.warn({ path }, 'A token is not in its file any more; the host still accepts it')
      continue
    }
    await tokens.make({ ...token, expiresAtMs: null }, (secret) =>
      writeFileAtomic(path, `${secret}\n`, { mode: 0o600, sync: true }),
    )
    log.info({ path }, 'Made a token')
  }
  return { users, tokens }
}
