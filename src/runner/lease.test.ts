import { describe, expect, it } from 'vitest'
import { silentLog } from '../platform/log.ts'
import type { Fence } from './executors/executor.ts'
import { Lease } from './lease.ts'

const leaseMs = 60_000

/** A lease over a fence that only notes its deadlines; the test turns the clock. */
class World {
  nowMs = 1_000
  inUse = new Set<string>()
  deadlines: number[] = []
  readonly fence: Fence
  readonly lease: Lease

  constructor(deadlineMs: number | null = null) {
    if (deadlineMs !== null) this.deadlines.push(deadlineMs)
    const { deadlines } = this
    this.fence = {
      now: () => this.nowMs,
      get deadlineMs() {
        return deadlines.at(-1) ?? null
      },
      arm: async (deadline) => void deadlines.push(deadline),
    }
    const isInUse = (besides: string | null) => [...this.inUse].some((attempt) => attempt !== besides)
    this.lease = new Lease({ fence: this.fence, isInUse, log: silentLog })
  }

  link(roundTripMs = 0): void {
    this.lease.onHello()
    this.nowMs += roundTripMs
    this.lease.onWelcome(leaseMs)
  }

  async start(attempt: string): Promise<void> {
    this.inUse.add(attempt)
    await this.lease.ready(attempt).catch((error: unknown) => {
      this.inUse.delete(attempt)
      throw error
    })
  }

  /** Lets what was asked of the fence be done. */
  settled(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the lease of a node', () => {
  it('counts from when was sent what the host has answered', async () => {
    const world = new World()
    world.link(5_000)
    await world.start('1-1')
    expect(world.deadlines).toEqual([61_000])
    world.nowMs = 20_000
    const beat = world.lease.onBeat() ?? 0
    world.nowMs = 45_000
    world.lease.onHeard(beat)
    await world.settled()
    expect(world.deadlines).toEqual([61_000, 80_000])
  })

  it('is renewed by no answer but that to a heartbeat of this link', async () => {
    const world = new World()
    world.link()
    await world.start('1-1')
    const old = world.lease.onBeat() ?? 0
    world.nowMs = 30_000
    world.lease.onHeard(old + 5)
    world.lease.onHello()
    world.lease.onHeard(old)
    await world.settled()
    expect(world.deadlines).toEqual([61_000])
  })

  it('asks nothing of the system while nothing is leased, nor for each heartbeat', async () => {
    const world = new World()
    world.link()
    for (let beats = 0; beats < 100; beats += 1) {
      world.nowMs += 1_000
      world.lease.onHeard(world.lease.onBeat() ?? 0)
    }
    await world.settled()
    expect(world.deadlines).toEqual([])
    await world.start('1-1')
    for (let beats = 0; beats < 60; beats += 1) {
      world.nowMs += 1_000
      world.lease.onHeard(world.lease.onBeat() ?? 0)
      await world.settled()
    }
    expect(world.deadlines.length).toBeLessThan(10)
    // and yet what is left of it never falls below seven eighths
    expect((world.deadlines.at(-1) ?? 0) - world.nowMs).toBeGreaterThanOrEqual((leaseMs * 7) / 8 - 1_000)
  })

  it('moves a fence that stood still before something starts', async () => {
    const world = new World(10_000)
    world.link()
    world.nowMs = 9_000
    await world.start('1-1')
    expect(world.deadlines).toEqual([10_000, 61_000])
  })

  it('lets nothing start once it is over, or before the host has spoken', async () => {
    const world = new World()
    await expect(world.start('1-1')).rejects.toThrow('no lease')
    world.link()
    world.nowMs += leaseMs
    await expect(world.start('1-1')).rejects.toThrow('has not heard the host for 1 m')
    expect(world.deadlines).toEqual([])
  })

  it('is not revived while what ran under it is still there, also after a restart of the runner', async () => {
    const world = new World(900)
    world.inUse.add('1-1')
    world.link()
    await world.settled()
    expect(world.deadlines).toEqual([900])
    await expect(world.start('2-1')).rejects.toThrow('is being ended')
    world.inUse.delete('1-1')
    await world.start('2-1')
    expect(world.deadlines).toEqual([900, 61_000])
  })

  it('is none with a host that knows none', async () => {
    const world = new World()
    world.lease.onHello()
    world.lease.onWelcome(undefined)
    expect(world.lease.onBeat()).toBeNull()
    await expect(world.start('1-1')).rejects.toThrow('no lease')
  })
})
