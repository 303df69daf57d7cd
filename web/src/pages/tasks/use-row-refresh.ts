/**
 * Keeps the rows of a search true: the search itself is not done again, but each task on the screen that has changed is
 * asked for by itself.
 */
import { type InfiniteData, useQueryClient } from '@tanstack/vue-query'
import { onScopeDispose, type Ref, ref, watch } from 'vue'
import { api } from '../../api/client.ts'
import { isLive, onChange } from '../../api/live.ts'
import type { ListPage, Place } from './pages.ts'
import { rowOf, type TaskRow } from './row.ts'

/** At most so many are asked for at a time, and so many in a round. */
const atOnce = 6
const mostInRound = 60
const roundMs = 1_000

export function useRowRefresh(
  queryKey: Ref<readonly unknown[]>,
  isOn: Ref<boolean>,
  rows: Ref<readonly TaskRow[]>,
) {
  const queries = useQueryClient()
  /** Ids of the rows on the screen. */
  const onScreen = ref<readonly string[]>([])
  /** Ids of loaded rows that have changed. */
  const stale = new Set<string>()
  let timer = 0
  let isBusy = false

  const due = () => onScreen.value.filter((id) => stale.has(id)).slice(0, mostInRound)
  function soon(): void {
    if (isOn.value && timer === 0 && !isBusy && due().length > 0)
      timer = window.setTimeout(() => void refresh(), roundMs)
  }
  function mark(ids: Iterable<string>): void {
    for (const id of ids) stale.add(id)
    soon()
  }

  async function refresh(): Promise<void> {
    timer = 0
    isBusy = true
    const key = queryKey.value
    const ids = due()
    for (const id of ids) stale.delete(id)
    const fresh = new Map<string, TaskRow>()
    for (let at = 0; at < ids.length; at += atOnce) {
      const some = ids.slice(at, at + atOnce)
      // one that cannot be read stays as it is: the next change, or the list itself, tells
      const tasks = await Promise.all(some.map((id) => api.getTask({ params: { id } }).catch(() => null)))
      for (const task of tasks) if (task !== null) fresh.set(task.id, rowOf(task))
    }
    isBusy = false
    if (fresh.size > 0) put(key, fresh)
    soon()
  }

  function put(key: readonly unknown[], fresh: ReadonlyMap<string, TaskRow>): void {
    queries.setQueryData<InfiniteData<ListPage, Place>>(key, (data) => {
      if (data === undefined) return data
      const pages = data.pages.map((page) => ({
        ...page,
        items: page.items.map((row) => fresh.get(row.id) ?? row),
      }))
      return { ...data, pages }
    })
  }

  onScopeDispose(
    onChange(({ tasks, hasMore }) => {
      if (!isOn.value) return
      const loaded = new Set(rows.value.map(({ id }) => id))
      mark(hasMore ? loaded : tasks.flatMap(({ id }) => (loaded.has(id) ? id : [])))
    }),
  )
  // after a cut nobody tells what was missed
  watch(isLive, (isLive) => isLive && mark(rows.value.map(({ id }) => id)))
  watch(onScreen, soon)
  watch(queryKey, () => stale.clear())
  onScopeDispose(() => clearTimeout(timer))
  return { onScreen }
}
