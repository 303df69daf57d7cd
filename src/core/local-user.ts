/**
 * Which local user a task of an API user runs as on a node: the node's own configuration says it, and where that
 * says nothing, a runner that can become anybody runs nothing. Pure: users are looked up by what is handed in.
 */

/** What the configuration of a node says. */
export interface LocalUserRules {
  /** The section `[users]`: API user → local user; `*`: everybody else; `=`: the same name. null: there is none. */
  users: Readonly<Record<string, string>> | null
  /** `runner.task_user`: as `*`, where the section has none. */
  taskUser: string | null
}

/** What the runner can do on its node. */
export interface RunnerRights {
  node: string
  /** Whom it runs as itself. */
  ownUser: string
  /** It can run tasks as other users. */
  canSwitch: boolean
  /** It runs nothing of those that no rule names: it could become anybody. Else they are run as its own user. */
  deniesRest: boolean
  /** A user that no task may be, as it has rights over tasks; left out: none. */
  keptUser?: string
  /** The first id of an ordinary user (UID_MIN of login.defs(5)). */
  uidMin: number
  /** By name; null: there is no such user. */
  find: (name: string) => { uid: number } | null
}

export type LocalUser = { user: string } | { refusal: string }

/** Every other API user. */
export const everybodyElse = '*'
/** The local user of the same name. */
export const sameName = '='

/** UID_MIN where nothing says otherwise (login.defs(5)). */
export const usualUidMin = 1000

/** May this name a local user? One of digits alone would be read as an id (systemd.exec(5), User=). */
export function isLocalUserName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?$/.test(name)
}

/** Whom a task of this API user runs as, or in one sentence why it does not run there and what to write where. */
export function localUserOf(owner: string, rules: LocalUserRules, rights: RunnerRights): LocalUser {
  const rule = ruleFor(owner, rules)
  if (rule === null) {
    return rights.deniesRest || rules.users !== null
      ? refuse(
          `${rights.node} runs nothing of ${owner}: add \`${lineFor(owner)}\` to [users] in its configuration`,
        )
      : { user: rights.ownUser }
  }
  const user = rule.user === sameName ? owner : rule.user
  if (!rights.canSwitch) {
    return user === rights.ownUser
      ? { user }
      : refuse(
          `${rights.node} runs tasks as ${rights.ownUser} alone, and those of ${owner} are to run as ${user}: its runner has to be root, or to have the launcher (hakuriver init service --runner)`,
        )
  }
  return mayBe(owner, user, rule, rights) ?? { user }
}

interface Rule {
  user: string
  /** It names this very API user. */
  isNamed: boolean
}

function ruleFor(owner: string, { users, taskUser }: LocalUserRules): Rule | null {
  const named = owner === everybodyElse ? undefined : ownValue(users, owner)
  if (named !== undefined) return { user: named, isNamed: true }
  const rest = ownValue(users, everybodyElse) ?? taskUser
  return rest === null ? null : { user: rest, isNamed: false }
}

function ownValue(users: LocalUserRules['users'], name: string): string | undefined {
  return users !== null && Object.hasOwn(users, name) ? users[name] : undefined
}

/** Why a task may not be this user; null: it may. */
function mayBe(owner: string, user: string, rule: Rule, rights: RunnerRights): LocalUser | null {
  const { node, find, uidMin, keptUser } = rights
  if (!isLocalUserName(user))
    return refuse(`"${user}", which ${owner} is mapped to on ${node}, cannot be the name of a user`)
  const found = find(user)
  if (found === null)
    return refuse(`the user ${user} does not exist on ${node}, where tasks of ${owner} are to run as it`)
  if (found.uid === 0 && !(rule.isNamed && rule.user === 'root')) {
    return refuse(
      `${node} runs tasks of ${owner} as root only if its configuration says so: add \`${lineFor(owner, 'root')}\` to [users], or map ${owner} to another user`,
    )
  }
  if (keptUser !== undefined && (user === keptUser || found.uid === find(keptUser)?.uid)) {
    return refuse(
      `${node} runs no task as ${user}, which is its runner's own user: map ${owner} to another one in [users] of its configuration`,
    )
  }
  if (rule.user === sameName && found.uid < uidMin) {
    return refuse(
      `${node} does not run tasks of ${owner} as its system user of the same name (id ${found.uid}, below ${uidMin}): add \`${lineFor(owner)}\` to [users] in its configuration`,
    )
  }
  return null
}

function lineFor(owner: string, user = '…'): string {
  return `${owner} = "${user}"`
}

function refuse(refusal: string): LocalUser {
  return { refusal }
}
