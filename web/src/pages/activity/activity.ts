/** What a row of the log of who did what says, in words, and where it leads. */
import type { AuditView } from '../../../../src/protocol/schemas.ts'

/** What is named behind the words. */
type Kind = 'task' | 'batch' | 'node' | 'other'

interface Words {
  done: string
  /** Of the first target; left out: nothing leads anywhere. */
  kind: Kind
  /** Of the targets behind it, where they are others. */
  rest?: Kind
}

/** Of endpoints; in the order in which they are offered as a filter. */
const actions: Record<string, Words> = {
  submitBatch: { done: 'submitted batch', kind: 'batch' },
  killTask: { done: 'killed task', kind: 'task' },
  killTasks: { done: 'killed tasks', kind: 'task' },
  killBatch: { done: 'killed batch', kind: 'batch' },
  rerunTasks: { done: 'ran again, as batch', kind: 'batch', rest: 'task' },
  forgetTask: { done: 'gave up task', kind: 'task' },
  readLog: { done: 'read the output of task', kind: 'task' },
  readEnvironment: { done: 'read the environment of task', kind: 'task' },
  drainNode: { done: 'drained node', kind: 'node' },
  resumeNode: { done: 'opened again node', kind: 'node' },
  removeNode: { done: 'removed node', kind: 'node' },
  endUnknownTasks: { done: 'ended what is unknown on node', kind: 'node' },
  makeJoinTokens: { done: 'invited machines', kind: 'other' },
  joinCluster: { done: 'joined as node', kind: 'node' },
  renewCertificate: { done: 'renewed the certificate of node', kind: 'node' },
  revokeNode: { done: 'revoked node', kind: 'node' },
  rotateAuthority: { done: 'began to change the authority for certificates', kind: 'other' },
  finishAuthority: { done: 'ended the change of the authority for certificates', kind: 'other' },
  beginSession: { done: 'logged in', kind: 'other' },
  endSession: { done: 'logged out', kind: 'other' },
  makeLoginLink: { done: 'made a login link', kind: 'other' },
  claimLogin: { done: 'used an invitation', kind: 'other' },
  createUser: { done: 'made user', kind: 'other' },
  updateUser: { done: 'changed user', kind: 'other' },
  inviteUser: { done: 'invited user', kind: 'other' },
  createToken: { done: 'made token', kind: 'other' },
  revokeToken: { done: 'revoked token', kind: 'other' },
  restore: { done: 'restored a backup, in a shell', kind: 'other' },
  readBackup: { done: 'made a backup', kind: 'other' },
  seedSubmit: { done: 'submitted, the original way, batch', kind: 'batch' },
  seedKill: { done: 'killed, the original way, task', kind: 'task' },
  refusedCalls: { done: 'were refused many times', kind: 'other' },
}

/** For a filter: the endpoint, and what it does. */
export const actionChoices: readonly { value: string; label: string }[] = Object.entries(actions).map(
  ([value, { done }]) => ({ value, label: done }),
)

/** "killed task"; of one that is not known here its own name. */
export function wordsOf({ action, target }: Pick<AuditView, 'action' | 'target'>): string {
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (known === undefined) return action
  // without the thing itself there is nothing to name
  return target.length === 0
    ? known.done.replace(/(,? as| of)? (batch|tasks?|node|user|token)$/, '')
    : known.done
}

export interface Place {
  text: string
  kind: Kind
}

/** So many are named; the rest is a number. */
const mostShown = 3

/** What it was about, each with where it leads. */
export function placesOf({ action, target }: Pick<AuditView, 'action' | 'target'>): {
  places: Place[]
  more: number
} {
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined
  const kindAt = (at: number): Kind => (at === 0 ? known?.kind : (known?.rest ?? known?.kind)) ?? 'other'
  const named = target.filter((text) => !text.startsWith('…'))
  const whole = Number(/^…\((\d+)\)$/.exec(target.at(-1) ?? '')?.[1] ?? named.length)
  const places = named.slice(0, mostShown).map((text, at) => ({ text, kind: kindAt(at) }))
  return { places, more: Math.max(0, whole - places.length) }
}

/** "role viewer, ttl seconds 60": the details as words. */
export function detailWords(details: AuditView['details']): string {
  return Object.entries(details)
    .map(
      ([name, value]) => `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${String(value)}`,
    )
    .join(', ')
}

/** Who it was: a user, or what else is known. */
export function whoOf({ user, via }: Pick<AuditView, 'user' | 'via'>): string {
  return user ?? (via === 'nobody' ? 'somebody unknown' : via)
}

/** How far back, by the choice in the address. */
export const spans = { '1h': 'the last hour', '24h': 'the last day', '7d': 'the last week' } as const
const spanMs: Record<string, number> = { '1h': 3_600_000, '24h': 86_400_000, '7d': 7 * 86_400_000 }

/** null: all that there is. */
export function sinceOf(span: string | null, nowMs: number): string | null {
  const ms = span !== null && Object.hasOwn(spanMs, span) ? spanMs[span] : undefined
  return ms === undefined ? null : new Date(nowMs - ms).toISOString()
}
