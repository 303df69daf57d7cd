import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isScaled, nativeHeightOf, nativeOf, trackOf, virtualOf } from './scroll-track.ts'

const rowPx = 22
const viewport = fc.integer({ min: 120, max: 3_000 })
const lineCount = fc.oneof(
  fc.integer({ min: 0, max: 2_000 }),
  fc.integer({ min: 150_000, max: 200_000 }),
  fc.integer({ min: 0, max: 100_000_000 }),
)
const log = fc.record({ lines: lineCount, viewport }).map(({ lines, viewport }) => ({
  lines,
  viewport,
  track: trackOf(lines * rowPx - viewport, viewport),
}))

describe('the scrollbar of a log', () => {
  it('is never taller than browsers can have it, and has one pixel for each of a short log', () => {
    fc.assert(
      fc.property(log, ({ track, viewport }) => {
        expect(nativeHeightOf(track, viewport)).toBeLessThanOrEqual(4_000_000)
        if (!isScaled(track)) expect(virtualOf(track, track.nativeEnd)).toBe(track.nativeEnd)
      }),
    )
    expect(isScaled(trackOf(3_000_000, 700))).toBe(false)
    expect(isScaled(trackOf(10_000_000 * rowPx, 700))).toBe(true)
  })

  it('has the beginning at its beginning and the end at its end', () => {
    fc.assert(
      fc.property(log, ({ track }) => {
        expect(virtualOf(track, 0)).toBe(0)
        expect(virtualOf(track, track.nativeEnd)).toBe(track.virtualEnd)
        expect(nativeOf(track, 0)).toBe(0)
        expect(nativeOf(track, track.virtualEnd)).toBe(track.nativeEnd)
        expect(virtualOf(track, -50)).toBe(0)
        expect(virtualOf(track, track.nativeEnd + 50)).toBe(track.virtualEnd)
      }),
    )
  })

  it('keeps the order', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), ({ track }, share, more) => {
        const native = Math.floor(share * track.nativeEnd)
        const virtual = Math.floor(share * track.virtualEnd)
        expect(virtualOf(track, native + more)).toBeGreaterThanOrEqual(virtualOf(track, native))
        expect(nativeOf(track, virtual + more)).toBeGreaterThanOrEqual(nativeOf(track, virtual))
        if (native < track.nativeEnd)
          expect(virtualOf(track, native + 1)).toBeGreaterThan(virtualOf(track, native))
      }),
    )
  })

  it('stands for what is shown as exactly as its pixels allow', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), ({ track }, share) => {
        const virtual = Math.floor(share * track.virtualEnd)
        const onePixel = isScaled(track) ? Math.ceil(track.virtualEnd / track.nativeEnd) * 2 : 0
        expect(Math.abs(virtualOf(track, nativeOf(track, virtual)) - virtual)).toBeLessThanOrEqual(onePixel)
      }),
    )
  })

  it('has room for small steps on both sides, wherever one is within the log', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), ({ track }, share) => {
        const virtual = Math.floor(share * track.virtualEnd)
        const native = nativeOf(track, virtual)
        const room = 20_000
        expect(native).toBeGreaterThanOrEqual(Math.min(virtual, room))
        expect(track.nativeEnd - native).toBeGreaterThanOrEqual(Math.min(track.virtualEnd - virtual, room))
      }),
    )
  })

  it('can have more pixels than the log', () => {
    const track = trackOf(100, 700, 2_000)
    expect(track).toEqual({ virtualEnd: 100, nativeEnd: 2_000 })
    expect([0, 10, 1_000, 1_990, 2_000].map((native) => virtualOf(track, native))).toEqual([
      0, 10, 50, 90, 100,
    ])
    expect(nativeOf(track, virtualOf(track, 1_000))).toBe(1_000)
  })
})
