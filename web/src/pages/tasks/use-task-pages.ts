/**
 * A list of tasks of any length, read page by page as one scrolls. Few pages are kept; those that are scrolled away are
 * read again when they come back. While somebody reads, the list is held still: what is new waits at its top.
 */
import {
  hashKey,
  type InfiniteData,
  keepPreviousData,
  useInfiniteQuery,
  useQueryClient,
} from '@tanstack/vue-query'
import { computed, onScopeDispose, type Ref, ref, shallowRef, watch } from 'vue'
import { api } from '../../api/client.ts'
import { onChange } from '../../api/live.ts'
import { type TaskFilter, wantedOf } from './filter.ts'
import { canBeCounted, type Newer, nothingNewer, withDigest } from './newer.ts'
import { held, type ListPage, PagePlaces, type Pages, type Place, pageOf, rowsOf } from './pages.ts'
import { useRowRefresh } from './use-row-refresh.ts'

/** Rows of a page. */
const pageRows = 100
/** Pages that are kept: each is asked for again when something has changed. */
const mostPages = 4
/** A search is not asked again, and its pages may have few rows or none. */
const mostSearchPages = 200

/** Places by the query that they are of: they live as long as its answer. */
const placesOf = new WeakMap<object, PagePlaces>()

export function useTaskPages(filter: Ref<TaskFilter>, isReading: Ref<boolean>) {
  const queries = useQueryClient()
  const wanted = computed(() => {
    const { sort, order } = filter.value
    return { ...wantedOf(filter.value), sort, order }
  })
  const isSearch = computed(() => wanted.value.q !== undefined)
  const queryKey = computed(() => [isSearch.value ? 'task-search' : 'tasks', 'list', wanted.value])
  const hash = computed(() => hashKey(queryKey.value))

  const query = useInfiniteQuery(
    computed(() => ({
      queryKey: queryKey.value,
      queryFn: async ({ pageParam }: { pageParam: unknown }) => {
        const cursor = pageParam as Place // the only kind that this query has
        const page = await api.listTasks({
          query: { ...wanted.value, limit: pageRows, ...(cursor !== null && { cursor }) },
        })
        return pageOf(page)
      },
      initialPageParam: null as Place,
      getNextPageParam: ({ next }: ListPage) => next,
      getPreviousPageParam: (_first: ListPage, _pages: ListPage[], place: Place) => places().of(place).before,
      maxPages: isSearch.value ? mostSearchPages : mostPages,
      ...(isSearch.value && { staleTime: 'static' as const }),
      placeholderData: keepPreviousData,
      shallow: true,
    })),
  )

  function places(): PagePlaces {
    const entry = queries.getQueryCache().find({ queryKey: queryKey.value, exact: true })
    if (entry === undefined) return new PagePlaces()
    const known = placesOf.get(entry) ?? new PagePlaces()
    placesOf.set(entry, known)
    return known
  }

  const loaded = shallowRef<Pages>({ pages: [], pageParams: [] })
  const base = ref(0)
  const extent = ref(0)
  const looked = ref(0)
  const set = (pages: Pages) =>
    queries.setQueryData<InfiniteData<ListPage, Place>>(queryKey.value, pages, {
      updatedAt: query.dataUpdatedAt.value,
    })

  watch(
    [query.data, query.isPlaceholderData, isReading],
    () => {
      const data = query.data.value as Pages | undefined // as `useInfiniteQuery` keeps it
      if (data === undefined) return
      if (!query.isPlaceholderData.value) {
        places().note(data)
        const still = isReading.value ? held(data) : null
        if (still !== null) {
          // this watch runs again with what is set here
          set(still)
          return
        }
        const place = data.pageParams[0] ?? null
        const last = data.pages.at(-1)
        base.value = places().of(place).rows
        extent.value = places().extent
        looked.value = places().of(data.pageParams.at(-1) ?? null).looked + (last?.looked ?? 0)
      }
      loaded.value = data
    },
    { immediate: true, flush: 'sync' },
  )

  const rows = computed(() => rowsOf(loaded.value.pages))
  const index = computed(() => new Map(rows.value.map((row, at) => [row.id, at])))
  /** Number of rows that are known to be there, loaded or not: the page stays as long while others are read. */
  const count = computed(() => {
    const end = base.value + rows.value.length
    const isAll = loaded.value.pages.length > 0 && !query.hasNextPage.value
    return isAll ? end : Math.max(extent.value, end)
  })
  const isHeld = computed(() => (loaded.value.pageParams[0] ?? null) !== null)
  const newer = shallowRef<Newer>(nothingNewer)
  watch([hash, isHeld], () => {
    newer.value = nothingNewer
  })
  onScopeDispose(
    onChange((digest) => {
      if (!isHeld.value || !canBeCounted(filter.value)) return
      const list = {
        filter: filter.value,
        firstId: base.value === 0 ? (rows.value[0]?.id ?? null) : newestSeen,
        isShown: (id: string) => index.value.has(id),
      }
      newer.value = withDigest(newer.value, digest, list)
    }),
  )
  /** The first row of the list when it was last seen. */
  let newestSeen: string | null = null
  watch(rows, (now) => {
    if (base.value === 0) newestSeen = now[0]?.id ?? null
  })

  /** From here on, and no other page. */
  async function begin(place: Place): Promise<void> {
    set({ pages: [], pageParams: [place] })
    await query.refetch()
  }

  const isBusy = computed(() => query.isFetching.value)
  return {
    ...useRowRefresh(queryKey, isSearch, rows),
    rows,
    /** Place of a row by its id, among those that are loaded. */
    index,
    /** Number of rows before those that are loaded. */
    base,
    count,
    total: computed(() => loaded.value.pages[0]?.total ?? null),
    /** Tasks that a search has looked at; it goes on while `hasNext`. */
    looked,
    isSearch,
    newer,
    isHeld,
    isPending: query.isPending,
    isOld: query.isPlaceholderData,
    isFetching: query.isFetching,
    error: query.error,
    hasNext: query.hasNextPage,
    /** The last pages that were read in a row had nothing on them: so many. */
    emptyPages: computed(() => {
      const { pages } = loaded.value
      const lastFull = pages.findLastIndex(({ items }) => items.length > 0)
      return pages.length - 1 - lastFull
    }),
    retry: () => void query.refetch(),
    loadNext: () => {
      if (!isBusy.value && query.hasNextPage.value) void query.fetchNextPage()
    },
    loadBefore: () => {
      if (!isBusy.value && query.hasPreviousPage.value) void query.fetchPreviousPage()
    },
    /** Reads the pages about a row that was let go. */
    jumpTo: (row: number) => begin(places().nearest(row)),
    /** The newest again, and live. */
    toTop: () => begin(null),
    /** The same list, no longer held still. */
    release: () => {
      const { pages, pageParams } = loaded.value
      if (base.value > 0 || pageParams[0] === null || pages.length === 0) return
      set({ pages, pageParams: [null, ...pageParams.slice(1)] })
      void query.refetch()
    },
  }
}
