import { describe, expect, it } from 'vitest'
import {
  farMatchWords,
  followStateOf,
  noSuchLineWords,
  searchWords,
  silenceWords,
  sizeWords,
} from './words.ts'

const found = (number: number) => ({ length: number })

describe('sentences about a log', () => {
  it('say how large it is: about, as long as it is not counted', () => {
    const doc = {
      isCounted: true,
      needsCount: false,
      total: 10_000_000,
      size: 1_000_000_000,
      countedBytes: 0,
    }
    expect(sizeWords(doc)).toBe('10,000,000 lines, 954 MiB')
    expect(sizeWords({ ...doc, total: 1, size: 3 })).toBe('1 line, 3 B')
    const counting = {
      ...doc,
      isCounted: false,
      needsCount: true,
      total: 9_876_543,
      countedBytes: 430_000_000,
    }
    expect(sizeWords(counting)).toBe('about 9,900,000 lines, counted 43 %, 954 MiB')
  })

  it('say what a search has found so far', () => {
    const search = { hits: found(27), isLooking: false, isFull: false, progress: 1 }
    expect(searchWords(null, null)).toBe('')
    expect(searchWords(search, 3)).toBe('3 of 27')
    expect(searchWords(search, null)).toBe('27 lines')
    expect(searchWords({ ...search, isLooking: true, progress: 0.431 }, 3)).toBe(
      '3 of 27, still looking … 43 %',
    )
    expect(searchWords({ ...search, hits: found(10_000), isFull: true }, 3)).toBe('3 of 10,000+')
    expect(searchWords({ ...search, hits: found(0) }, null)).toBe('Not found')
    expect(searchWords({ ...search, hits: found(0), isLooking: true, progress: 0.5 }, null)).toBe(
      'Looking … 50 %',
    )
  })

  it('say what is missing while a node is silent, and since when', () => {
    const task = { status: 'unreachable', node: 'n2', unreachableSince: '2026-05-01T12:00:00Z' } as const
    expect(silenceWords(task, Date.parse('2026-05-01T12:04:10Z'))).toBe(
      'Node n2 has been unreachable for 4 m; what it wrote since is not here yet.',
    )
    expect(silenceWords({ ...task, status: 'running', unreachableSince: null }, 0)).toBeNull()
  })

  it('say where a line or a match is that cannot be seen', () => {
    const doc = { isCounted: true, total: 1_204, isEnded: true }
    expect(noSuchLineWords(5_000, doc)).toBe('There is no line 5,000: the log has 1,204 lines.')
    expect(noSuchLineWords(5_000, { ...doc, isEnded: false })).toContain('no line 5,000 yet')
    expect(noSuchLineWords(5_000, { ...doc, isCounted: false })).toBeNull()
    expect(noSuchLineWords(1_204, doc)).toBeNull()
    expect(farMatchWords({ offset: 100, matchOffset: 9_000, text: 'a needle\t' })).toContain('a needle\\t')
    expect(farMatchWords({ offset: 100, matchOffset: 8_000, text: 'a needle' })).toBeNull()
  })

  it('say whether it is followed', () => {
    const feed = { doc: { isEnded: false, size: 10 }, isOpening: false, isFollowing: true, cut: null }
    const state = (change: object, hasStarted = true) =>
      followStateOf({ ...feed, ...change } as Parameters<typeof followStateOf>[0], hasStarted)
    expect(state({})).toBe('following')
    expect(state({ isFollowing: false })).toBe('paused')
    expect(state({ doc: { isEnded: true, size: 10 } })).toBe('ended')
    expect(state({ doc: { isEnded: false, size: 0 } }, false)).toBe('waiting')
    expect(state({ isOpening: true })).toBe('opening')
    expect(state({ cut: { error: null } })).toBe('cut')
  })
})
