/** Whatever is done with users and tokens, nobody can do more than a small model says. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { type Permission, type Role, roleMay, roles } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { Gate } from './access.ts'
import type { Identity } from './auth.ts'
import type { Caller } from './caller.ts'
import { createIdentity, type IdentityHandlers } from './identity.ts'
import { createLogin, type LoginHandlers } from './login.ts'
import { SqliteStore } from './store/sqlite.ts'
import { Tokens } from './tokens.ts'
import { Users } from './users.ts'
import { WrongTries } from './wrong-tries.ts'

const names = ['admin', 'ann', 'bob', 'carl'] as const
const permissions: Permission[] = ['view', 'submit', 'operate', 'admin']
const rank = (role: Role) => roles.indexOf(role)

/** What is believed of a token, by its making alone. */
interface Known {
  secret: string
  id: string
  isBrowser: boolean
  user: string
  role: Role
  /** When it ends. */
  endMs: number
  isRevoked: boolean
  maker: Known | null
  /** What it makes ends by then. */
  boundMs: number
}

type Step =
  | { type: 'create'; by: number; name: string; role: Role }
  | { type: 'update'; by: number; name: string; role?: Role | undefined; isDisabled?: boolean | undefined }
  | {
      type: 'token'
      by: number
      user?: string | undefined
      role?: Role | undefined
      life: number | null | undefined
    }
  | { type: 'invite'; by: number; name: string; asBrowser: boolean }
  | { type: 'link'; by: number }
  | { type: 'revoke'; by: number; which: number }
  | { type: 'wait'; seconds: number }

const role = fc.constantFrom(...roles)
const name = fc.constantFrom(...names)
const by = fc.nat(9)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('create' as const), by, name, role }),
  fc.record({
    type: fc.constant('update' as const),
    by,
    name,
    role: fc.option(role, { nil: undefined }),
    isDisabled: fc.option(fc.boolean(), { nil: undefined }),
  }),
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('token' as const),
      by,
      user: fc.option(name, { nil: undefined, freq: 1 }),
      role: fc.option(role, { nil: undefined }),
      life: fc.constantFrom(undefined, null, 60, 600, 6_000),
    }),
  },
  fc.record({ type: fc.constant('invite' as const), by, name, asBrowser: fc.boolean() }),
  fc.record({ type: fc.constant('link' as const), by }),
  fc.record({ type: fc.constant('revoke' as const), by, which: fc.nat(9) }),
  fc.record({ type: fc.constant('wait' as const), seconds: fc.constantFrom(1, 59, 601, 86_400) }),
)

/** A host's identity without a network, and the model beside it. */
class World {
  nowMs = 1_790_000_000_000
  readonly users = new Map<string, { role: Role; isDisabled: boolean }>()
  readonly known: Known[] = []
  private readonly clock = {
    now: () => this.nowMs,
    monotonic: () => this.nowMs,
    after: () => () => {},
    soon: () => () => {},
  } as Clock
  private store!: SqliteStore
  private identity!: Identity
  private gate!: Gate
  private handlers!: IdentityHandlers & LoginHandlers

  async open(): Promise<void> {
    this.store = new SqliteStore(':memory:')
    await this.store.saveIdentity({
      users: [{ name: 'admin', role: 'admin', isDisabled: false, createdAtMs: this.nowMs }],
    })
    await this.start()
    this.users.set('admin', { role: 'admin', isDisabled: false })
    const first = { kind: 'api', user: 'admin', role: 'admin', label: 'first', expiresAtMs: null } as const
    const { secret, token } = await this.identity.tokens.make(first)
    const bounds = { endMs: Number.POSITIVE_INFINITY, boundMs: Number.POSITIVE_INFINITY }
    this.known.push({
      ...bounds,
      secret,
      id: String(token.id),
      isBrowser: false,
      user: 'admin',
      role: 'admin',
      isRevoked: false,
      maker: null,
    })
  }

  /** Also: once more, from what is saved. */
  async start(): Promise<void> {
    const { store, clock } = this
    await this.identity?.tokens.close()
    const users = await Users.open({ store, clock })
    const tokens = await Tokens.open({ store, users, clock, log: silentLog })
    this.identity = { users, tokens }
    const tries = new WrongTries(clock)
    this.gate = new Gate({ tokens, tries, isOpen: false, isSecure: false, nodeOf: null })
    const urlFor = () => 'http://127.0.0.1:8000'
    const common = { users, tokens, urlFor, clock, log: silentLog }
    this.handlers = {
      ...createIdentity({ ...common, fingerprint: () => null }),
      ...createLogin({ ...common, tries, isOpen: false, isSecure: false }),
    }
  }

  async close(): Promise<void> {
    await this.identity.tokens.close()
    await this.store.close()
  }

  /** null: it proves nothing. */
  modelRole(token: Known): Role | null {
    const user = this.users.get(token.user)
    if (token.isRevoked || token.endMs <= this.nowMs || user === undefined || user.isDisabled) return null
    return rank(user.role) < rank(token.role) ? user.role : token.role
  }

  /** As the gate sees it. */
  asked(token: Known, permission: Permission): Caller {
    const headers = token.isBrowser
      ? { cookie: `hakuriver_session=${token.secret}` }
      : { authorization: `Bearer ${token.secret}` }
    return this.gate.admit(permission, { method: 'GET', headers, address: '10.0.0.1', socket: null })
  }

  async take(each: Step): Promise<void> {
    if (each.type === 'wait') {
      this.nowMs += each.seconds * 1000
      return
    }
    const token = this.known[each.by % this.known.length]
    if (token === undefined) return
    try {
      await this.act(each, token)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      expect(error.code).not.toBe('internal')
    }
  }

  /** What is done is believed; the model says beforehand whether it may be. */
  private async act(each: Exclude<Step, { type: 'wait' }>, token: Known): Promise<void> {
    const mine = this.modelRole(token)
    const isAdmin = mine === 'admin'
    const { handlers } = this
    const call = (permission: Permission) => ({ ...this.asked(token, permission), visit })
    const none = { params: undefined, query: undefined, body: undefined }
    switch (each.type) {
      case 'create': {
        await handlers.createUser({ ...none, body: { name: each.name, role: each.role } }, call('admin'))
        expect(isAdmin && !this.users.has(each.name)).toBe(true)
        this.users.set(each.name, { role: each.role, isDisabled: false })
        return
      }
      case 'update': {
        const { name, role, isDisabled } = each
        const body = { ...(role && { role }), ...(isDisabled !== undefined && { isDisabled }) }
        await handlers.updateUser({ ...none, params: { name }, body }, call('admin'))
        expect(isAdmin).toBe(true)
        const before = this.users.get(name)
        if (before === undefined) throw new Error('nobody was changed')
        this.users.set(name, { role: role ?? before.role, isDisabled: isDisabled ?? before.isDisabled })
        return
      }
      case 'token': {
        const { user, role, life } = each
        const body = {
          label: 'x',
          ...(user && { user }),
          ...(role && { role }),
          ...(life !== undefined && { expiresInSeconds: life }),
        }
        const made = await handlers.createToken({ ...none, body }, call('view'))
        const of = user ?? token.user
        expect(mine).not.toBeNull()
        expect(of === token.user || isAdmin).toBe(true)
        const endMs = made.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(made.expiresAt)
        this.learn(
          {
            secret: made.token,
            id: made.id,
            isBrowser: false,
            user: of,
            role: made.role,
            endMs,
            boundMs: Math.min(endMs, token.boundMs),
          },
          token,
        )
        return
      }
      case 'invite': {
        const { name } = each
        const made = await handlers.inviteUser({ ...none, params: { name }, body: {} }, call('admin'))
        expect(isAdmin).toBe(true)
        const secret = made.invitation.split('#')[1] ?? ''
        if (each.asBrowser) return this.browse({ code: secret }, null)
        const claimed = await handlers.claimLogin({ ...none, body: { secret } }, { ...nobodyWith(visit) })
        const endMs = Date.parse(claimed.expiresAt ?? '')
        const record = this.identity.tokens.find(claimed.token)
        this.learn(
          {
            secret: claimed.token,
            id: String(record?.id),
            isBrowser: false,
            user: claimed.user,
            role: claimed.role,
            endMs,
            boundMs: Number.POSITIVE_INFINITY,
          },
          null,
        )
        // it is good once
        await expect(handlers.claimLogin({ ...none, body: { secret } }, nobodyWith(visit))).rejects.toThrow(
          AppError,
        )
        return
      }
      case 'link': {
        const { url } = await handlers.makeLoginLink({ ...none, body: {} }, call('view'))
        expect(mine).not.toBeNull()
        return this.browse({ code: new URL(url).hash.replace('#code=', '') }, token)
      }
      case 'revoke': {
        const other = this.known[each.which % this.known.length]
        if (other === undefined) return
        const others = this.modelRole(other) ?? 'viewer'
        await handlers.revokeToken({ ...none, params: { id: other.id }, body: {} }, call('view'))
        expect(isAdmin || (mine !== null && other.user === token.user)).toBe(true)
        expect(rank(others)).toBeLessThanOrEqual(rank(mine ?? 'viewer'))
        other.isRevoked = true
      }
    }
  }

  private async browse(body: { code: string }, maker: Known | null): Promise<void> {
    let cookie = ''
    const setCookie = (text: string) => {
      cookie = /=([^;]*)/.exec(text)?.[1] ?? ''
    }
    const session = await this.handlers.beginSession(
      { params: undefined, query: undefined, body },
      nobodyWith({ ...visit, setCookie }),
    )
    const record = this.identity.tokens.find(cookie)
    const endMs = Date.parse(session.expiresAt ?? '')
    const boundMs = maker?.boundMs ?? Number.POSITIVE_INFINITY
    this.learn(
      {
        secret: cookie,
        id: String(record?.id),
        isBrowser: true,
        user: session.name ?? '',
        role: session.role ?? 'viewer',
        endMs,
        boundMs,
      },
      maker,
    )
  }

  /** No token is stronger than its maker, nor outlives it where that is bounded. */
  private learn(made: Omit<Known, 'isRevoked' | 'maker'>, maker: Known | null): void {
    this.known.push({ ...made, isRevoked: false, maker })
    const user = this.users.get(made.user)
    expect(rank(made.role)).toBeLessThanOrEqual(rank(user?.role ?? 'viewer'))
    if (maker === null) return
    expect(rank(made.role)).toBeLessThanOrEqual(rank(maker.role))
    expect(made.endMs).toBeLessThanOrEqual(maker.boundMs)
  }

  check(): void {
    for (const token of this.known) {
      const may = this.modelRole(token)
      for (const permission of permissions) {
        let given: Role | null = null
        try {
          given = this.asked(token, permission).role
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
        expect(given !== null).toBe(may !== null && roleMay(may, permission))
        if (given !== null) expect(given).toBe(may)
      }
    }
    const admins = [...this.users.values()].filter(({ role, isDisabled }) => role === 'admin' && !isDisabled)
    expect(admins.length).toBeGreaterThan(0)
  }
}

const visit = { address: '10.0.0.1', origin: 'http://h:1', cookies: undefined, setCookie: () => {} }
function nobodyWith(of: Caller['visit'] & {}): Caller {
  return { name: 'nobody', role: 'viewer', via: 'nobody', token: null, visit: of }
}

it('lets nobody do more than the model says, also after a restart', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const world = new World()
      await world.open()
      try {
        for (const each of steps) {
          await world.take(each)
          world.check()
        }
        await world.start()
        world.check()
      } finally {
        await world.close()
      }
    }),
    { numRuns: 250 },
  )
})
