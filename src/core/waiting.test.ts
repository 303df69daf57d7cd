import { describe, expect, it } from 'vitest'
import { GiB, node, numaNode, pendingTask, spec } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import type { ClusterNode } from './node.ts'
import { PendingQueue } from './pending.ts'
import { schedulePass } from './placement.ts'
import { parseTarget } from './target.ts'
import type { TaskSpec } from './task.ts'
import { busyReason, explainWait, refuseReason } from './waiting.ts'

function ledgerOf(...nodes: ClusterNode[]): Ledger {
  const ledger = new Ledger()
  for (const each of nodes) ledger.setNode(each)
  return ledger
}

describe('refuseReason', () => {
  const ledger = ledgerOf(
    node('n1', { cores: 16, memoryBytes: 64 * GiB, numa: 2 }),
    node('n2', { numa: 2, features: { numa: false, privatePids: false, privateNetwork: false } }),
    node('n3', { status: 'unreachable' }),
    node('n4', {
      numa: [
        numaNode(0, [0, 1], 8),
        numaNode(1, [2, 3], 0),
        numaNode(3, [], 8),
        numaNode(8, [4, 5], 8),
        numaNode(9, [6], null),
      ],
    }),
    node('n5', { numa: [numaNode(0, [0, 1], 0)] }),
  )
  it.each<[string, Partial<TaskSpec>, string]>([
    ['n9', {}, 'there is no node n9: the cluster has n1, n2, n3 and 2 more nodes'],
    ['n1:7', {}, 'n1 has no NUMA node 7: it has 0 and 1'],
    ['n3:0', {}, 'n3 has no NUMA nodes: name the node alone'],
    ['n2:0', {}, 'n2 cannot bind to a NUMA node (its executor is systemd)'],
    ['n4:3', {}, 'NUMA node 3 of n4 has no CPUs that tasks may use: name 0, 8 or 9'],
    ['n4:1', {}, 'NUMA node 1 of n4 has no memory that tasks may use: name 0, 8 or 9'],
    ['n4:7', {}, 'n4 has no NUMA node 7: it has 0, 8 and 9'],
    ['n5:0', {}, 'NUMA node 0 of n5 has no memory that tasks may use: name the node alone'],
    ['n5:1', {}, 'n5 has no NUMA node 1: none can be bound to'],
    ['n1', { cores: 17 }, '17 cores asked, but n1 has 16'],
    ['n1:0', { cores: 9 }, '9 cores asked, but n1:0 has 8'],
    ['n1', { memoryBytes: 65 * GiB }, '65 GiB of memory asked, but n1 has 64 GiB'],
    ['n1:1', { memoryBytes: 33 * GiB }, '33 GiB of memory asked, but n1:1 has 32 GiB'],
    ['n2', { privatePids: true }, 'n2 does not give private PIDs (its executor is systemd)'],
    [
      'n2',
      { privatePids: true, privateNetwork: true },
      'n2 does not give a private network and private PIDs (its executor is systemd)',
    ],
  ])('%s with %o', (target, asked, reason) => {
    expect(refuseReason(spec(asked), parseTarget(target), ledger)).toBe(reason)
  })

  it.each(['n1', 'n1:1', 'n3', 'any'])('has nothing against %s', (target) => {
    expect(refuseReason(spec(), parseTarget(target), ledger)).toBeNull()
  })

  it('never refuses a task for any node: one that can take it may join', () => {
    const any = parseTarget('any')
    expect(refuseReason(spec({ cores: 1_000 }), any, ledger)).toBeNull()
    expect(refuseReason(spec(), any, ledgerOf())).toBeNull()
  })

  it('says that no node has joined', () => {
    expect(refuseReason(spec(), parseTarget('n1'), ledgerOf())).toBe(
      'there is no node n1: no node has joined yet',
    )
  })
})

describe('explainWait of a task for any node', () => {
  function why(asked: Partial<TaskSpec>, ...nodes: ClusterNode[]): string {
    const ledger = ledgerOf(...nodes)
    const queue = new PendingQueue()
    ledger.hold(1, { node: 'a', numaId: null }, 6, 12 * GiB)
    const task = pendingTask(2, 'any', asked)
    queue.add(task)
    schedulePass(queue, ledger)
    return explainWait(task, queue, ledger)
  }

  it.each<[string, Partial<TaskSpec>, ClusterNode[], string]>([
    ['no node', {}, [], 'no node has joined yet'],
    ['one silent node', {}, [node('a', { status: 'unreachable' })], 'no node is online: a is unreachable'],
    [
      'silent nodes',
      {},
      ['a', 'b', 'c', 'd', 'e'].map((name) => node(name, { status: 'unreachable' })),
      'no node is online: a, b, c and 2 more nodes are unreachable',
    ],
    [
      'no PIDs',
      { privatePids: true },
      [node('a', { features: { privatePids: false } })],
      'no node gives private PIDs',
    ],
    [
      'no lease',
      { requeue: 1 },
      [node('a', { features: { lease: false } })],
      'no node gives the lease that --requeue needs',
    ],
    [
      'no network',
      { privateNetwork: true },
      [node('a', { features: { privateNetwork: false } })],
      'no node gives a private network',
    ],
    ['too many cores', { cores: 64 }, [node('a', { cores: 32 })], 'no node has 64 cores: the largest has 32'],
    [
      'too much memory',
      { memoryBytes: 64 * GiB },
      [node('a')],
      'no node has 64 GiB of memory: the largest has 16 GiB',
    ],
    [
      'never together',
      { cores: 16, memoryBytes: 32 * GiB },
      [node('a', { cores: 16 }), node('b', { memoryBytes: 32 * GiB })],
      'no single node has 16 cores and 32 GiB of memory',
    ],
    [
      'busy cores',
      { cores: 4 },
      [node('a')],
      'needs 4 cores: the most that is free is 2 on a; node a is kept for it',
    ],
    [
      'busy memory',
      { cores: 2, memoryBytes: 8 * GiB },
      [node('a')],
      'needs 2 cores and 8 GiB of memory on one node: the most that is free beside the cores is 4 GiB of memory on a; node a is kept for it',
    ],
  ])('%s', (_name, asked, nodes, reason) => expect(why(asked, ...nodes)).toBe(reason))

  it('before the pass, where it fits', () => {
    expect(explainWait(pendingTask(1, 'any'), new PendingQueue(), ledgerOf(node('a')))).toBe(
      'is about to be placed',
    )
  })
})

describe('busyReason', () => {
  it('says why a task that may not queue has to wait, and null where it can go', () => {
    const ledger = ledgerOf(node('a', { cores: 8 }), node('b', { cores: 8 }))
    const queue = new PendingQueue()
    queue.add(pendingTask(1, 'a', { cores: 6 }))
    schedulePass(queue, ledger)
    const busy = (target: string, cores: number) =>
      busyReason(spec({ cores }), parseTarget(target), queue, ledger)
    expect(busy('a', 2)).toBeNull()
    expect(busy('a', 3)).toBe('needs 3 cores on a: 2 free, 6 held by task 1')
    expect(busy('any', 8)).toBeNull()
    queue.add(pendingTask(2, 'b', { cores: 8 }))
    schedulePass(queue, ledger)
    expect(busy('any', 3)).toBe('needs 3 cores: the most that is free is 2 on a')
    queue.add(pendingTask(3, 'a', { cores: 4 }))
    schedulePass(queue, ledger)
    expect(busy('a', 1)).toBe('waits behind task 3 for node a')
    expect(queue.size).toBe(1)
  })
})
