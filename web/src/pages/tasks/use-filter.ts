/** The filter of a list, as the address has it. */
import { computed } from 'vue'
import { type LocationQueryRaw, useRoute, useRouter } from 'vue-router'
import { readFilter, type TaskFilter, writeFilter } from './filter.ts'

/** `batchId`: the list is of this batch. */
export function useTaskFilter(batchId: string | null = null) {
  const route = useRoute()
  const router = useRouter()
  const { path } = route
  // the address of the page that comes next is not ours any more
  const filter = computed<TaskFilter>((before) =>
    before !== undefined && route.path !== path ? before : readFilter(route.query, batchId),
  )
  /** The address with a change of it; a sort that is gone falls back. */
  const to = (change: Partial<TaskFilter>) => {
    const next = { ...filter.value, ...change }
    const query = writeFilter(next, route.query, batchId !== null) as LocationQueryRaw
    return { path: route.path, query, hash: route.hash }
  }
  return {
    filter,
    to,
    change: (change: Partial<TaskFilter>) => void router.replace(to(change)),
    clear: () => void router.replace(to({ statuses: [], node: null, owner: null, q: '' })),
  }
}
