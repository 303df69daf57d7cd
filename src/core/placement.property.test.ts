import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GiB, node, numaNode, pendingTask } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import { neverFits } from './fit.ts'
import type { Needs } from './free-index.ts'
import type { ClusterNode } from './node.ts'
import { PendingQueue, type PendingTask } from './pending.ts'
import { type Decision, schedulePass } from './placement.ts'
import { formatTarget } from './target.ts'
import type { TaskSpec } from './task.ts'
import { busyReason, explainWait, refuseReason } from './waiting.ts'

type Step =
  | { do: 'submit'; target: string; spec: Partial<TaskSpec> }
  | { do: 'pass'; limit: number }
  /** `pick` chooses among the tasks that there are. */
  | { do: 'end' | 'kill' | 'undo'; pick: number }
  | { do: 'silent' | 'return'; node: string }
  | { do: 'shape'; node: ClusterNode }

const names = ['n1', 'n2', 'n3']
const nodeName = fc.constantFrom(...names)
const shapes: fc.Arbitrary<ClusterNode> = fc
  .record({
    name: nodeName,
    cores: fc.integer({ min: 1, max: 16 }),
    memory: fc.integer({ min: 1, max: 16 }),
    numa: fc.constantFrom(0, 1, 2, 4),
    features: fc.record({ privatePids: fc.boolean(), privateNetwork: fc.boolean(), numa: fc.boolean() }),
  })
  .map(({ name, cores, memory, numa, features }) =>
    node(name, { cores, memoryBytes: memory * GiB, numa, features }),
  )
/** Some NUMA nodes without CPUs, without memory, or without a word on it; ids with gaps. */
const unevenShapes: fc.Arbitrary<ClusterNode> = fc
  .record({
    name: nodeName,
    parts: fc.array(
      fc.record({
        cores: fc.nat({ max: 4 }),
        memory: fc.option(fc.nat({ max: 6 })),
        gap: fc.nat({ max: 2 }),
      }),
      { maxLength: 4 },
    ),
    numa: fc.boolean(),
  })
  .map(({ name, parts, numa }) => {
    let id = 0
    let cpu = 0
    const numaNodes = parts.map(({ cores, memory, gap }) => {
      id += 1 + gap
      return numaNode(
        id,
        Array.from({ length: cores }, () => cpu++),
        memory,
      )
    })
    const memory = parts.reduce((sum, part) => sum + (part.memory ?? 0), 0)
    const size = { cores: Math.max(1, cpu), memoryBytes: Math.max(1, memory) * GiB }
    return node(name, { ...size, numa: numaNodes, features: { numa } })
  })
const anyShape = fc.oneof({ weight: 3, arbitrary: shapes }, { weight: 1, arbitrary: unevenShapes })
const specs = fc.record({
  cores: fc.integer({ min: 1, max: 10 }),
  memoryBytes: fc.option(
    fc.integer({ min: 1, max: 10 }).map((memory) => memory * GiB),
    { nil: null },
  ),
  privatePids: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
  privateNetwork: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
})
const targets = fc.oneof(
  { weight: 2, arbitrary: fc.constant('any') },
  { weight: 2, arbitrary: nodeName },
  {
    weight: 2,
    arbitrary: fc.tuple(nodeName, fc.integer({ min: 0, max: 3 })).map(([name, id]) => `${name}:${id}`),
  },
)
const pick = fc.nat({ max: 1_000 })
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(targets, specs).map(([target, spec]): Step => ({ do: 'submit', target, spec })),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY).map((limit): Step => ({ do: 'pass', limit })),
  },
  { weight: 4, arbitrary: pick.map((at): Step => ({ do: 'end', pick: at })) },
  { weight: 2, arbitrary: pick.map((at): Step => ({ do: 'kill', pick: at })) },
  { weight: 1, arbitrary: pick.map((at): Step => ({ do: 'undo', pick: at })) },
  { weight: 1, arbitrary: nodeName.map((name): Step => ({ do: 'silent', node: name })) },
  { weight: 1, arbitrary: nodeName.map((name): Step => ({ do: 'return', node: name })) },
  { weight: 1, arbitrary: anyShape.map((shape): Step => ({ do: 'shape', node: shape })) },
)
const scripts = fc.tuple(fc.array(anyShape, { maxLength: 3 }), fc.array(steps, { maxLength: 60 }))

/** The cluster beside a plain book of who is where, against which the ledger is checked. */
class Cluster {
  readonly ledger = new Ledger()
  readonly queue = new PendingQueue()
  readonly running = new Map<number, { task: PendingTask; decision: Decision }>()
  readonly waiting = new Map<number, PendingTask>()
  readonly history: Decision[] = []
  #lastId = 0

  constructor(nodes: ClusterNode[]) {
    for (const each of nodes) this.ledger.setNode(each)
  }

  apply(step: Step): void {
    switch (step.do) {
      case 'submit':
        this.#wait(pendingTask(++this.#lastId, step.target, step.spec))
        return
      case 'pass':
        this.pass(step.limit)
        return
      case 'end':
        this.end(chosen([...this.running.keys()], step.pick))
        return
      case 'undo': {
        const found = this.running.get(chosen([...this.running.keys()], step.pick) ?? 0)
        if (found === undefined) return
        this.end(found.task.id)
        this.#wait(found.task)
        return
      }
      case 'kill': {
        const id = chosen([...this.waiting.keys()], step.pick)
        if (id === undefined) return
        this.waiting.delete(id)
        expect(this.queue.remove(id)).toBe(true)
        return
      }
      case 'silent':
        this.ledger.setNodeStatus(step.node, 'unreachable')
        return
      case 'return':
        this.ledger.setNodeStatus(step.node, 'online')
        return
      case 'shape':
        this.ledger.setNode(step.node)
        return
    }
  }

  #wait(task: PendingTask): void {
    this.waiting.set(task.id, task)
    this.queue.add(task)
  }

  end(id: number | undefined): void {
    if (id === undefined) return
    this.running.delete(id)
    expect(this.ledger.release(id)).toBe(true)
  }

  pass(limit: number): void {
    const decisions = schedulePass(this.queue, this.ledger, limit)
    expect(decisions.length).toBeLessThanOrEqual(limit)
    for (const decision of decisions) {
      const task = this.waiting.get(decision.taskId)
      if (task === undefined) throw new Error(`task ${decision.taskId} was not waiting`)
      expect(this.running.has(task.id)).toBe(false)
      this.waiting.delete(task.id)
      this.running.set(task.id, { task, decision })
      this.history.push(decision)
      this.#checkHonoured(task, decision)
    }
    for (const { taskId, placement } of decisions) {
      const needsMemory = (this.running.get(taskId)?.task.spec.memoryBytes ?? 0) > 0
      this.#checkRoom(placement.node, placement.numaId, needsMemory)
    }
    if (decisions.length < limit) for (const task of this.waiting.values()) this.#checkWhy(task)
  }

  #checkHonoured({ target, spec }: PendingTask, { placement }: Decision): void {
    const found = this.ledger.nodeOf(placement.node)
    expect(found?.status).toBe('online')
    if (found !== null) expect(neverFits(found, placement.numaId, spec)).toBeNull()
    if (target.kind !== 'any') expect(placement.node).toBe(target.node)
    if (target.kind === 'node') expect(placement.numaId).toBeNull()
    if (target.kind === 'numa') expect(placement.numaId).toBe(target.numaId)
  }

  /**
   * What was placed in this pass fits: sums are taken anew from the book. A node whose memory has shrunk below
   * what is held there may still take a task that needs none.
   */
  #checkRoom(name: string, numaId: number | null, needsMemory: boolean): void {
    const capacity = this.ledger.nodeOf(name)?.capacity
    const here = [...this.running.values()].filter((each) => each.decision.placement.node === name)
    const sum = (of: (spec: PendingTask['spec']) => number, list = here) =>
      list.reduce((all, each) => all + of(each.task.spec), 0)
    expect(sum((spec) => spec.cores)).toBeLessThanOrEqual(capacity?.cores ?? 0)
    if (needsMemory)
      expect(sum((spec) => spec.memoryBytes ?? 0)).toBeLessThanOrEqual(capacity?.memoryBytes ?? 0)
    const numaNode = capacity?.numaNodes.find((each) => each.id === numaId)
    if (numaNode === undefined) return
    const bound = here.filter((each) => each.decision.placement.numaId === numaId)
    expect(sum((spec) => spec.cores, bound)).toBeLessThanOrEqual(numaNode.cpus.length)
    if (needsMemory)
      expect(sum((spec) => spec.memoryBytes ?? 0, bound)).toBeLessThanOrEqual(
        numaNode.memoryBytes ?? capacity?.memoryBytes ?? 0,
      )
  }

  /** After a full pass nobody waits who could go, and everybody is told why. */
  #checkWhy(task: PendingTask): void {
    const why = explainWait(task, this.queue, this.ledger)
    expect(why).not.toBe('')
    expect(why).not.toBe('is about to be placed')
    expect(why).not.toMatch(/undefined|NaN|Infinity|nobody/)
    expect(busyReason(task.spec, task.target, this.queue, this.ledger)).not.toBe('')
  }

  checkLedger(): void {
    for (const name of names) {
      const account = this.ledger.freeOf(name)
      if (account === null) continue
      const here = [...this.running.values()].filter((each) => each.decision.placement.node === name)
      const cores = here.reduce((sum, each) => sum + each.task.spec.cores, 0)
      const memoryBytes = here.reduce((sum, each) => sum + (each.task.spec.memoryBytes ?? 0), 0)
      expect(account).toMatchObject({
        coresHeld: cores,
        coresFree: Math.max(0, account.cores - cores),
        memoryHeldBytes: memoryBytes,
        memoryFreeBytes: Math.max(0, account.memoryBytes - memoryBytes),
        tasks: here.length,
      })
      expect(this.ledger.holdersOf(name).map((hold) => hold.taskId)).toEqual(
        here.map((each) => each.task.id).sort((a, b) => a - b),
      )
    }
    expect(this.queue.size).toBe(this.waiting.size)
  }
}

function chosen(ids: number[], at: number): number | undefined {
  return ids.length === 0 ? undefined : ids[at % ids.length]
}

function play(nodes: ClusterNode[], script: Step[]): Cluster {
  const cluster = new Cluster(nodes)
  for (const step of script) {
    cluster.apply(step)
    cluster.checkLedger()
  }
  return cluster
}

describe('a task for any node, alone in the queue', () => {
  it('goes to the tightest memory domain that takes it whole, and straddles only where none does', () => {
    const stories = fc.tuple(
      fc.array(anyShape, { minLength: 1, maxLength: 3 }),
      fc.array(fc.oneof(specs, fc.nat()), { maxLength: 25 }),
    )
    fc.assert(
      fc.property(stories, ([nodes, steps]) => {
        const ledger = new Ledger()
        const queue = new PendingQueue()
        for (const each of nodes) ledger.setNode(each)
        const running: number[] = []
        steps.forEach((step, at) => {
          if (typeof step === 'number') {
            const id = chosen(running, step)
            if (id !== undefined) ledger.release(running.splice(running.indexOf(id), 1)[0] ?? 0)
            return
          }
          const task = pendingTask(at + 1, 'any', step)
          const domains = placesFor(ledger, task.spec, true)
          const wide = placesFor(ledger, task.spec, false)
          queue.add(task)
          const placed = schedulePass(queue, ledger)[0]?.placement ?? null
          if (placed === null) queue.remove(task.id)
          else running.push(task.id)
          const open = domains.length > 0 ? domains : wide
          expect(placed === null).toBe(open.length === 0)
          if (placed === null) return
          const found = open.find(({ name, numaId }) => name === placed.node && numaId === placed.numaId)
          expect(found?.cores).toBe(Math.min(...open.map(({ cores }) => cores)))
        })
      }),
      { numRuns: 1_000 },
    )
  })
})

/** Where it fits now, looked for one by one: inside one memory domain, or across those of a node. */
function placesFor(ledger: Ledger, wanted: Needs, isDomain: boolean) {
  return ledger.nodes().flatMap((each) => {
    const account = ledger.freeOf(each.name)
    if (account === null || neverFits(each, null, wanted) !== null) return []
    const targets = each.executor.features.numa
      ? account.numaNodes.filter(({ cores, memoryBytes }) => cores > 0 && memoryBytes !== 0)
      : []
    const several = targets.length > 1
    const places: { id: number | null; cores: number; memory: number | null }[] = targets.map((target) => ({
      id: target.id,
      cores: target.coresFree,
      memory: target.memoryFreeBytes,
    }))
    const whole = { id: null, cores: account.coresFree, memory: account.memoryFreeBytes }
    return (several === isDomain ? places.filter(() => several) : [whole])
      .map(({ id, cores, memory }) => ({
        name: each.name,
        numaId: id,
        cores: Math.min(cores, account.coresFree),
        memory: Math.min(memory ?? account.memoryFreeBytes, account.memoryFreeBytes),
      }))
      .filter(({ cores, memory }) => cores >= wanted.cores && memory >= (wanted.memoryBytes ?? 0))
  })
}

describe('whatever happens to tasks and nodes', () => {
  it('nothing is oversubscribed or placed twice, targets are honoured, and every wait is explained', () => {
    fc.assert(
      fc.property(scripts, ([nodes, script]) => {
        play(nodes, script).pass(Number.POSITIVE_INFINITY)
      }),
      { numRuns: 2_000 },
    )
  })

  it('the same story gives the same decisions', () => {
    fc.assert(
      fc.property(scripts, ([nodes, script]) => {
        expect(play(nodes, script).history).toEqual(play(nodes, script).history)
      }),
    )
  })

  it('once arrivals end, all that can run anywhere runs', () => {
    fc.assert(
      fc.property(scripts, ([nodes, script]) => {
        const cluster = play(nodes, script)
        for (const name of names) cluster.ledger.setNodeStatus(name, 'online')
        cluster.pass(Number.POSITIVE_INFINITY)
        while (cluster.running.size > 0) {
          cluster.end(chosen([...cluster.running.keys()], 0))
          cluster.pass(Number.POSITIVE_INFINITY)
        }
        for (const task of cluster.waiting.values()) {
          const named = refuseReason(task.spec, task.target, cluster.ledger)
          const able = cluster.ledger.nodes().some((each) => neverFits(each, null, task.spec) === null)
          expect(task.target.kind === 'any' ? able : named === null).toBe(false)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('of two tasks for the same target that need the same, the older goes first', () => {
    fc.assert(
      fc.property(scripts, ([nodes, script]) => {
        const cluster = new Cluster(nodes)
        for (const step of script) {
          if (step.do === 'undo') continue
          const before = [...cluster.waiting.values()]
          const placedBefore = cluster.history.length
          cluster.apply(step)
          for (const { taskId } of cluster.history.slice(placedBefore)) {
            const placed = before.find((task) => task.id === taskId)
            if (placed === undefined) continue
            for (const left of cluster.waiting.values())
              if (isSameWish(left, placed)) expect(left.id).toBeGreaterThan(taskId)
          }
        }
      }),
    )
  })

  it('with named targets only, a host that starts anew would decide nothing else', () => {
    fc.assert(
      fc.property(scripts, ([nodes, script]) => {
        const named = script.filter((step) => step.do !== 'submit' || step.target !== 'any')
        const cluster = play(nodes, named)
        cluster.pass(Number.POSITIVE_INFINITY)
        const ledger = new Ledger()
        const queue = new PendingQueue()
        for (const each of cluster.ledger.nodes()) ledger.setNode(each)
        for (const { task, decision } of cluster.running.values()) {
          ledger.hold(task.id, decision.placement, task.spec.cores, task.spec.memoryBytes)
        }
        for (const task of cluster.waiting.values()) queue.add(task)
        expect(schedulePass(queue, ledger)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})

function isSameWish(a: PendingTask, b: PendingTask): boolean {
  return (
    formatTarget(a.target) === formatTarget(b.target) && JSON.stringify(a.spec) === JSON.stringify(b.spec)
  )
}
