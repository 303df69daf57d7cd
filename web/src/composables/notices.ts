/**
 * Notices of the browser, only where they were asked for and only while nobody looks: a watched batch or task has ended, a
 * node has gone silent.
 */
import { computed, reactive, ref } from 'vue'
import { isFinal, type Status } from '../../../src/core/task.ts'
import { keepOpen, onChange } from '../api/live.ts'
import { looks } from '../ui/states.ts'
import { readStored, readStoredJson, store } from './stored.ts'

const onKey = 'hakuriver.notices'
const watchedKey = 'hakuriver.watched'
const mostWatched = 200

/** Does this browser have notices? (Not without TLS, but on localhost.) */
export const canNotify = 'Notification' in window && window.isSecureContext
const isWished = ref(readStored(onKey) === 'on')
const permission = ref(canNotify ? Notification.permission : 'denied')
export const areNoticesOn = computed(() => canNotify && isWished.value && permission.value === 'granted')

/** Ids of tasks whose end is to be told. Those that were submitted here are watched by themselves. */
const watched = reactive(new Set(readWatched()))

function readWatched(): string[] {
  const stored = readStoredJson(watchedKey)
  return Array.isArray(stored) ? stored.filter((id) => typeof id === 'string').slice(-mostWatched) : []
}

/** Asks the browser for leave the first time. */
export async function toggleNotices(): Promise<void> {
  if (areNoticesOn.value) isWished.value = false
  else {
    permission.value = await Notification.requestPermission()
    isWished.value = permission.value === 'granted'
  }
  store(onKey, isWished.value ? 'on' : null)
  hold()
}

export function isWatched(id: string): boolean {
  return watched.has(id)
}

export function watchTask(id: string, isOn = true): void {
  if (isOn) watched.add(id)
  else watched.delete(id)
  while (watched.size > mostWatched) watched.delete(watched.values().next().value ?? '')
  store(watchedKey, watched.size === 0 ? null : JSON.stringify([...watched]))
}

let release: (() => void) | null = null

/** A hidden tab keeps its stream only for notices. */
function hold(): void {
  if (areNoticesOn.value && release === null) release = keepOpen()
  else if (!areNoticesOn.value) {
    release?.()
    release = null
  }
}
hold()

onChange(({ tasks }) => {
  for (const { id, status } of tasks) {
    if (!watched.has(id) || !isFinal(status)) continue
    watchTask(id, false)
    tell(id, status)
  }
})

function tell(id: string, status: Status): void {
  if (!areNoticesOn.value || !document.hidden) return
  const notice = new Notification(`Task ${id}: ${looks[status].word}`, { tag: `hakuriver-${id}` })
  notice.onclick = () => {
    window.focus()
    window.location.assign(`/tasks/${id}`)
  }
}
