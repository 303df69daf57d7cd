import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pendingTask } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import { neverFits } from './fit.ts'
import type { Needs } from './free-index.ts'
import { PendingQueue, type PendingTask } from './pending.ts'
import { anyShape, Cluster, chosen, names, play, scripts, specs } from './placement.suite.ts'
import { schedulePass } from './placement.ts'
import { formatTarget } from './target.ts'
import { refuseReason } from './waiting.ts'

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
