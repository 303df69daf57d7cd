/**
 * Virtual time: one queue of events, one seed for all chance, and lives of processes that can end at any moment.
 * Nothing here looks at a real clock, so that a seed gives the same course each time.
 */
import type { Clock } from '../../src/platform/clock.ts'

interface Entry {
  atMs: number
  /** Of those at the same time, the one that was asked for first comes first. */
  order: number
  action: (() => void) | null
}

/** 2026-11-01T00:00:00Z: what an unset clock of the simulation shows at its begin. */
const beginMs = 1_793_491_200_000

export class Timeline {
  nowMs = 0
  /** Steps so far. */
  steps = 0
  private order = 0
  private readonly heap: Entry[] = []

  /** @returns how to take it back */
  after(delayMs: number, action: () => void): () => void {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, delayMs), order: this.order, action }
    this.order += 1
    this.push(entry)
    return () => {
      entry.action = null
    }
  }

  /** Lets time go by until then; promises are carried on after each event as far as they go. */
  async runUntil(endMs: number, isDone: () => boolean = () => false): Promise<void> {
    for (;;) {
      const next = this.heap[0]
      if (next === undefined || next.atMs > endMs) break
      this.pop()
      const { action } = next
      if (action === null) continue
      this.nowMs = next.atMs
      this.steps += 1
      action()
      // Node carries on all promises before the next immediate
      await new Promise(setImmediate)
      if (isDone()) return
    }
    this.nowMs = Math.max(this.nowMs, endMs)
  }

  private push(entry: Entry): void {
    const { heap } = this
    let at = heap.push(entry) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as Entry // there is one above each but the first
      if (!isBefore(entry, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const right = left + 1
      let least = left
      const rightEntry = heap[right]
      const leftEntry = heap[left]
      if (leftEntry === undefined) break
      if (rightEntry !== undefined && isBefore(rightEntry, leftEntry)) least = right
      const child = heap[least] as Entry // the lesser of those that are there
      if (!isBefore(child, last)) break
      heap[at] = child
      at = least
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** Chance from a seed: Mulberry32 (T. Ettinger), good enough to vary delays. */
export class Chance {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** 0 to below 1. */
  next = (): number => {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next()
  }

  /** A whole number below. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  is(probability: number): boolean {
    return this.next() < probability
  }
}

/** The clock of a machine, which somebody may set. */
export class MachineClock {
  offsetMs = 0
  private readonly timeline: Timeline

  constructor(timeline: Timeline, offsetMs = 0) {
    this.timeline = timeline
    this.offsetMs = offsetMs
  }

  now(): number {
    return beginMs + Math.floor(this.timeline.nowMs) + this.offsetMs
  }
}

/**
 * One run of a program. When it is over, nothing of it has any effect any more: its timers and what it waits for never
 * come, what it still asks for does not happen.
 */
export class Life {
  readonly name: string
  isOver = false
  /** Until then nothing comes to it: it is stopped, or busy. */
  stalledUntilMs = 0
  /** Ends it in the middle of what it does: at so many further calls of the world. */
  callsLeft = Number.POSITIVE_INFINITY
  /** What came while it stood still. */
  private readonly backlog: (() => void)[] = []
  private readonly timeline: Timeline
  private readonly onEnd: () => void

  constructor(name: string, timeline: Timeline, onEnd: () => void) {
    this.name = name
    this.timeline = timeline
    this.onEnd = onEnd
  }

  /** It asks something of the world. @returns whether it still can */
  calls(): boolean {
    if (this.isOver) return false
    this.callsLeft -= 1
    if (this.callsLeft >= 0) return true
    this.end()
    return false
  }

  end(): void {
    if (this.isOver) return
    this.isOver = true
    this.onEnd()
  }

  /** Does this in it now, or when it goes on (then in the order of asking), or never. */
  run(action: () => void): void {
    if (this.isOver) return
    if (this.stalledUntilMs <= this.timeline.nowMs && this.backlog.length === 0) return action()
    if (this.backlog.push(action) === 1) this.drainLater()
  }

  private drainLater(): void {
    this.timeline.after(this.stalledUntilMs - this.timeline.nowMs, () => {
      if (this.isOver) return
      if (this.stalledUntilMs > this.timeline.nowMs) return this.drainLater()
      // it stays in the backlog meanwhile: what this brings about comes behind all that waits
      this.backlog[0]?.()
      this.backlog.shift()
      if (this.backlog.length > 0) this.drainLater()
    })
  }

  /** Does this in it later, or never. */
  after(delayMs: number, action: () => void): () => void {
    let isCancelled = false
    const cancel = this.timeline.after(delayMs, () => {
      this.run(() => {
        if (!isCancelled) action()
      })
    })
    return () => {
      isCancelled = true
      cancel()
    }
  }

  clock(machine: MachineClock): Clock {
    return {
      now: () => machine.now(),
      monotonic: () => this.timeline.nowMs,
      after: (delayMs, action) => this.after(delayMs, action),
      soon: (action) => this.after(0, action),
    }
  }
}
