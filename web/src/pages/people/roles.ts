/** Roles in words, and which of them somebody may hand on. */
import { type Role, roles } from '../../../../src/core/roles.ts'

/** What each may, for who chooses one: each may all that those before it may. */
export const roleWords: Record<Role, string> = {
  viewer: 'looks: nodes, tasks and batches, but no output',
  submitter: 'runs commands, ends its own tasks and reads what they write',
  operator: 'the same with everybody’s tasks; drains and removes nodes',
  admin: 'users, and tokens of others',
}

/** Nobody hands on more than he has. */
export function rolesUpTo(own: Role): Role[] {
  return roles.slice(0, roles.indexOf(own) + 1)
}

/** "an operator", "a viewer". */
export function asA(role: Role): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`
}
