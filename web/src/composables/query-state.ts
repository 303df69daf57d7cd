/** What is chosen on a page lives in its address: a link shows the same again, and Back goes back. */
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** One parameter of the address. null: it is not there. `push`: Back undoes a change of it. */
export function useQueryState(name: string, { push = false } = {}): WritableComputedRef<string | null> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return (Array.isArray(value) ? value[0] : value) ?? null
    },
    set: (value) => {
      const { [name]: _, ...rest } = route.query
      const query = value === null || value === '' ? rest : { ...rest, [name]: value }
      void router[push ? 'push' : 'replace']({ query, hash: route.hash })
    },
  })
}
