/** Who is here and what may be offered: the host decides again at each call. */
import { computed } from 'vue'
import { type Actor, firstUser, mayTouch, type Permission, roleMay } from '../../../src/core/roles.ts'
import type { SessionView } from '../../../src/protocol/schemas.ts'
import { useSession } from './queries.ts'

/** Whom a session speaks for; null: nobody is logged in. A host without tokens takes everybody for its admin. */
export function actorOf(session: SessionView | undefined): Actor | null {
  if (session === undefined) return null
  if (session.isOpen) return { name: session.name ?? firstUser, role: 'admin' }
  return session.name === null || session.role === null ? null : { name: session.name, role: session.role }
}

/** Answers are as the session is now: they change with it. */
export function useRights() {
  const { data } = useSession()
  const actor = computed(() => actorOf(data.value))
  return {
    actor,
    /** The host asks for no tokens, and makes none. */
    isOpen: computed(() => data.value?.isOpen === true),
    may: (permission: Permission) => actor.value !== null && roleMay(actor.value.role, permission),
    mayTouch: (owner: string) => actor.value !== null && mayTouch(actor.value, owner),
    isMe: (name: string) => actor.value?.name === name,
  }
}
