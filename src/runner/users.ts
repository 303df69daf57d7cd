/** Local users of a node, from the password file (passwd(5)). */
import { readFileSync } from 'node:fs'
import { usualUidMin } from '../core/local-user.ts'

export interface LocalUser {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

/** Looks a user up by name; null where there is none. Read at each call: users come and go. */
export function findUser(name: string, path = '/etc/passwd'): LocalUser | null {
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [user, , uid, gid, , home, shell] = line.split(':')
    if (user === name)
      return { name, uid: Number(uid), gid: Number(gid), home: home ?? '/', shell: shell ?? '/bin/sh' }
  }
  return null
}

/** The first id of an ordinary user (UID_MIN of login.defs(5)). */
export function readUidMin(path = '/etc/login.defs'): number {
  try {
    const found = /^\s*UID_MIN\s+(\d+)\s*$/m.exec(readFileSync(path, 'utf8'))?.[1]
    return found === undefined ? usualUidMin : Math.max(1, Number(found))
  } catch {
    return usualUidMin
  }
}

/** The variables of a login that tell a program who it is (systemd.exec(5) sets the same). */
export function userVariables(user: LocalUser): [string, string][] {
  return [
    ['HOME', user.home],
    ['LOGNAME', user.name],
    ['SHELL', user.shell],
    ['USER', user.name],
  ]
}

/** Words that give root up for a user before a command (setpriv(1)); with the bounding set it is for good. */
export function becomeUser(user: LocalUser, { dropsBoundingSet = false } = {}): string[] {
  const bounds = dropsBoundingSet ? ['--bounding-set=-all'] : []
  const ids = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups']
  return ['setpriv', ...ids, '--inh-caps=-all', ...bounds, '--']
}
