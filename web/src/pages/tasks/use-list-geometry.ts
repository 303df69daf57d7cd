/** Where a list stands on the page, in pixels, whatever the size of the text and of what is above it. */
import { onScopeDispose, ref, type ShallowRef, watch } from 'vue'

/** Height of a row. */
export const rowRem = 3.25

export function useListGeometry(body: Readonly<ShallowRef<HTMLElement | null>>) {
  const rowPx = ref(rowRem * 16)
  /** From the top of the page to the first row. */
  const topPx = ref(0)
  /** Height of the page's head, which covers what scrolls beneath it; and of that with the list's own. */
  const headPx = ref(0)
  const hiddenPx = ref(0)

  function measure(): void {
    const element = body.value
    if (element === null) return
    rowPx.value = rowRem * Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
    topPx.value = Math.round(element.getBoundingClientRect().top + window.scrollY)
    headPx.value = document.querySelector<HTMLElement>('header')?.offsetHeight ?? 0
    hiddenPx.value = headPx.value + (element.closest('table')?.tHead?.offsetHeight ?? 0)
  }

  // whatever is above the list makes the page longer or shorter when it grows or shrinks
  const observer = new ResizeObserver(measure)
  watch(
    body,
    (element) => {
      observer.disconnect()
      const page = element?.closest('main')
      if (page) observer.observe(page)
      measure()
    },
    { immediate: true, flush: 'post' },
  )
  onScopeDispose(() => observer.disconnect())
  return { rowPx, topPx, headPx, hiddenPx }
}
