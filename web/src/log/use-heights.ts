/** Heights of the lines of a log: all the same, or measured as they are drawn where long ones are wrapped. */
import { type ComponentPublicInstance, onScopeDispose, type Ref, ref, watch } from 'vue'
import type { Lines } from './line-walk.ts'

export interface HeightsOptions {
  scroller: Ref<HTMLElement | null>
  layer: Ref<HTMLElement | null>
  isWrapped: () => boolean
  count: () => number
  /** What stands behind the last line has another height, or the lines have. */
  onChange: () => void
}

/** Heights that are kept; of more, only those around what is drawn. */
const mostKept = 20_000
const keptAround = 200
const lineShare = 1.6

export function useHeights({ scroller, layer, isWrapped, count, onChange }: HeightsOptions) {
  /** Of a line of one row, in whole pixels. */
  const rowPx = ref(22)
  const measured = new Map<number, number>()
  /** Of what can be seen of the lines, without the scrollbar. */
  const width = ref(0)
  let footPx = 0
  let foot: Element | null = null

  const resized = new ResizeObserver((entries) => {
    let isOther = false
    for (const { target } of entries) {
      if (target === foot) {
        const height = target.getBoundingClientRect().height
        isOther ||= Math.ceil(height) !== footPx
        footPx = Math.ceil(height)
      } else if (target.clientWidth !== width.value) {
        width.value = target.clientWidth
        rowPx.value = Math.round(Number.parseFloat(getComputedStyle(target).fontSize) * lineShare)
        isOther ||= measured.size > 0
        measured.clear()
      }
    }
    if (isOther) onChange()
  })
  watch(
    scroller,
    (element) => {
      if (element !== null) resized.observe(element)
    },
    { flush: 'post' },
  )
  onScopeDispose(() => resized.disconnect())

  const heightOf = (line: number) => measured.get(line) ?? rowPx.value

  return {
    rowPx,
    width,
    lines: (): Lines => ({ count: count(), rowPx: rowPx.value, footPx, isWrapped: isWrapped(), heightOf }),
    /** Takes what stands behind the last line, or its leaving. */
    setFoot: (instance: Element | ComponentPublicInstance | null) => {
      const element =
        instance === null ? null : ((('$el' in instance ? instance.$el : instance) ?? null) as Element | null)
      if (element === foot) return
      if (foot !== null) resized.unobserve(foot)
      foot = element
      if (foot !== null) resized.observe(foot)
    },
    /** Looks at the lines that are drawn, of which this is the first. true: some are taller or smaller than was thought. */
    measure: (first: number): boolean => {
      if (!isWrapped() || layer.value === null) return false
      let isOther = false
      let line = first
      for (const element of layer.value.querySelectorAll<HTMLElement>(':scope > .line')) {
        const height = element.offsetHeight
        isOther ||= height !== heightOf(line)
        measured.set(line, height)
        line += 1
      }
      if (measured.size <= mostKept) return isOther
      for (const known of measured.keys())
        if (known < first - keptAround || known > line + keptAround) measured.delete(known)
      return isOther
    },
    /** The lines are wrapped otherwise. */
    forget: () => measured.clear(),
  }
}
