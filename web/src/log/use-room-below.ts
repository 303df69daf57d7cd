/** How tall a box can be so that it ends where the window does, wherever it begins. */
import { onScopeDispose, type Ref, ref, watch } from 'vue'

/** Free at the bottom. */
const gapPx = 20

/** Height in pixels; null: not known so far. */
export function useRoomBelow(box: Ref<HTMLElement | null>) {
  const height = ref<number | null>(null)
  const look = () => {
    if (box.value === null) return
    const top = box.value.getBoundingClientRect().top + window.scrollY
    height.value = Math.floor(window.innerHeight - top - gapPx)
  }
  const resized = new ResizeObserver(look)
  watch(
    box,
    (element) => {
      resized.disconnect()
      if (element?.parentElement) resized.observe(element.parentElement)
    },
    { flush: 'post' },
  )
  window.addEventListener('resize', look)
  onScopeDispose(() => {
    resized.disconnect()
    window.removeEventListener('resize', look)
  })
  return height
}
