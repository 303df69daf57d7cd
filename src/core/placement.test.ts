import { describe, expect, it } from 'vitest'
import { GiB, node, numaNode, pendingTask } from './builders.suite.ts'
import { Ledger } from './capacity.ts'
import type { ClusterNode } from './node.ts'
import { PendingQueue, type PendingTask } from './pending.ts'
import { schedulePass } from './placement.ts'
import { formatPlacement } from './target.ts'
import { explainWait } from './waiting.ts'

function cluster(...nodes: ClusterNode[]) {
  const ledger = new Ledger()
  const queue = new PendingQueue()
  for (const each of nodes) ledger.setNode(each)
  return {
    ledger,
    queue,
    /** Adds the tasks and runs a pass: what was placed, as "12 n1:0". */
    pass: (...tasks: PendingTask[]): string[] => {
      for (const task of tasks) queue.add(task)
      return schedulePass(queue, ledger).map(
        ({ taskId, placement }) => `${taskId} ${formatPlacement(placement)}`,
      )
    },
    why: (taskId: number): string => {
      const task = queue.get(taskId)
      return task === null ? 'does not wait' : explainWait(task, queue, ledger)
    },
  }
}

describe('a task for a named node', () => {
  it('goes exactly there, node-wide or on its NUMA node', () => {
    const { pass } = cluster(node('n1', { numa: 2 }), node('n2', { numa: 2 }))
    expect(pass(pendingTask(1, 'n2'), pendingTask(2, 'n2:1'), pendingTask(3, 'n1:0'))).toEqual([
      '1 n2',
      '2 n2:1',
      '3 n1:0',
    ])
  })

  it('waits for cores, for memory, and for a node that is silent or not known', () => {
    const { pass, why, ledger } = cluster(
      node('n1', { cores: 8, memoryBytes: 16 * GiB }),
      node('n2', { status: 'unreachable' }),
    )
    expect(pass(pendingTask(12, 'n1', { cores: 2, memoryBytes: 12 * GiB }))).toEqual(['12 n1'])
    expect(pass(pendingTask(13, 'n1', { cores: 8 }), pendingTask(14, 'n2'), pendingTask(15, 'n3'))).toEqual(
      [],
    )
    expect(why(13)).toBe('needs 8 cores on n1: 6 free, 2 held by task 12')
    expect(why(14)).toBe('node n2 is unreachable')
    expect(why(15)).toBe('node n3 is not known yet')
    ledger.setNodeStatus('n2', 'online')
    ledger.setNode(node('n3'))
    ledger.release(12)
    expect(pass()).toEqual(['13 n1', '14 n2', '15 n3'])
  })

  it('says what memory it waits for, and who holds it', () => {
    const { pass, why } = cluster(node('n1', { cores: 64, memoryBytes: 16 * GiB }))
    const big = { memoryBytes: 4 * GiB }
    pass(...[1, 2, 3, 4].map((id) => pendingTask(id, 'n1', big)), pendingTask(5, 'n1', big))
    expect(why(5)).toBe(
      'needs 4 GiB of memory on n1: 0 B free, 16 GiB held by task 1, task 2, task 3 and 1 more tasks',
    )
  })

  it('keeps its place: a later small one does not overtake it there', () => {
    const { pass, why, ledger } = cluster(node('n1', { cores: 8 }))
    pass(pendingTask(1, 'n1', { cores: 4 }))
    expect(pass(pendingTask(2, 'n1', { cores: 8 }), pendingTask(3, 'n1'), pendingTask(4, 'any'))).toEqual([])
    expect(why(3)).toBe('waits behind task 2 for node n1')
    expect(why(4)).toBe('waits behind task 2: node n1 has room, but is kept for it')
    ledger.release(1)
    expect(pass()).toEqual(['2 n1'])
    ledger.release(2)
    expect(pass()).toEqual(['3 n1', '4 n1'])
  })

  it('lets the others go when it is killed', () => {
    const { pass, queue } = cluster(node('n1', { cores: 8 }))
    pass(
      pendingTask(1, 'n1', { cores: 4 }),
      pendingTask(2, 'n1', { cores: 8 }),
      pendingTask(3, 'n1'),
      pendingTask(4, 'any'),
    )
    expect(queue.remove(2)).toBe(true)
    expect(queue.remove(2)).toBe(false)
    expect(pass()).toEqual(['3 n1', '4 n1'])
  })

  it('keeps only its NUMA node where only that is short', () => {
    const { pass, why } = cluster(node('n1', { cores: 16, numa: 2 }))
    pass(pendingTask(1, 'n1:0', { cores: 6 }))
    const later = [
      pendingTask(3, 'n1:1', { cores: 2 }),
      pendingTask(4, 'n1'),
      pendingTask(5, 'n1:0'),
      pendingTask(6, 'any'),
    ]
    expect(pass(pendingTask(2, 'n1:0', { cores: 8 }), ...later)).toEqual(['3 n1:1', '6 n1:1'])
    expect(why(2)).toBe('needs 8 cores on n1:0: 2 free, 6 held by task 1')
    expect(why(4)).toBe('waits behind task 2 for node n1:0')
    expect(why(5)).toBe('waits behind task 2 for node n1:0')
  })

  it('keeps the whole node where that is short, although its NUMA node has room', () => {
    const { pass, why, ledger } = cluster(node('n1', { cores: 16, numa: 2 }))
    pass(pendingTask(1, 'n1', { cores: 12 }))
    expect(pass(pendingTask(2, 'n1:0', { cores: 8 }), pendingTask(3, 'n1:1', { cores: 4 }))).toEqual([])
    expect(why(2)).toBe('needs 8 cores on n1:0: 4 free on the whole node, 12 held by task 1')
    ledger.release(1)
    expect(pass()).toEqual(['2 n1:0', '3 n1:1'])
  })

  it('steps aside where its node has shrunk below it, and comes back when that has grown', () => {
    const { pass, why, ledger } = cluster(node('n1', { cores: 8 }))
    pass(
      pendingTask(1, 'n1', { cores: 8 }),
      pendingTask(2, 'n1', { cores: 8 }),
      pendingTask(3, 'n1', { cores: 4 }),
    )
    ledger.setNode(node('n1', { cores: 4 }))
    expect(ledger.freeOf('n1')).toMatchObject({ coresFree: 0, coresHeld: 8, cores: 4 })
    expect(pass()).toEqual([])
    ledger.release(1)
    expect(pass()).toEqual(['3 n1'])
    expect(why(2)).toBe('8 cores asked, but n1 has 4')
    ledger.release(3)
    ledger.setNode(node('n1', { cores: 8 }))
    expect(pass()).toEqual(['2 n1'])
  })
})

describe('a task for any node', () => {
  it('takes the tightest memory domain that holds it whole', () => {
    const { pass } = cluster(
      node('big', { cores: 32, numa: 2 }),
      node('small', { cores: 8 }),
      node('tiny', { cores: 2 }),
    )
    expect(pass(pendingTask(1, 'any', { cores: 2 }))).toEqual(['1 tiny'])
    expect(pass(pendingTask(2, 'any', { cores: 2 }))).toEqual(['2 small'])
    expect(pass(pendingTask(3, 'any', { cores: 12 }))).toEqual(['3 big:0'])
    expect(pass(pendingTask(4, 'any', { cores: 4, memoryBytes: 9 * GiB }))).toEqual(['4 small'])
  })

  it('spreads over NUMA nodes only where none holds it whole', () => {
    const { pass } = cluster(
      node('n1', { cores: 16, memoryBytes: 64 * GiB, numa: 2 }),
      node('n2', { cores: 24, numa: 2 }),
    )
    expect(pass(pendingTask(1, 'any', { cores: 12 }))).toEqual(['1 n2:0'])
    expect(pass(pendingTask(2, 'any', { cores: 14 }))).toEqual(['2 n1'])
  })

  it('is not bound where the executor cannot bind or there is one memory domain', () => {
    const { pass } = cluster(node('n1', { numa: 2, features: { numa: false } }), node('n2', { numa: 1 }))
    expect(pass(pendingTask(1, 'any', { cores: 8 }), pendingTask(2, 'any', { cores: 8 }))).toEqual([
      '1 n1',
      '2 n2',
    ])
  })

  it('is bound to NUMA nodes with CPUs and memory only, and to none where that is the only one', () => {
    const uneven = [
      numaNode(0, [0, 1], 8),
      numaNode(1, [2, 3], 0),
      numaNode(2, [], 64),
      numaNode(8, [4, 5], 8),
    ]
    const { pass } = cluster(node('n1', { cores: 6, memoryBytes: 80 * GiB, numa: uneven }))
    const tasks = [1, 2, 3].map((id) => pendingTask(id, 'any', { cores: 2 }))
    expect(pass(...tasks)).toEqual(['1 n1:0', '2 n1:8', '3 n1'])
    // the memory beside is of use to whoever may use all
    const card = [numaNode(0, [0, 1], 8), numaNode(1, [], 16)]
    const other = cluster(node('n2', { cores: 2, memoryBytes: 24 * GiB, numa: card }))
    expect(other.pass(pendingTask(1, 'any', { memoryBytes: 20 * GiB }))).toEqual(['1 n2'])
  })

  it('takes names in order where all is equal, and packs', () => {
    const { pass } = cluster(node('c'), node('a'), node('b'))
    expect(pass(...[1, 2, 3].map((id) => pendingTask(id, 'any', { cores: 4 })))).toEqual([
      '1 a',
      '2 a',
      '3 b',
    ])
  })

  it('goes only where the sandbox is given', () => {
    const { pass, why } = cluster(
      node('a', { features: { privatePids: false } }),
      node('b', { features: { privateNetwork: false } }),
    )
    const tasks = [
      pendingTask(1, 'any', { privatePids: true }),
      pendingTask(2, 'any', { privateNetwork: true }),
      pendingTask(3, 'any', { privateNetwork: true, privatePids: true }),
    ]
    expect(pass(...tasks)).toEqual(['1 b', '2 a'])
    expect(why(3)).toBe('no single node has 1 core and a private network and private PIDs')
  })

  it('looks past nodes with cores but without memory', () => {
    const { pass } = cluster(
      node('a', { memoryBytes: GiB }),
      node('b', { cores: 9, memoryBytes: GiB }),
      node('c', { cores: 10 }),
    )
    expect(pass(pendingTask(1, 'any', { memoryBytes: 2 * GiB }))).toEqual(['1 c'])
  })

  it('overtakes a bigger one elsewhere, but not on the node that is kept for it', () => {
    const { pass, why, ledger } = cluster(node('a', { cores: 4 }), node('b', { cores: 8 }))
    pass(pendingTask(1, 'b', { cores: 4 }), pendingTask(2, 'a', { cores: 3 }))
    expect(
      pass(
        pendingTask(3, 'any', { cores: 8 }),
        pendingTask(4, 'any'),
        pendingTask(5, 'any'),
        pendingTask(6, 'b'),
      ),
    ).toEqual(['4 a'])
    expect(why(3)).toBe('needs 8 cores: the most that is free is 4 on b; node b is kept for it')
    expect(why(5)).toBe('waits behind task 3: node b has room, but is kept for it')
    expect(why(6)).toBe('waits behind task 3, which waits longer and for which node b is kept')
    ledger.release(1)
    expect(pass()).toEqual(['3 b'])
  })

  it('keeps another node when the kept one falls silent', () => {
    const { pass, why, ledger } = cluster(node('a', { cores: 8 }), node('b', { cores: 8 }))
    pass(pendingTask(1, 'a', { cores: 2 }), pendingTask(2, 'b', { cores: 4 }))
    expect(pass(pendingTask(3, 'any', { cores: 8 }))).toEqual([])
    expect(why(3)).toContain('node a is kept for it')
    ledger.setNodeStatus('a', 'unreachable')
    expect(pass(pendingTask(4, 'any'))).toEqual([])
    expect(why(3)).toContain('node b is kept for it')
  })

  it('gives the kept node back when it is killed', () => {
    const { pass, queue } = cluster(node('a', { cores: 8 }))
    pass(
      pendingTask(1, 'a', { cores: 2 }),
      pendingTask(2, 'any', { cores: 8 }),
      pendingTask(3, 'any'),
      pendingTask(4, 'a'),
    )
    queue.remove(2)
    expect(pass()).toEqual(['3 a', '4 a'])
  })

  it('keeps no node for what no node could ever take', () => {
    const { pass, why } = cluster(node('a', { cores: 8 }))
    expect(pass(pendingTask(1, 'any', { cores: 64 }), pendingTask(2, 'any'), pendingTask(3, 'a'))).toEqual([
      '2 a',
      '3 a',
    ])
    expect(why(1)).toBe('no node has 64 cores: the largest has 8')
  })
})

describe('endless arrivals', () => {
  it.each(['n1', 'any'])('of small tasks do not keep a big one for %s out', (target) => {
    const { pass, ledger } = cluster(node('n1', { cores: 8 }))
    let id = 1
    const running = [...Array(8)].map(() => id++)
    pass(...running.map((taskId) => pendingTask(taskId, 'any')))
    const big = id++
    pass(pendingTask(big, target, { cores: 8 }))
    for (let ended = 0; ended < 8; ended += 1) {
      ledger.release(running.shift() ?? 0)
      const placed = pass(pendingTask(id++, 'n1'), pendingTask(id++, 'any'))
      expect(placed).toEqual(ended === 7 ? [`${big} n1`] : [])
    }
  })
})

describe('schedulePass', () => {
  it('makes no more decisions than it may, and goes on in the next pass', () => {
    const { queue, ledger } = cluster(node('a', { cores: 8 }))
    for (let id = 1; id <= 5; id += 1) queue.add(pendingTask(id, id % 2 === 0 ? 'a' : 'any'))
    const passes = [
      schedulePass(queue, ledger, 2),
      schedulePass(queue, ledger, 2),
      schedulePass(queue, ledger, 2),
    ]
    expect(passes.map((decisions) => decisions.map((decision) => decision.taskId))).toEqual([
      [1, 2],
      [3, 4],
      [5],
    ])
  })

  it('takes back what could not be carried out, at its old place', () => {
    const { queue, ledger, pass } = cluster(node('a', { cores: 1 }))
    const first = pendingTask(1, 'a')
    pass(first, pendingTask(2, 'a'))
    ledger.release(1)
    queue.add(first)
    expect(pass()).toEqual(['1 a'])
  })

  it('lets the host book in what the store says, before the node has told what it has', () => {
    const { ledger, pass } = cluster()
    ledger.hold(1, { node: 'n1', numaId: 1 }, 4, GiB)
    expect(ledger.freeOf('n1')).toBeNull()
    expect(() => ledger.hold(1, { node: 'n2', numaId: null }, 4, GiB)).toThrow(
      'task 1 holds a part of a node already',
    )
    ledger.setNode(node('n1', { cores: 16, numa: 2 }))
    expect(ledger.freeOf('n1')?.numaNodes.map((numaNode) => numaNode.coresFree)).toEqual([8, 4])
    expect(pass(pendingTask(2, 'n1:1', { cores: 5 }))).toEqual([])
    expect(ledger.holdersOf('n1', 1)).toEqual([
      { taskId: 1, placement: { node: 'n1', numaId: 1 }, cores: 4, memoryBytes: GiB },
    ])
  })
})
