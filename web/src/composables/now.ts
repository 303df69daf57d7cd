/** The host's time, ticking: one timer for all ages on the screen. */
import { onScopeDispose, readonly, ref } from 'vue'
import { hostNow } from '../api/live.ts'

const now = ref(hostNow())
let users = 0
let timer = 0

/** Milliseconds by the host's clock, once a second while somebody looks. */
export function useNow() {
  users += 1
  now.value = hostNow()
  if (users === 1) {
    timer = window.setInterval(() => {
      if (!document.hidden) now.value = hostNow()
    }, 1_000)
  }
  onScopeDispose(() => {
    users -= 1
    if (users === 0) clearInterval(timer)
  })
  return readonly(now)
}
