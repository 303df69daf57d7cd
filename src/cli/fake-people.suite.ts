/** The users and tokens of the fake host: enough of the contract for what the command line does about them. */
import { AppError } from '../core/errors.ts'
import type { Role } from '../core/roles.ts'
import type { Me, TokenView, UserView } from '../protocol/schemas.ts'

const madeAt = '2026-11-23T10:00:00.000Z'
const inviteEnd = '2099-11-23T11:00:00.000Z'

/** A user who is active, but for what is given. */
export function userOf(given: Partial<UserView> & { name: string }): UserView {
  return { role: 'submitter', isDisabled: false, createdAt: madeAt, tokens: 1, lastUsedAt: null, ...given }
}

/** A token that is live, but for what is given. */
export function tokenOf(given: Partial<TokenView> & { id: string }): TokenView {
  return {
    kind: 'api',
    user: 'ann',
    role: 'submitter',
    label: 'laptop',
    createdAt: madeAt,
    expiresAt: null,
    lastUsedAt: null,
    lastUsedFrom: null,
    revokedAt: null,
    ...given,
  }
}

export interface PeopleCall {
  path: string
  query: URLSearchParams
  body: unknown
  /** Where the host listens. */
  url: string
}

export class FakePeople {
  readonly users: UserView[] = [userOf({ name: 'admin', role: 'admin' })]
  readonly tokens: TokenView[] = []
  me: Me = { name: 'ann', role: 'submitter', via: 'token', tokenId: '7', expiresAt: null }
  /** The secret of an invitation that was not used yet, and for whom. */
  readonly invitations = new Map<string, string>()

  /** Answers what is asked about people; undefined: it is not about them. @throws AppError as the host refuses */
  answer(method: string, call: PeopleCall): unknown {
    const [kind, id = '', what] = call.path.replace('/api/v1/', '').split('/').map(decodeURIComponent)
    if (kind === 'me') return this.me
    if (kind === 'login') return this.claim(call.body as { secret: string; label?: string })
    if (kind === 'tokens' && what === 'revoke') return this.revoke(id)
    if (kind === 'tokens') return method === 'POST' ? this.make(call.body) : this.list(call.query)
    if (kind !== 'users') return undefined
    if (id === '') return method === 'POST' ? this.add(call.body) : { items: this.users }
    return what === 'invitations' ? this.invite(id, call.url) : this.update(id, call.body)
  }

  private claim({ secret, label = '' }: { secret: string; label?: string }): unknown {
    const user = this.invitations.get(secret)
    if (user === undefined) throw new AppError('unauthenticated', 'this invitation was used or is too old')
    this.invitations.delete(secret)
    const made = tokenOf({ id: String(100 + this.tokens.length), user, label })
    this.tokens.unshift(made)
    return { token: `token-of-${user}`, user, role: made.role, expiresAt: made.expiresAt }
  }

  private list(query: URLSearchParams): { items: TokenView[] } {
    const user = query.get('user') ?? this.me.name
    return { items: this.tokens.filter((token) => query.has('all') || token.user === user) }
  }

  private make(body: unknown): unknown {
    const given = body as { label: string; role?: Role; expiresInSeconds?: number | null; user?: string }
    const { label, role = this.me.role, user = this.me.name } = given
    const made = tokenOf({ id: '42', label, role, user })
    this.tokens.unshift(made)
    return { token: 'hakuriver_api_made', ...made }
  }

  private revoke(id: string): TokenView {
    const token = this.tokens.find((each) => each.id === id)
    if (token === undefined) throw new AppError('not_found', `there is no token ${id}`)
    return Object.assign(token, { revokedAt: madeAt })
  }

  private add(body: unknown): UserView {
    const { name, role } = body as { name: string; role: Role }
    if (this.users.some((user) => user.name === name))
      throw new AppError('conflict', `there is a user ${name} already`)
    const user = userOf({ name, role, tokens: 0 })
    this.users.push(user)
    return user
  }

  private invite(name: string, url: string): unknown {
    this.find(name)
    const secret = `hakuriver_login_${name.padEnd(32, 'x')}`
    this.invitations.set(secret, name)
    return { invitation: `${url}#${secret}`, link: `${url}/login#code=abc`, expiresAt: inviteEnd }
  }

  private update(name: string, body: unknown): UserView {
    return Object.assign(this.find(name), body)
  }

  private find(name: string): UserView {
    const user = this.users.find((each) => each.name === name)
    if (user === undefined) throw new AppError('not_found', `there is no user ${name}`)
    return user
  }
}
