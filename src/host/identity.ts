/** Endpoints of users and their tokens. What they make is never stronger than the caller, nor outlives his bound. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { printInvitation } from '../core/invitation.ts'
import { type Role, roleMay, weakerRole } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Handlers, Input } from '../protocol/host-api.ts'
import { limits } from '../protocol/limits.ts'
import type { TokenView, UserView } from '../protocol/schemas.ts'
import type { Identity } from './auth.ts'
import type { Caller } from './caller.ts'
import type { UrlFor } from './own-url.ts'
import type { TokenRecord, UserRecord } from './store/store.ts'
import { instant } from './views.ts'

const defaultLifeSeconds = 90 * 86_400
const defaultInvitationSeconds = 3_600
/** Invitations of a user that were not used; a further one takes the place of the oldest. */
export const maxInvitations = 10

export interface IdentityHandlerDeps extends Identity {
  urlFor: UrlFor
  /** Of the authority by which the host is known; null: it speaks plain HTTP. */
  fingerprint: () => string | null
  clock: Clock
  log: Log
}

export type IdentityHandlers = Pick<
  Handlers<Caller>,
  | 'whoAmI'
  | 'listUsers'
  | 'createUser'
  | 'updateUser'
  | 'inviteUser'
  | 'listTokens'
  | 'createToken'
  | 'revokeToken'
>

export function createIdentity(deps: IdentityHandlerDeps): IdentityHandlers {
  const { users, tokens, urlFor, clock, log } = deps
  const userView = (user: UserRecord) => viewOfUser(user, deps)
  const tokenView = (token: TokenRecord) => viewOfToken(token, deps)
  return {
    whoAmI: async (_, { name, role, via, token }) => ({
      name,
      role,
      via: via === 'session' || via === 'open' ? via : 'token',
      tokenId: token === null ? null : String(token.id),
      expiresAt: instantOrNull(token?.expiresAtMs ?? null),
    }),
    listUsers: async () => ({ items: users.list().map(userView) }),
    createUser: async ({ body }, caller) => {
      refuseOpen(caller)
      const user = await users.create(body.name, body.role)
      log.info({ user: user.name, role: user.role, by: caller.name }, 'A user was made')
      return userView(user)
    },
    updateUser: async ({ params, body }, caller) => {
      refuseOpen(caller)
      if (params.name === caller.name) caller.stay?.()
      const open = tokens.liveOf(params.name, 'login')
      const user = await users.update(params.name, body)
      // they would be good again when the user is
      if (body.isDisabled === true) await tokens.forget(open)
      const { name, role, isDisabled } = user
      log.info({ user: name, role, isDisabled, by: caller.name }, 'A user was changed')
      return userView(user)
    },
    inviteUser: async ({ params, body }, caller) => {
      refuseOpen(caller)
      const url = urlFor(caller.visit)
      const { name, role, isDisabled } = users.wanted(params.name)
      if (isDisabled) throw new AppError('conflict', `cannot invite ${name}: enable that user first`)
      const expiresAtMs = clock.now() + (body.ttlSeconds ?? defaultInvitationSeconds) * 1000
      const open = tokens.liveOf(name, 'login')
      await tokens.forget(open.slice(0, Math.max(0, open.length + 1 - maxInvitations)))
      const wanted = { kind: 'login', user: name, role, label: 'invitation', expiresAtMs } as const
      const { secret } = await tokens.make({ ...wanted, madeBy: caller.name })
      log.info({ user: name, by: caller.name }, 'A user was invited')
      return {
        invitation: printInvitation({ url, fingerprint: deps.fingerprint(), secret }),
        link: `${url}/login#code=${secret}`,
        expiresAt: instant(expiresAtMs),
      }
    },
    listTokens: async ({ query: { user, all = false } }, caller) => {
      const isOwn = !all && (user === undefined || user === caller.name)
      if (!isOwn) refuseNoAdmin(caller, 'see the tokens of others')
      if (!isOwn && user !== undefined) users.wanted(user)
      return {
        items: tokens.list(['api', 'browser'], all ? undefined : (user ?? caller.name)).map(tokenView),
      }
    },
    createToken: async ({ body }, caller) => {
      refuseOpen(caller)
      const { user: name = caller.name, label } = body
      if (name !== caller.name) refuseNoAdmin(caller, 'make a token for another user')
      const user = users.wanted(name)
      const role = roleFor(user, body.role, caller)
      if (user.isDisabled)
        throw new AppError('conflict', `cannot make a token for ${name}: enable that user first`)
      if (tokens.liveOf(name, 'api').length >= limits.tokensPerUser)
        throw new AppError('too_many', `${name} has ${limits.tokensPerUser} tokens: revoke one first`)
      const expiresAtMs = endFor(body, caller, clock.now())
      const boundMs = expiresAtMs ?? caller.token?.boundMs ?? null
      const { secret, token } = await tokens.make({
        kind: 'api',
        user: name,
        role,
        label,
        expiresAtMs,
        boundMs,
      })
      log.info({ user: name, token: token.id, by: caller.name }, 'A token was made')
      return { token: secret, ...tokenView(token) }
    },
    revokeToken: async ({ params }, caller) => {
      const token = tokens.get(parseId(params.id) ?? 0)
      if (token === null || !isShown(token, caller))
        throw new AppError('not_found', `there is no token ${params.id} of ${caller.name}`)
      // a weak token that somebody has found must not end the others of its user
      if (weakerRole(tokens.roleOf(token), caller.role) !== tokens.roleOf(token))
        throw new AppError(
          'not_permitted',
          `cannot revoke token ${token.id}: it is ${tokens.roleOf(token)}, and ${caller.name} is only ${caller.role} here`,
        )
      if (token.id === caller.token?.id) caller.stay?.()
      const problem = await tokens.revoke([token])
      log.info({ user: token.user, token: token.id, by: caller.name }, 'A token was revoked')
      if (problem !== null) throw problem
      return tokenView(token)
    },
  }
}

/** What is made while everybody is admin would be there still when tokens are asked for again. */
function refuseOpen({ via }: Caller): void {
  if (via === 'open')
    throw new AppError(
      'conflict',
      'this host asks for no tokens, so it makes none: start it without --insecure-loopback to manage users',
    )
}

function refuseNoAdmin({ name, role }: Caller, what: string): void {
  if (!roleMay(role, 'admin'))
    throw new AppError('not_permitted', `only an admin can ${what}, and ${name} is ${role}`)
}

/** Is this one of the caller's, or he an admin? Of all others he is told nothing, not even that they are there. */
function isShown({ kind, user }: TokenRecord, caller: Caller): boolean {
  return (kind === 'api' || kind === 'browser') && (user === caller.name || roleMay(caller.role, 'admin'))
}

/** @throws AppError `not_permitted`, `invalid_request` */
function roleFor(user: UserRecord, wanted: Role | undefined, caller: Caller): Role {
  if (wanted === undefined) return weakerRole(user.role, caller.role)
  if (weakerRole(wanted, caller.role) !== wanted)
    throw new AppError(
      'not_permitted',
      `cannot make a token with the role ${wanted}: ${caller.name} is ${caller.role} here`,
    )
  if (weakerRole(wanted, user.role) !== wanted)
    throw new AppError(
      'invalid_request',
      `cannot make a token with the role ${wanted}: the user ${user.name} is ${user.role}`,
    )
  return wanted
}

/** When a new token ends; null: never. @throws AppError `not_permitted` where that is too late */
function endFor(
  { expiresInSeconds }: Input<'createToken'>['body'],
  caller: Caller,
  nowMs: number,
): number | null {
  const boundMs = caller.token?.boundMs ?? null
  if (expiresInSeconds === undefined)
    return Math.min(nowMs + defaultLifeSeconds * 1000, boundMs ?? Number.POSITIVE_INFINITY)
  const endMs = expiresInSeconds === null ? null : nowMs + expiresInSeconds * 1000
  if (boundMs !== null && (endMs === null || endMs > boundMs))
    throw new AppError(
      'not_permitted',
      `this token ends at ${instant(boundMs)}, and so must what it makes: ask for a shorter life, or log in`,
    )
  return endMs
}

function viewOfUser(
  { name, role, isDisabled, createdAtMs }: UserRecord,
  { tokens }: Pick<Identity, 'tokens'>,
): UserView {
  const all = tokens.list(['api', 'browser'], name)
  const uses = all.flatMap(({ lastUsedAtMs }) => lastUsedAtMs ?? [])
  return {
    name,
    role,
    isDisabled,
    createdAt: instant(createdAtMs),
    tokens: all.filter((token) => tokens.stateOf(token) === 'good').length,
    lastUsedAt: uses.length === 0 ? null : instant(Math.max(...uses)),
  }
}

function viewOfToken(token: TokenRecord, { tokens }: Pick<Identity, 'tokens'>): TokenView {
  return {
    id: String(token.id),
    kind: token.kind === 'browser' ? 'browser' : 'api',
    user: token.user ?? '',
    role: tokens.roleOf(token),
    label: token.label,
    createdAt: instant(token.createdAtMs),
    expiresAt: instantOrNull(token.expiresAtMs),
    lastUsedAt: instantOrNull(token.lastUsedAtMs),
    lastUsedFrom: token.lastUsedFrom,
    revokedAt: instantOrNull(token.revokedAtMs),
  }
}

function instantOrNull(ms: number | null): string | null {
  return ms === null ? null : instant(ms)
}
