/** Roles in words, and which of them somebody may hand on. */
import { type Role, roles } from '../../../../src/core/roles.ts'

/** What each may, for who chooses one: behind “may”. */
export const roleWords: Record<Role, string> = {
  viewer: 'look at nodes, tasks and batches, but not at what tasks write',
  submitter: 'run commands, end tasks of their own and read what these write',
  operator: 'do the same with everybody’s tasks, drain nodes and remove them',
  admin: 'do everything: add users too, and make tokens for others',
}

/** Nobody hands on more than he has. */
export function rolesUpTo(own: Role): Role[] {
  return roles.slice(0, roles.indexOf(own) + 1)
}

/** "an operator", "a viewer". */
export function asA(role: Role): string {
  return `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}`
}
