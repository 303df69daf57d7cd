/** The users of a host: names with roles, in memory as they are in the store. */
import { AppError } from '../core/errors.ts'
import { isUserName, type Role, weakerRole } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import { limits } from '../protocol/limits.ts'
import type { Store, UserRecord } from './store/store.ts'

export interface UsersDeps {
  store: Pick<Store, 'users' | 'saveIdentity'>
  clock: Pick<Clock, 'now'>
}

/** What is changed of a user. */
export interface UserChange {
  role?: Role | undefined
  isDisabled?: boolean | undefined
}

export class Users {
  private readonly deps: UsersDeps
  private readonly users: Map<string, UserRecord>
  private readonly weakened = new Set<(user: string) => void>()
  /** The change that was asked for last: one after the other, or two admins could take each other's role. */
  private last: Promise<unknown> = Promise.resolve()

  private constructor(deps: UsersDeps, records: readonly UserRecord[]) {
    this.deps = deps
    this.users = new Map(records.map((record) => [record.name, record]))
  }

  static async open(deps: UsersDeps): Promise<Users> {
    return new Users(deps, await deps.store.users())
  }

  get(name: string): UserRecord | null {
    return this.users.get(name) ?? null
  }

  /** @throws AppError `not_found` */
  wanted(name: string): UserRecord {
    const user = this.users.get(name)
    if (user === undefined) throw new AppError('not_found', `there is no user ${name}`)
    return user
  }

  /** By name. */
  list(): UserRecord[] {
    return [...this.users.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Calls back whenever a user may do less than before. */
  onWeakened(action: (user: string) => void): void {
    this.weakened.add(action)
  }

  /** @throws AppError `conflict` where the name is taken, `too_many`, `store_full` */
  async create(name: string, role: Role): Promise<UserRecord> {
    if (!isUserName(name))
      throw new AppError(
        'invalid_request',
        `"${name}" is no name of a user: write small letters, digits, - and _, not beginning with a digit or -`,
      )
    const before = this.users.get(name)
    if (before !== undefined)
      throw new AppError(
        'conflict',
        before.isDisabled
          ? `there was a user ${name}, whose tasks are still its own: enable it again in place of a new one`
          : `there is a user ${name} already`,
      )
    if (this.users.size >= limits.users)
      throw new AppError('too_many', `there are ${limits.users} users: no more can be made`)
    const user = { name, role, isDisabled: false, createdAtMs: this.deps.clock.now() }
    // the name is taken from now on: a second one with it must not come between
    this.users.set(name, user)
    try {
      await this.deps.store.saveIdentity({ users: [user] })
    } catch (error) {
      this.users.delete(name)
      throw error
    }
    return user
  }

  /**
   * What a user may not do any more it may not from now on, also where that cannot be saved.
   * @throws AppError `not_found`, `conflict` for the last admin, `store_full`
   */
  update(name: string, change: UserChange): Promise<UserRecord> {
    const turn = this.last.then(() => this.updateNow(name, change))
    this.last = turn.catch(() => {})
    return turn
  }

  /** Those who can mend everything else. */
  admins(): UserRecord[] {
    return [...this.users.values()].filter(isAdmin)
  }

  private async updateNow(name: string, { role, isDisabled }: UserChange): Promise<UserRecord> {
    const before = this.wanted(name)
    const after = { ...before, role: role ?? before.role, isDisabled: isDisabled ?? before.isDisabled }
    if (isAdmin(before) && !isAdmin(after) && this.admins().length === 1)
      throw new AppError('conflict', `${name} is the last admin: make another user an admin first`)
    const least = {
      ...before,
      role: weakerRole(before.role, after.role),
      isDisabled: before.isDisabled || after.isDisabled,
    }
    this.users.set(name, least)
    if (least.role !== before.role || least.isDisabled !== before.isDisabled)
      for (const tell of this.weakened) tell(name)
    await this.deps.store.saveIdentity({ users: [after] })
    this.users.set(name, after)
    return after
  }
}

function isAdmin({ role, isDisabled }: UserRecord): boolean {
  return role === 'admin' && !isDisabled
}
