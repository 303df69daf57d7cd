import { describe, expect, it } from 'vitest'
import { nodeOf, numaNodeOf } from '../../api/builders.suite.ts'
import {
  countStates,
  filterNodes,
  type NodeLoad,
  nodeState,
  numaWords,
  sortNodes,
  withLoad,
} from './nodes.ts'

const names = (nodes: { name: string }[]) => nodes.map(({ name }) => name)

describe('the state of a node', () => {
  it('is what an operator has to know of it', () => {
    expect(nodeState(nodeOf({ name: 'a' }))).toBe('online')
    expect(nodeState(nodeOf({ name: 'a', problem: 'disk full' }))).toBe('closed')
    expect(nodeState(nodeOf({ name: 'a', problem: 'drained by admin', isDrained: true }))).toBe('drained')
    expect(
      nodeState(nodeOf({ name: 'a', status: 'unreachable', problem: 'drained by admin', isDrained: true })),
    ).toBe('unreachable')
  })

  it('is counted', () => {
    const nodes = [nodeOf({ name: 'a' }), nodeOf({ name: 'b' }), nodeOf({ name: 'c', status: 'unreachable' })]
    expect(countStates(nodes)).toEqual({ online: 2, unreachable: 1, closed: 0, drained: 0 })
  })
})

describe('the newest load', () => {
  const node = nodeOf({ name: 'a', lastSeenAt: '2026-11-28T12:00:00.000Z', coresAllocated: 1, coresFree: 7 })
  const load: NodeLoad = {
    name: 'a',
    status: 'online',
    lastSeenAt: '2026-11-28T12:00:05.000Z',
    cpuPercent: 75,
    memoryUsedBytes: 5,
    coresAllocated: 4,
    memoryAllocatedBytes: 0,
  }

  it('goes over the answer, and what is free goes with it', () => {
    expect(withLoad(node, load)).toMatchObject({ cpuPercent: 75, coresAllocated: 4, coresFree: 4 })
  })

  it('does not where the answer is newer, or there is none', () => {
    expect(withLoad(node, { ...load, lastSeenAt: '2026-11-28T11:59:59.000Z' })).toBe(node)
    expect(withLoad(node, undefined)).toBe(node)
  })
})

describe('a list of nodes', () => {
  const nodes = [
    nodeOf({ name: 'n10', cpuPercent: 5, tasksRunning: 3 }),
    nodeOf({ name: 'n2', cpuPercent: null, tasksRunning: 3, problem: 'its disk is full' }),
    nodeOf({ name: 'n1', cpuPercent: 90, tasksRunning: 0, status: 'unreachable' }),
  ]

  it('is ordered as asked, and by name where that says nothing', () => {
    expect(names(sortNodes(nodes, 'name', false))).toEqual(['n1', 'n2', 'n10'])
    expect(names(sortNodes(nodes, 'name', true))).toEqual(['n10', 'n2', 'n1'])
    expect(names(sortNodes(nodes, 'status', false))).toEqual(['n1', 'n2', 'n10'])
    expect(names(sortNodes(nodes, 'busy', true))).toEqual(['n1', 'n10', 'n2'])
    expect(names(sortNodes(nodes, 'tasks', true))).toEqual(['n2', 'n10', 'n1'])
  })

  it('is chosen by state, and by what stands in it', () => {
    expect(names(filterNodes(nodes, '', 'unreachable'))).toEqual(['n1'])
    expect(names(filterNodes(nodes, 'N1', null))).toEqual(['n10', 'n1'])
    expect(names(filterNodes(nodes, 'disk', null))).toEqual(['n2'])
    expect(filterNodes(nodes, 'disk', 'online')).toEqual([])
  })
})

describe('NUMA nodes in words', () => {
  const numa = (...cores: number[]) => ({ numaNodes: cores.map((count, id) => numaNodeOf(id, count)) })

  it('are told short', () => {
    expect(numaWords(numa())).toBeNull()
    expect(numaWords(numa(16, 16, 16, 16))).toBe('4 × 16')
    expect(numaWords(numa(8, 8, 0))).toBe('8 + 8 + 0')
    expect(numaWords(numa(8, 8, 8, 8, 0))).toBe('5, unlike')
  })
})
