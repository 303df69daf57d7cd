/** Who may do what: roles, and what of others' work each of them may touch. Pure. */

/** Weakest first: each may all that those before it may. */
export const roles = ['viewer', 'submitter', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]

/** What a route asks for. Submitting is running a command on a machine, so it is apart from looking. */
export type Permission = 'view' | 'submit' | 'operate' | 'admin'

const leastRole: Record<Permission, Role> = {
  view: 'viewer',
  submit: 'submitter',
  operate: 'operator',
  admin: 'admin',
}

/** The user that a host begins with, and whose every task is that was made before there were users. */
export const firstUser = 'admin'

/** Names of users: those of useradd(8), so that each can be one of a node too. */
export const userNamePattern = '^[a-z_][a-z0-9_-]{0,31}$'

export function isUserName(text: string): boolean {
  return new RegExp(userNamePattern).test(text)
}

/** May somebody of this role do what a route asks for? */
export function roleMay(role: Role, permission: Permission): boolean {
  return roles.indexOf(role) >= roles.indexOf(leastRole[permission])
}

/** The role in which a token acts: never more than its user may by now. */
export function weakerRole(one: Role, other: Role): Role {
  return roles.indexOf(one) <= roles.indexOf(other) ? one : other
}

/** Who asks, as far as rights go. */
export interface Actor {
  name: string
  role: Role
}

/**
 * May this one end a task, read its output and environment, and run it again? Its own with the right to submit; those
 * of others from operator on.
 */
export function mayTouch(actor: Actor, owner: string): boolean {
  return actor.name === owner ? roleMay(actor.role, 'submit') : roleMay(actor.role, 'operate')
}
