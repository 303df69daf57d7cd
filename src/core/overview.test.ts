import { describe, expect, it } from 'vitest'
import { type OverviewNode, overviewOf } from './overview.ts'

const node = (overrides: Partial<OverviewNode>): OverviewNode => ({
  status: 'online',
  isClosed: false,
  cores: 4,
  memoryBytes: 100,
  load: { cpuPercent: 50, memoryUsedBytes: 10 },
  ...overrides,
})

describe('the nodes in a few numbers', () => {
  it('weighs load by cores, of the online nodes that have told', () => {
    const all = [
      node({ cores: 30, load: { cpuPercent: 100, memoryUsedBytes: null } }),
      node({ cores: 10, load: { cpuPercent: 0, memoryUsedBytes: 7 } }),
      node({ cores: 1000, load: null }),
      node({ cores: 1000, load: { cpuPercent: null, memoryUsedBytes: 1 }, isClosed: true }),
      node({ status: 'unreachable', cores: 9, isClosed: true }),
    ]
    expect(overviewOf(all)).toEqual({
      nodes: { total: 5, online: 4, unreachable: 1, closed: 1 },
      cores: 2040,
      memoryBytes: 400,
      memoryUsedBytes: 8,
      cpuPercent: 75,
    })
  })

  it('tells nothing of what nobody has told', () => {
    expect(overviewOf([node({ load: null })])).toMatchObject({ cpuPercent: null, memoryUsedBytes: null })
  })
})
