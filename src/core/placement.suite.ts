/** Random stories of a cluster, and the cluster that lives through them, checked at every step. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { GiB, node, numaNode, pendingTask } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import { neverFits } from './fit.ts'
import type { ClusterNode } from './node.ts'
import { PendingQueue, type PendingTask } from './pending.ts'
import { type Decision, schedulePass } from './placement.ts'
import type { TaskSpec } from './task.ts'
import { busyReason, explainWait } from './waiting.ts'

export type Step =
  | { do: 'submit'; target: string; spec: Partial<TaskSpec> }
  | { do: 'pass'; limit: number }
  /** `pick` chooses among the tasks that there are. */
  | { do: 'end' | 'kill' | 'undo'; pick: number }
  | { do: 'silent' | 'close' | 'return'; node: string }
  | { do: 'shape'; node: ClusterNode }

export const names = ['n1', 'n2', 'n3']
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
export const anyShape = fc.oneof({ weight: 3, arbitrary: shapes }, { weight: 1, arbitrary: unevenShapes })
export const specs = fc.record({
  cores: fc.integer({ min: 1, max: 10 }),
  memoryBytes: fc.option(
    fc.integer({ min: 1, max: 10 }).map((memory) => memory * GiB),
    { nil: null },
  ),
  privatePids: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
  privateNetwork: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
})
export const targets = fc.oneof(
  { weight: 2, arbitrary: fc.constant('any') },
  { weight: 2, arbitrary: nodeName },
  {
    weight: 2,
    arbitrary: fc.tuple(nodeName, fc.integer({ min: 0, max: 3 })).map(([name, id]) => `${name}:${id}`),
  },
)
const pick = fc.nat({ max: 1_000 })
export const steps: fc.Arbitrary<Step> = fc.oneof(
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
  { weight: 1, arbitrary: nodeName.map((name): Step => ({ do: 'close', node: name })) },
  { weight: 1, arbitrary: nodeName.map((name): Step => ({ do: 'return', node: name })) },
  { weight: 1, arbitrary: anyShape.map((shape): Step => ({ do: 'shape', node: shape })) },
)
export const scripts = fc.tuple(fc.array(anyShape, { maxLength: 3 }), fc.array(steps, { maxLength: 60 }))

/** The cluster beside a plain book of who is where, against which the ledger is checked. */
export class Cluster {
  readonly ledger = new Ledger()
  readonly queue = new PendingQueue()
  readonly running = new Map<number, { task: PendingTask; decision: Decision }>()
  readonly waiting = new Map<number, PendingTask>()
  readonly history: Decision[] = []
  lastId = 0

  constructor(nodes: readonly ClusterNode[]) {
    for (const each of nodes) this.ledger.setNode(each)
  }

  apply(step: Step): void {
    switch (step.do) {
      case 'submit':
        this.wait(pendingTask(++this.lastId, step.target, step.spec))
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
        this.wait(found.task)
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
      case 'close':
        this.#close(step.node)
        return
      case 'return':
        this.ledger.setNodeStatus(step.node, 'online')
        return
      case 'shape':
        this.ledger.setNode(step.node)
        return
    }
  }

  #close(name: string): void {
    const found = this.ledger.nodeOf(name)
    if (found !== null) this.ledger.setNode({ ...found, status: 'closed', problem: 'drained' })
  }

  wait(task: PendingTask): void {
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

export function chosen(ids: number[], at: number): number | undefined {
  return ids.length === 0 ? undefined : ids[at % ids.length]
}

export function play(nodes: readonly ClusterNode[], script: readonly Step[]): Cluster {
  const cluster = new Cluster(nodes)
  for (const step of script) {
    cluster.apply(step)
    cluster.checkLedger()
  }
  return cluster
}
