import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GiB, node, pendingTask, spec } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import { PendingQueue } from './pending.ts'
import { anyShape, type Cluster, names, play, specs, steps, targets } from './placement.suite.ts'
import { schedulePass } from './placement.ts'
import { type Candidate, type Foreseen, type Preview, previewSubmit } from './preview.ts'
import { parseTarget } from './target.ts'
import type { TaskSpec } from './task.ts'
import { busyReason, explainWait, refuseReason } from './waiting.ts'

function candidate(target: string, overrides: Partial<TaskSpec> = {}): Candidate {
  return { target: parseTarget(target), spec: spec(overrides) }
}

/** What a submit does, and the passes after it: told as a preview tells. */
function submitForReal(candidates: readonly Candidate[], cluster: Cluster, perPass: number): Preview {
  const { queue, ledger } = cluster
  const numbers = new Map<number, number>()
  const nameOf = (id: number) => (numbers.has(id) ? `task ${numbers.get(id)} of this submit` : `task ${id}`)
  const refusals: (string | null)[] = candidates.map(({ spec, target }, index) => {
    const never = refuseReason(spec, target, ledger)
    if (never !== null) return never
    if (!spec.queue) {
      cluster.pass(perPass)
      const busy = busyReason(spec, target, queue, ledger, nameOf)
      if (busy !== null) return busy
    }
    cluster.lastId += 1
    numbers.set(cluster.lastId, index + 1)
    cluster.wait({ id: cluster.lastId, target, spec })
    return null
  })
  for (;;) {
    const before = cluster.history.length
    cluster.pass(perPass)
    if (cluster.history.length - before < perPass) break
  }
  const ids = new Map([...numbers].map(([id, number]) => [number - 1, id]))
  const items = candidates.map((_, index): Foreseen => {
    const refusal = refusals[index] ?? null
    if (refusal !== null) return { outcome: 'refused', reason: refusal }
    const id = ids.get(index) ?? 0
    const placement = ledger.holdOf(id)?.placement
    if (placement !== undefined) return { outcome: 'starts', placement }
    const task = queue.get(id)
    if (task === null) throw new Error(`task ${id} is nowhere`)
    return { outcome: 'waits', reason: explainWait(task, queue, ledger, nameOf) }
  })
  const count = (outcome: Foreseen['outcome']) => items.filter((item) => item.outcome === outcome).length
  const firstRefused = refusals.findIndex((refusal) => refusal !== null)
  return {
    looked: items.length,
    starts: count('starts'),
    waits: count('waits'),
    refused: count('refused'),
    items,
    firstRefused: firstRefused < 0 ? null : { index: firstRefused, reason: refusals[firstRefused] ?? '' },
  }
}

/** All that can be seen of a cluster from outside. */
function visible({ queue, ledger, waiting }: Cluster) {
  return {
    size: queue.size,
    kinds: queue.kinds,
    kept: queue.kept,
    next: queue.nextAwake()?.tasks.first()?.id,
    nodes: names.map((name) => [
      ledger.nodeOf(name),
      ledger.freeOf(name),
      ledger.reservationsOf(name),
      ledger.holdersOf(name),
    ]),
    shape: ledger.shape,
    best: [1, 2, 4, 8].map((cores) => ledger.bestPlace(spec({ cores }))),
    reasons: [...waiting.values()].map((task) => explainWait(task, queue, ledger)),
  }
}

const candidates = fc.array(
  fc
    .tuple(targets, specs, fc.integer({ min: 0, max: 3 }))
    .map(([target, asked, chance]) => candidate(target, { ...asked, queue: chance > 0 })),
  { maxLength: 12 },
)
const stories = fc.record({
  nodes: fc.array(anyShape, { maxLength: 3 }),
  before: fc.array(steps, { maxLength: 30 }),
  after: fc.array(steps, { maxLength: 30 }),
  candidates,
  perPass: fc.constantFrom(1, 2, 3, 1_000),
})

describe('a preview', () => {
  it('says exactly what the submit and the passes after it then do', () => {
    fc.assert(
      fc.property(stories, ({ nodes, before, candidates, perPass }) => {
        const cluster = play(nodes, before)
        const preview = previewSubmit(candidates, cluster.queue, cluster.ledger, { perPass, described: 100 })
        expect(preview).toEqual(submitForReal(candidates, cluster, perPass))
      }),
      { numRuns: 3_000 },
    )
  })

  it('that is broken off says of the first what the whole submit does with them', () => {
    let brokenOff = 0
    fc.assert(
      fc.property(
        stories,
        fc.integer({ min: 1, max: 3 }),
        ({ nodes, before, candidates, perPass }, mostPlaced) => {
          const cluster = play(nodes, before)
          cluster.pass(Number.POSITIVE_INFINITY)
          const options = { perPass, described: 100, mostPlaced }
          const preview = previewSubmit(candidates, cluster.queue, cluster.ledger, options)
          const whole = submitForReal(candidates, cluster, perPass)
          const outcomes = ({ items }: Preview) =>
            items
              .slice(0, preview.looked)
              .map((item) => (item.outcome === 'starts' ? item : { outcome: item.outcome }))
          expect(outcomes(preview)).toEqual(outcomes(whole))
          expect(preview.starts + preview.waits + preview.refused).toBe(preview.looked)
          // not the reasons: older tasks may have used up the passes, and a figure in one is then of a pass before
          const { looked, starts, waits, refused } = whole
          if (starts <= mostPlaced - 1) expect(preview).toMatchObject({ looked, starts, waits, refused })
          if (preview.looked < candidates.length) brokenOff += 1
        },
      ),
      { numRuns: 2_000 },
    )
    expect(brokenOff).toBeGreaterThan(50)
  })

  it('leaves no trace: all that follows is the same as without it', () => {
    fc.assert(
      fc.property(stories, ({ nodes, before, after, candidates, perPass }) => {
        const looked = play(nodes, before)
        const twin = play(nodes, before)
        const look = () => previewSubmit(candidates, looked.queue, looked.ledger, { perPass, described: 5 })
        const first = look()
        expect(look()).toEqual(first)
        expect(visible(looked)).toEqual(visible(twin))
        for (const step of after) {
          looked.apply(step)
          twin.apply(step)
          look()
          expect(visible(looked)).toEqual(visible(twin))
        }
        looked.pass(Number.POSITIVE_INFINITY)
        twin.pass(Number.POSITIVE_INFINITY)
        expect(looked.history).toEqual(twin.history)
        expect(visible(looked)).toEqual(visible(twin))
      }),
      { numRuns: 1_500 },
    )
  })

  it('leaves no trace where it throws half-way', () => {
    fc.assert(
      fc.property(stories, ({ nodes, before, after, candidates }) => {
        const looked = play(nodes, before)
        const twin = play(nodes, before)
        function* broken() {
          yield* candidates
          throw new Error('half-way')
        }
        const look = () =>
          previewSubmit(broken(), looked.queue, looked.ledger, { perPass: 1_000, described: 5 })
        expect(look).toThrow('half-way')
        for (const step of after) {
          looked.apply(step)
          twin.apply(step)
        }
        looked.pass(Number.POSITIVE_INFINITY)
        twin.pass(Number.POSITIVE_INFINITY)
        expect(looked.history).toEqual(twin.history)
      }),
      { numRuns: 500 },
    )
  })
})

/** n1: 8 cores, of which task 1 holds 6. */
function busyCluster() {
  const ledger = new Ledger()
  const queue = new PendingQueue()
  ledger.setNode(node('n1', { numa: 2 }))
  queue.add(pendingTask(1, 'n1', { cores: 6 }))
  schedulePass(queue, ledger)
  return { ledger, queue }
}

describe('what a preview says', () => {
  const options = { perPass: 1_000, described: 10 }

  it('names tasks of its own by their place, and others by their id', () => {
    const { queue, ledger } = busyCluster()
    const wanted = [
      candidate('n1', { cores: 4 }),
      candidate('n1', { cores: 1 }),
      candidate('any', { cores: 1 }),
      candidate('n1', { cores: 1, queue: false }),
      candidate('n9'),
      candidate('n1', { cores: 9 }),
    ]
    expect(previewSubmit(wanted, queue, ledger, options)).toEqual({
      looked: 6,
      starts: 0,
      waits: 3,
      refused: 3,
      items: [
        { outcome: 'waits', reason: 'needs 4 cores on n1: 2 free, 6 held by task 1' },
        { outcome: 'waits', reason: 'waits behind task 1 of this submit for node n1' },
        {
          outcome: 'waits',
          reason: 'waits behind task 1 of this submit: node n1 has room, but is kept for it',
        },
        { outcome: 'refused', reason: 'waits behind task 1 of this submit for node n1' },
        { outcome: 'refused', reason: 'there is no node n9: the cluster has n1' },
        { outcome: 'refused', reason: '9 cores asked, but n1 has 8' },
      ],
      firstRefused: { index: 3, reason: 'waits behind task 1 of this submit for node n1' },
    })
  })

  it('tells where each would start, and what is left to say without any node', () => {
    const { queue, ledger } = busyCluster()
    const { items } = previewSubmit([candidate('any'), candidate('n1:0')], queue, ledger, options)
    expect(items).toEqual([
      { outcome: 'starts', placement: { node: 'n1', numaId: 0 } },
      { outcome: 'starts', placement: { node: 'n1', numaId: 0 } },
    ])
    const none = previewSubmit([candidate('any'), candidate('n1')], new PendingQueue(), new Ledger(), options)
    expect(none.items).toEqual([
      { outcome: 'waits', reason: 'no node has joined yet' },
      { outcome: 'refused', reason: 'there is no node n1: no node has joined yet' },
    ])
  })

  it('leaves it to the next pass to wake what a killed task has left behind', () => {
    const { queue, ledger } = busyCluster()
    queue.add(pendingTask(2, 'n1', { cores: 8 }))
    queue.add(pendingTask(3, 'n1:0', { cores: 2 }))
    expect(schedulePass(queue, ledger)).toEqual([])
    queue.remove(2)
    previewSubmit([candidate('any')], queue, ledger, options)
    expect(schedulePass(queue, ledger)).toMatchObject([{ taskId: 3 }])
  })
})

describe('how much a preview looks at', () => {
  const many = { perPass: 1_000, described: 1_000 }
  const cluster = (nodes: number) => {
    const ledger = new Ledger()
    for (let at = 0; at < nodes; at += 1) ledger.setNode(node(`n${at}`, { numa: 2 }))
    return { ledger, queue: new PendingQueue() }
  }
  const tenThousand = (make: (at: number) => Candidate) => Array.from({ length: 10_000 }, (_, at) => make(at))
  const timed = (wanted: Candidate[], { queue, ledger }: ReturnType<typeof cluster>) => {
    const startedAtMs = performance.now()
    const preview = previewSubmit(wanted, queue, ledger, many)
    return { ...preview, ms: performance.now() - startedAtMs }
  }

  it.each<[string, (at: number) => Candidate, Partial<Preview>]>([
    ['all alike', () => candidate('any'), { looked: 5_000, starts: 5_000 }],
    ['each for a node', (at) => candidate(`n${at % 1_000}`), { looked: 5_000, starts: 5_000 }],
    [
      'each for a NUMA node',
      (at) => candidate(`n${at % 1_000}:1`),
      { looked: 10_000, starts: 4_000, waits: 6_000 },
    ],
    ['too big for all', () => candidate('any', { cores: 99 }), { looked: 10_000, waits: 10_000 }],
    ['none may wait', () => candidate('any', { queue: false }), { looked: 5_000, starts: 5_000 }],
    ['for a node that is not there', () => candidate('nowhere'), { looked: 10_000, refused: 10_000 }],
    ['each another that is not there', (at) => candidate(`x${at}`), { starts: 0 }],
    ['each with other needs', (at) => candidate('any', { memoryBytes: GiB + at }), { refused: 0 }],
    ['each too big in another way', (at) => candidate('any', { cores: 99 + at }), { refused: 0 }],
  ])('10,000 tasks on 1,000 nodes take a moment: %s', (_name, make, expected) => {
    timed(tenThousand(make), cluster(1_000))
    const preview = timed(tenThousand(make), cluster(1_000))
    expect(preview).toMatchObject(expected)
    expect(preview.starts + preview.waits + preview.refused).toBe(preview.looked)
    expect(preview.items).toHaveLength(Math.min(preview.looked, 1_000))
    expect(preview.ms).toBeLessThan(1_000)
  })
})
