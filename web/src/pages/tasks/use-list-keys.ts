/** j, k, x, l: a list by keys. Where they are is told by a task's id, so that it stays when rows come and go. */
import { nextTick, type Ref, ref } from 'vue'
import { useRouter } from 'vue-router'
import { useHotkeys } from '../../composables/hotkeys.ts'
import { paths } from '../../paths.ts'
import type { TaskRow } from './row.ts'

interface List {
  rows: Ref<readonly TaskRow[]>
  index: Ref<ReadonlyMap<string, number>>
  base: Ref<number>
  /** The first row on the screen, by its place in the whole list. */
  firstSeen: () => number
  reveal: (id: string) => void
  select: (row: TaskRow, isRange: boolean) => void
  clear: () => void
  kill: () => void
  hasSelection: () => boolean
}

export function useListKeys(list: List) {
  const { rows, index, base } = list
  const router = useRouter()
  const current = ref<string | null>(null)

  const rowOfKeys = () => {
    const at = current.value === null ? undefined : index.value.get(current.value)
    return at === undefined ? null : (rows.value[at] ?? null)
  }
  async function move(by: number): Promise<void> {
    const at = current.value === null ? undefined : index.value.get(current.value)
    const from = at ?? Math.max(0, list.firstSeen() - base.value) - (by > 0 ? 1 : 0)
    const row = rows.value[Math.min(rows.value.length - 1, Math.max(0, from + by))]
    if (row === undefined) return
    current.value = row.id
    await nextTick()
    list.reveal(row.id)
  }

  useHotkeys([
    { keys: 'j', what: 'Next task; Enter opens it', run: () => void move(1) },
    { keys: 'k', what: 'Task before', run: () => void move(-1) },
    {
      keys: 'l',
      what: 'Log of the task',
      run: () => {
        if (current.value !== null) void router.push(paths.taskLog(current.value))
      },
    },
    {
      keys: 'x',
      what: 'Select the task',
      run: (event) => {
        const row = rowOfKeys()
        if (row !== null) list.select(row, event.shiftKey)
      },
    },
    { keys: 'Delete', what: 'Kill what is selected', run: () => list.kill() },
    { keys: 'Escape', what: 'Select nothing', run: () => list.clear() },
  ])
  return { current }
}
