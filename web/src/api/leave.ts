/** Logging out by one's own will, to be told from a login that was ended elsewhere. */
import type { QueryClient } from '@tanstack/vue-query'
import { api } from './client.ts'
import { keys } from './queries.ts'

let isOwnWill = false

/** Did who is out now leave by himself? It is asked once. */
export function hasLeft(): boolean {
  const answer = isOwnWill
  isOwnWill = false
  return answer
}

/** Logs this browser out. */
export async function logOut(queries: QueryClient): Promise<void> {
  const session = await api.endSession({ body: {} })
  isOwnWill = true
  queries.setQueryData(keys.session, session)
}
