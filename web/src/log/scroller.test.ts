import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { earlier, type Lines, lastTop, pxBetween, virtualOfAnchor, walk } from './line-walk.ts'
import { atRest, isAtEnd, type Shown, scrolled, showAt, showEnd } from './scroller.ts'

const rowPx = 22
const viewport = 700

function even(count: number): Lines {
  return { count, rowPx, footPx: 60, isWrapped: false, heightOf: () => rowPx }
}

/** Each line of one to nine rows. */
function wrapped(count: number): Lines {
  const heightOf = (line: number) => rowPx * (1 + ((line * 2_654_435_761) % 9))
  return { count, rowPx, footPx: 60, isWrapped: true, heightOf }
}

const anyLines = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 100_000, max: 250_000 }),
  fc.integer({ min: 0, max: 50_000_000 }),
)
const anyLog = fc.oneof(anyLines.map(even), anyLines.map(wrapped))
/** By wheel, keys and fingers. */
const step = fc.integer({ min: -1_500, max: 1_500 })

/** As the browser does it: the bar stops at its ends. */
function by(lines: Lines, at: Shown, px: number): Shown {
  const native = Math.min(at.track.nativeEnd, Math.max(0, at.native + px))
  return scrolled(lines, viewport, at, native, 'step')
}

describe('scrolling', () => {
  it('moves by the pixels of each small step, wherever it begins, and never leaps', () => {
    fc.assert(
      fc.property(
        anyLog,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(step, { maxLength: 60 }),
        (lines, share, steps) => {
          let at = showAt(lines, viewport, { line: Math.floor(share * lines.count), px: 0 })
          for (const px of steps) {
            const before = at
            at = by(lines, at, px)
            // as far as the log goes
            expect(at.top).toEqual(earlier(walk(lines, before.top, px), lastTop(lines, viewport)))
            // put back to where it belongs, it shows the same
            at = { ...at, native: atRest(lines, viewport, at) }
          }
        },
      ),
    )
  })

  it('goes on by small steps also where the bar is never at rest', () => {
    const lines = even(10_000_000)
    let at = showAt(lines, viewport, { line: 9_000, px: 0 })
    for (let steps = 0; steps < 9_000 && at.top.line > 0; steps += 1) at = by(lines, at, -300)
    expect(at).toMatchObject({ top: { line: 0, px: 0 }, native: 0 })
    for (let steps = 0; steps < 40_000; steps += 1) at = by(lines, at, 1_000)
    // but for the steps at which the bar came to its end
    expect(virtualOfAnchor(lines, at.top)).toBeGreaterThan(39_900 * 1_000)
  })

  it('reaches every line: by a drag near it, and small steps', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50_000_000 }).map(even),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lines, share) => {
          const wanted = Math.floor(share * (lines.count - 1))
          const start = showAt(lines, viewport, { line: 0, px: 0 })
          const goal = showAt(lines, viewport, { line: wanted, px: 0 })
          let at = scrolled(lines, viewport, start, goal.native, 'drag')
          const left = virtualOfAnchor(lines, goal.top) - virtualOfAnchor(lines, at.top)
          // less than a window away
          expect(Math.abs(left)).toBeLessThan(viewport)
          at = by(lines, at, left)
          expect(at.top).toEqual(goal.top)
        },
      ),
    )
  })

  it('drags from end to end in order', () => {
    fc.assert(
      fc.property(
        anyLog,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 20 }),
        (lines, shares) => {
          let at = showAt(lines, viewport, { line: 0, px: 0 })
          const { nativeEnd } = at.track
          let before = -1
          for (const share of shares.sort((a, b) => a - b)) {
            at = scrolled(lines, viewport, at, Math.round(share * nativeEnd), 'drag')
            const virtual = virtualOfAnchor(lines, at.top)
            expect(virtual).toBeGreaterThanOrEqual(before)
            before = virtual
          }
        },
      ),
    )
  })

  it('has the end at the end of the bar, and knows it', () => {
    fc.assert(
      fc.property(anyLog, (lines) => {
        const end = showEnd(lines, viewport)
        expect(end.native).toBe(end.track.nativeEnd)
        expect(isAtEnd(lines, viewport, end)).toBe(true)
        const start = showAt(lines, viewport, { line: 0, px: 0 })
        const dragged = scrolled(lines, viewport, start, start.track.nativeEnd, 'drag')
        if (start.track.virtualEnd > start.track.nativeEnd) expect(dragged.top).toEqual(end.top)
        if (end.track.nativeEnd > 30) expect(isAtEnd(lines, viewport, by(lines, end, -10))).toBe(false)
      }),
    )
  })

  it('comes to the beginning of wrapped lines by small steps, as many as they have pixels', () => {
    const lines = wrapped(40)
    let at = showEnd(lines, viewport)
    const steps = Math.ceil(pxBetween(lines, 0, at.top) / 100)
    for (let step = 0; step < steps; step += 1) {
      expect(at.top).not.toEqual({ line: 0, px: 0 })
      at = by(lines, at, -100)
      at = { ...at, native: atRest(lines, viewport, at) }
    }
    expect(at).toMatchObject({ top: { line: 0, px: 0 }, native: 0 })
  })

  it('shows a log that is shorter than the window from its beginning', () => {
    const end = showEnd(even(3), viewport)
    expect(end).toMatchObject({ top: { line: 0, px: 0 }, native: 0 })
    expect(isAtEnd(even(3), viewport, end)).toBe(true)
  })
})
