/**
 * What the pages ask of the host, each by one key. Lists of tasks begin with `keys.taskLists` and so on: the live stream
 * says by those which answers are old. The last answer stays on the screen until there is a newer one.
 */
import { keepPreviousData, QueryClient, useQuery } from '@tanstack/vue-query'
import { type MaybeRefOrGetter, toValue } from 'vue'
import { AppError } from '../../../src/core/errors.ts'
import type { HistoryRange } from '../../../src/protocol/choices.ts'
import { api } from './client.ts'

export const keys = {
  session: ['session'],
  overview: ['overview'],
  taskLists: ['tasks'],
  task: (id: string) => ['task', id],
  batchLists: ['batches'],
  batch: (id: string) => ['batch', id],
  nodeLists: ['nodes'],
  node: (name: string) => ['node', name],
  history: ['history'],
  me: ['me'],
  tokens: ['tokens'],
  users: ['users'],
} as const

/** Mistakes of ours are told at once; a host that is away is asked again. */
function mayHelp(error: unknown): boolean {
  return error instanceof AppError && ['unavailable', 'timeout', 'too_many'].includes(error.code)
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 5 * 60_000,
      retry: (failures, error) => mayHelp(error) && failures < 3,
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 8_000),
      refetchOnWindowFocus: true,
      placeholderData: keepPreviousData,
      // an answer is replaced as a whole; and what Vue watches inside of it has members that hide others of that name,
      // as `hasOwnProperty` of an environment
      shallow: true,
    },
    mutations: { retry: false },
  },
})

type Wanted<T> = MaybeRefOrGetter<T>

export function useOverview() {
  return useQuery({ queryKey: keys.overview, queryFn: () => api.overview({}), refetchInterval: 5_000 })
}

export function useTask(id: Wanted<string>) {
  return useQuery({
    queryKey: ['task', id],
    queryFn: () => api.getTask({ params: { id: toValue(id) } }),
    // another task's answer is never shown in its place
    placeholderData: (before) => (before?.id === toValue(id) ? before : undefined),
  })
}

export function useTaskEvents(id: Wanted<string>) {
  return useQuery({
    queryKey: ['task', id, 'events'],
    queryFn: async () => (await api.listTaskEvents({ params: { id: toValue(id) } })).items,
  })
}

export function useNodes(isWanted: Wanted<boolean> = true) {
  return useQuery({
    queryKey: keys.nodeLists,
    enabled: () => toValue(isWanted),
    queryFn: async () => (await api.listNodes({})).items,
    refetchInterval: 60_000,
  })
}

export function useNode(name: Wanted<string>, isWanted: Wanted<boolean> = true) {
  return useQuery({
    queryKey: ['node', name],
    enabled: () => toValue(isWanted),
    queryFn: () => api.getNode({ params: { name: toValue(name) } }),
    refetchInterval: 10_000,
    placeholderData: (before) => (before?.name === toValue(name) ? before : undefined),
  })
}

export function useBatch(id: Wanted<string>) {
  return useQuery({
    queryKey: ['batch', id],
    queryFn: () => api.getBatch({ params: { id: toValue(id) } }),
    placeholderData: (before) => (before?.id === toValue(id) ? before : undefined),
  })
}

/** How often a range is asked for again: about as often as it has a new step. */
const historyMs: Record<HistoryRange, number> = { hour: 10_000, day: 60_000, month: 10 * 60_000 }

/** Load over time of the whole cluster, or of one node. */
export function useHistory(range: Wanted<HistoryRange>, node: Wanted<string | null> = null) {
  return useQuery({
    queryKey: ['history', node, range],
    queryFn: () => {
      const name = toValue(node)
      const query = { range: toValue(range) }
      return name === null ? api.getHistory({ query }) : api.getNodeHistory({ params: { name }, query })
    },
    refetchInterval: () => historyMs[toValue(range)],
  })
}

/** How busy each node was, in so many steps. */
export function useNodeHistories(range: Wanted<HistoryRange>, points: number) {
  return useQuery({
    queryKey: ['history', 'nodes', range, points],
    queryFn: () => api.listNodeHistories({ query: { range: toValue(range), points } }),
    refetchInterval: () => 3 * historyMs[toValue(range)],
  })
}

/** CPU and memory over time of some tasks, by id; what has no figures is not there. */
export function useUsage(ids: Wanted<readonly string[]>) {
  return useQuery({
    queryKey: ['usage', ids],
    queryFn: async () => {
      const { items } = await api.listUsage({ query: { ids: [...toValue(ids)] } })
      return new Map(items.map((usage) => [usage.id, usage]))
    },
    enabled: () => toValue(ids).length > 0,
    refetchInterval: 5_000,
  })
}

/** Tokens and browsers of one user, newest first; null: those of who asks. */
export function useTokens(user: Wanted<string | null>) {
  return useQuery({
    queryKey: [...keys.tokens, user],
    queryFn: async () => {
      const name = toValue(user)
      return (await api.listTokens({ query: name === null ? {} : { user: name } })).items
    },
    refetchInterval: 30_000,
    // never those of another
    placeholderData: () => undefined,
  })
}

/** All users by name; for admins. */
export function useUsers(isWanted: Wanted<boolean> = true) {
  return useQuery({
    queryKey: keys.users,
    enabled: () => toValue(isWanted),
    queryFn: async () => (await api.listUsers({})).items,
    refetchInterval: 30_000,
  })
}

/** Who asks, and by which token or session. */
export function useMe() {
  return useQuery({ queryKey: keys.me, queryFn: () => api.whoAmI({}), staleTime: 60_000 })
}

export function useSession() {
  return useQuery({ queryKey: keys.session, queryFn: () => api.getSession({}), staleTime: 60_000 })
}
