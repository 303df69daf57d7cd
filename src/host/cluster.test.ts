import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { node as someNode, spec } from '../core/builders.suite.ts'
import { AppError } from '../core/errors.ts'
import { parseTarget } from '../core/target.ts'
import { isHeldTask, isLeased, type Task } from '../core/task.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { Cluster } from './cluster.ts'
import { EventHub } from './event-hub.ts'
import { TestStore } from './host.suite.ts'
import type { NodeRecord } from './store/rows.ts'

const names = ['n1', 'n2', 'n3']
const coresOf = 4

type Step =
  | { do: 'submit'; target: string; cores: number; isFull: boolean; requeue: number }
  | { do: 'link' | 'unlink' | 'silent'; node: string }
  | { do: 'start' | 'end' | 'kill' | 'lose'; pick: number }
  | { do: 'restart' }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('submit' as const),
      target: fc.constantFrom('any', ...names),
      cores: fc.integer({ min: 1, max: 5 }),
      isFull: fc.boolean(),
      requeue: fc.integer({ min: 0, max: 2 }),
    }),
    fc.record({
      do: fc.constantFrom('link' as const, 'unlink' as const, 'silent' as const),
      node: fc.constantFrom(...names),
    }),
    fc.record({
      do: fc.constantFrom('start' as const, 'end' as const, 'kill' as const, 'lose' as const),
      pick: fc.nat(20),
    }),
    fc.record({ do: fc.constant('restart' as const) }),
  ),
  { maxLength: 40 },
)

/** A host without its network, over a real database. */
class World {
  readonly dir = mkdtempSync(join(tmpdir(), 'hakuriver-cluster-'))
  cluster!: Cluster
  store!: TestStore
  /** Attempt by attempt, where it was sent. */
  readonly sentTo = new Map<string, string>()
  private nowMs = 1_800_000_000_000

  async boot(): Promise<void> {
    this.store = new TestStore(join(this.dir, 'cluster.db'))
    this.cluster = await Cluster.load({
      store: this.store,
      hub: new EventHub(),
      log: silentLog,
      clock: { ...systemClock, now: () => ++this.nowMs },
      onBroken: (error) => expect.fail(String(error)),
    })
    this.cluster.setDispatcher((type, task) => {
      if (type !== 'dispatch' || !isHeldTask(task)) return
      const key = `${task.id}/${task.attempt}`
      expect(this.sentTo.get(key) ?? task.placement.node).toBe(task.placement.node)
      expect(task.attempt).toBeLessThanOrEqual(1 + (task.spec.requeue ?? 0))
      this.sentTo.set(key, task.placement.node)
    })
  }

  async take(step: Step): Promise<void> {
    const { cluster } = this
    switch (step.do) {
      case 'submit': {
        const [batchId, id] = [cluster.newId(), cluster.newId()]
        const batch = {
          id: batchId,
          owner: 'admin',
          submissionId: null,
          name: null,
          submittedAtMs: this.nowMs,
          answer: '{}',
        }
        const target = parseTarget(step.target)
        const task: Task = {
          id,
          batchId,
          owner: 'admin',
          spec: spec({ cores: step.cores, requeue: step.requeue }),
          target,
          submittedAtMs: 1,
          attempt: 0,
          status: 'pending',
        }
        cluster.add(task)
        if (step.isFull) this.store.failure = new AppError('store_full', 'the disk is full')
        const taken = await cluster.submit(batch, [id]).then(
          () => true,
          () => false,
        )
        this.store.failure = null
        expect(taken).toBe(!step.isFull)
        break
      }
      case 'link':
        cluster.nodeLinked(record(step.node, this.nowMs), null)
        break
      case 'unlink':
        cluster.nodeUnlinked(step.node)
        break
      case 'silent':
        cluster.nodeSilent(step.node, 'a test')
        break
      case 'start':
      case 'end':
      case 'kill':
      case 'lose':
        await this.happen(step)
        break
      case 'restart':
        await cluster.close()
        await this.store.close()
        await this.boot()
    }
    await this.cluster.settled()
    // what the first commit made room for goes with the second
    await this.cluster.settled()
  }

  private async happen({ do: what, pick }: Extract<Step, { pick: number }>): Promise<void> {
    const open = await this.store.unfinishedTasks()
    const task = open[pick % Math.max(1, open.length)]
    if (task === undefined) return
    const { attempt, id } = task
    if (what === 'kill') this.cluster.apply(id, { type: 'kill_requested', reason: 'a test' })
    if (what === 'lose') this.cluster.apply(id, { type: 'node_lost', attempt, reason: 'a test' })
    if (what === 'start') this.cluster.apply(id, { type: 'started', attempt, startedAtMs: 5 })
    if (what === 'end') {
      const rest = {
        signal: null,
        startedAtMs: 5,
        endedAtMs: 6,
        cpuTimeMs: null,
        peakMemoryBytes: null,
        reason: null,
      }
      this.cluster.apply(id, { type: 'exited', attempt, exit: { cause: 'exited', exitCode: 0, ...rest } })
    }
  }

  async check(): Promise<void> {
    const { cluster, store } = this
    const stored = await store.unfinishedTasks()
    for (const task of stored) expect(cluster.task(task.id)).toEqual(task)
    // nothing that has ended, or was refused, stays in memory
    expect((cluster as unknown as { tasks: Map<number, Task> }).tasks.size).toBe(stored.length)
    for (const name of names) {
      const held = stored.filter((task) => isHeldTask(task) && task.placement.node === name)
      const cores = held.reduce((sum, task) => sum + task.spec.cores, 0)
      expect(cores).toBeLessThanOrEqual(coresOf)
      expect(cluster.ledger.freeOf(name)?.coresHeld ?? 0).toBe(cores)
      expect(
        cluster
          .attemptsOn(name)
          .map(({ taskId }) => taskId)
          .sort(),
      ).toEqual(held.map(({ id }) => id).sort())
    }
    const pending = stored.filter(({ status }) => status === 'pending')
    expect(cluster.queue.size).toBe(pending.length)
    const leased = stored.filter((task) => isHeldTask(task) && isLeased(task.spec, task.attempt))
    expect(
      cluster
        .leasedAttempts()
        .map(({ taskId }) => taskId)
        .sort(),
    ).toEqual(leased.map(({ id }) => id).sort())
    for (const { id } of pending) expect(cluster.queue.get(id)).not.toBeNull()
  }

  async close(): Promise<void> {
    await this.cluster.close()
    await this.store.close()
    rmSync(this.dir, { recursive: true })
  }
}

function record(name: string, lastSeenMs: number): NodeRecord {
  const { capacity, executor, identity } = someNode(name, { cores: coresOf })
  return {
    name,
    ...identity,
    capacity,
    executor,
    runnerVersion: 'test',
    status: 'online',
    lastSeenMs,
    drained: null,
  }
}

it('memory, ledger, queue and store agree whatever happens, and no attempt goes to two nodes', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (story) => {
      const world = new World()
      await world.boot()
      try {
        for (const step of story) {
          await world.take(step)
          await world.check()
        }
      } finally {
        await world.close()
      }
    }),
    { numRuns: 80 },
  )
})
