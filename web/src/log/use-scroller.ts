/**
 * The element that scrolls a log: listens to it, moves it, and says which lines are to be drawn and where. What a scroll
 * means is decided in `scroller.ts`.
 */
import { onScopeDispose, type Ref, ref, shallowRef, watch } from 'vue'
import { type Anchor, type Lines, pxBetween, walk } from './line-walk.ts'
import { leapPx, nativeHeightOf } from './scroll-track.ts'
import { atRest, isAtEnd, type Move, type Shown, scrolled, showAt, showEnd } from './scroller.ts'

export interface ScrollerParts {
  scroller: Ref<HTMLElement | null>
  /** As tall as all that can be scrolled. */
  spacer: Ref<HTMLElement | null>
  /** Holds the lines that are drawn, one below the other. */
  layer: Ref<HTMLElement | null>
}

export interface ScrollerDeps extends ScrollerParts {
  lines: () => Lines
  /** Somebody has scrolled, by hand. */
  onHand: () => void
}

/** Lines that are drawn beyond what is in sight, in the middle of a drag few; and by how many the drawn ones change at a time. */
const usualBeyond = 40
const leapBeyond = 6
const stepLines = 8
/** Nobody has scrolled for so long. */
const restMs = 180
/** After a wheel, a key or a finger, what moves is moved by it. */
const handMs = 500

export function useScroller(deps: ScrollerDeps) {
  const { scroller, spacer, layer, lines } = deps
  /** The lines that are drawn: from, and behind the last; counted from 0. */
  const drawn = shallowRef({ first: 0, end: 0 })
  const atEnd = ref(true)
  const top = shallowRef<Anchor>({ line: 0, px: 0 })
  let viewport = 0
  let shown: Shown = { top: { line: 0, px: 0 }, native: 0, track: { nativeEnd: 0, virtualEnd: 0 } }
  let beyond = usualBeyond
  let isDragged = false
  let handUntilMs = 0
  let upUntilMs = 0
  let restTimer: ReturnType<typeof setTimeout> | undefined

  function take(next: Shown, isBarMoved: boolean): void {
    const element = scroller.value
    if (element === null || spacer.value === null) return
    const height = `${nativeHeightOf(next.track, viewport)}px`
    if (spacer.value.style.height !== height) spacer.value.style.height = height
    if (isBarMoved) {
      if (Math.round(element.scrollTop) !== next.native) element.scrollTop = next.native
      next = { ...next, native: Math.round(element.scrollTop) }
    }
    shown = next
    top.value = next.top
    atEnd.value = isAtEnd(lines(), viewport, next)
    draw()
  }

  /** Which lines, and where: only where others are needed than are there. */
  function draw(): void {
    const all = lines()
    const last = walk(all, shown.top, viewport).line
    const { first, end } = drawn.value
    const isEnough =
      first <= Math.max(0, shown.top.line - beyond / 2) &&
      end >= Math.min(all.count, last + beyond / 2) &&
      end - first <= last - shown.top.line + 3 * beyond &&
      end <= all.count
    if (!isEnough) {
      const from = Math.max(0, Math.floor((shown.top.line - beyond) / stepLines) * stepLines)
      drawn.value = { first: from, end: Math.min(all.count, last + 1 + beyond) }
    }
    put()
  }

  function put(): void {
    const element = layer.value
    if (element === null) return
    const y = Math.round(shown.native - pxBetween(lines(), drawn.value.first, shown.top))
    element.style.transform = `translateY(${y}px)`
  }

  function onScroll(): void {
    const element = scroller.value
    // a window that has become taller scrolls by itself
    if (element === null || resize()) return
    const native = Math.round(element.scrollTop)
    if (native === shown.native) return // ours
    const move = moveBy(native - shown.native)
    beyond = move === 'drag' ? leapBeyond : usualBeyond
    const next = scrolled(lines(), viewport, shown, native, move)
    take(next, next.native !== native)
    clearTimeout(restTimer)
    restTimer = setTimeout(rest, restMs)
    deps.onHand()
  }

  function moveBy(px: number): Move {
    if (isDragged) return 'drag'
    const now = performance.now()
    const isByHand = now < handUntilMs
    // a flick goes on by itself
    if (isByHand) handUntilMs = now + handMs
    return isByHand || Math.abs(px) <= leapPx(viewport) ? 'step' : 'drag'
  }

  function rest(): void {
    beyond = usualBeyond
    if (isDragged) {
      draw()
      restTimer = setTimeout(rest, restMs)
    } else take({ ...shown, native: atRest(lines(), viewport, shown) }, true)
  }

  const onHandNow = (event: Event) => {
    handUntilMs = performance.now() + handMs
    isDragged = false
    if (event instanceof WheelEvent && event.deltaY < 0 && shown.native > 0)
      upUntilMs = performance.now() + restMs
  }
  const onDown = (event: PointerEvent) => {
    const element = scroller.value
    isDragged = event.target === element && element !== null && event.offsetX >= element.clientWidth
  }
  const onFree = (event: PointerEvent) => {
    if (event.buttons === 0) isDragged = false
  }
  /** Takes the height of the window. true: it is another. */
  function resize(): boolean {
    const height = scroller.value?.clientHeight ?? 0
    if (height === viewport) return false
    const wasAtEnd = atEnd.value
    viewport = height
    refresh(wasAtEnd)
    return true
  }
  const resized = new ResizeObserver(() => void resize())
  const passive = { passive: true } as const
  watch(
    scroller,
    (element, before) => {
      if (before !== null && before !== undefined) resized.unobserve(before)
      if (element === null) return
      viewport = element.clientHeight
      element.addEventListener('scroll', onScroll, passive)
      for (const type of ['wheel', 'touchstart', 'touchmove'] as const)
        element.addEventListener(type, onHandNow, passive)
      element.addEventListener('pointerdown', onDown, passive)
      resized.observe(element)
    },
    { flush: 'post' },
  )
  for (const type of ['pointermove', 'pointerup', 'pointercancel'] as const)
    window.addEventListener(type, onFree, passive)
  onScopeDispose(() => {
    for (const type of ['pointermove', 'pointerup', 'pointercancel'] as const)
      window.removeEventListener(type, onFree)
    resized.disconnect()
    clearTimeout(restTimer)
  })

  /** The lines are others, or have other heights: shows the same place, or the end. */
  function refresh(isEndWanted: boolean): void {
    // who begins to scroll up is let go
    if (isEndWanted && performance.now() >= upUntilMs) return take(showEnd(lines(), viewport), true)
    const next = showAt(lines(), viewport, shown.top)
    const isSame = next.top.line === shown.top.line && next.top.px === shown.top.px
    // the bar may be on its way: it is put right when it rests
    if (isSame && shown.native <= next.track.nativeEnd) take({ ...next, native: shown.native }, false)
    else take(next, true)
    clearTimeout(restTimer)
    restTimer = setTimeout(rest, restMs)
  }

  return {
    drawn,
    atEnd,
    top,
    refresh,
    put,
    /** Lines before it came or went: it shows the same ones. */
    shift: (by: number) => {
      shown = { ...shown, top: { ...shown.top, line: Math.max(0, shown.top.line + by) } }
    },
    /** Up or down, as by a key. */
    by: (px: number) => {
      take(showAt(lines(), viewport, walk(lines(), shown.top, px)), true)
      deps.onHand()
    },
    toEnd: () => take(showEnd(lines(), viewport), true),
    /** A line (counted from 0) to the top, or a third further down. */
    toLine: (line: number, share = 0) =>
      take(showAt(lines(), viewport, walk(lines(), { line, px: 0 }, -Math.round(viewport * share))), true),
    /** Is all of the line in sight? */
    isInSight: (line: number) => {
      const bottom = walk(lines(), shown.top, viewport)
      return line >= shown.top.line + (shown.top.px > 0 ? 1 : 0) && line < bottom.line
    },
    pagePx: () => Math.max(lines().rowPx, viewport - 2 * lines().rowPx),
  }
}
