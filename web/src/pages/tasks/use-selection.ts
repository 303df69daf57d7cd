/** Which tasks of a list are chosen: one by one, a range, or all that its filter matches. */
import { computed, onScopeDispose, type Ref, ref, shallowRef, watch } from 'vue'
import type { Status } from '../../../../src/core/task.ts'
import { limits } from '../../../../src/protocol/limits.ts'
import { api } from '../../api/client.ts'
import { onChange } from '../../api/live.ts'
import { type TaskFilter, wantedOf } from './filter.ts'
import type { TaskRow } from './row.ts'
import { rangeOf, refreshed, type Selection, statusesFor, toggled, withAll } from './selection.ts'

export function useSelection(filter: Ref<TaskFilter>, rows: Ref<readonly TaskRow[]>) {
  const selection = shallowRef<Selection>(new Map())
  /** Where a range begins. */
  let anchor: string | null = null
  /** There are more that match than can be chosen. */
  const isCut = ref(false)
  const isAsking = ref(false)
  const error = shallowRef<unknown>(null)

  function set(next: Selection): void {
    selection.value = next
    isCut.value = false
  }
  const clear = () => {
    anchor = null
    error.value = null
    set(new Map())
  }

  // what is chosen changes meanwhile: the question before a kill tells it as it is
  watch(rows, (now) => {
    selection.value = refreshed(selection.value, now)
  })
  onScopeDispose(
    onChange(({ tasks }) => {
      selection.value = refreshed(selection.value, tasks)
    }),
  )
  watch(
    () => JSON.stringify(wantedOf(filter.value)),
    () => clear(),
  )

  /** All that match, the newest first, as many as can be done at a time. */
  async function selectAllMatching(): Promise<void> {
    isAsking.value = true
    error.value = null
    const { status: _, ...others } = wantedOf(filter.value)
    const wanted = filter.value.statuses
    // the host tells ids alone: asked by what can be done with them, they are known well enough
    const kinds: { statuses: Status[]; as: Status }[] = [
      { statuses: statusesFor('kill', wanted), as: 'running' },
      { statuses: statusesFor('rerun', wanted), as: 'completed' },
      { statuses: wanted.length === 0 || wanted.includes('killing') ? ['killing'] : [], as: 'killing' },
    ]
    try {
      const answers = await Promise.all(
        kinds.map(async ({ statuses, as }) => {
          if (statuses.length === 0) return { ids: [], hasMore: false, as }
          return { ...(await api.listTaskIds({ query: { ...others, status: statuses } })), as }
        }),
      )
      const all = answers.flatMap(({ ids, as }) => ids.map((id) => ({ id, status: as })))
      all.sort((a, b) => Number(b.id) - Number(a.id))
      selection.value = withAll(new Map(), all, limits.bulkTasks)
      isCut.value = answers.some(({ hasMore }) => hasMore) || all.length > limits.bulkTasks
    } catch (thrown) {
      error.value = thrown
    } finally {
      isAsking.value = false
    }
  }

  return {
    selection,
    number: computed(() => selection.value.size),
    isCut,
    isAsking,
    error,
    clear,
    select: (row: TaskRow, isRange: boolean) => {
      if (isRange && anchor !== null)
        set(withAll(selection.value, rangeOf(rows.value, anchor, row.id), limits.bulkTasks))
      else set(toggled(selection.value, row))
      anchor = row.id
    },
    selectLoaded: (isOn: boolean) => {
      set(isOn ? withAll(selection.value, rows.value, limits.bulkTasks) : new Map())
    },
    selectAllMatching,
  }
}
