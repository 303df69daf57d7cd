import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numaNodeOf } from '../../api/builders.suite.ts'
import { assignSigns, type CoreGroup, colourOf, coreGroups, hasNeighbours, letterOf } from './core-grid.ts'

const task = (id: string, cores: number, numaId: number | null = null) => ({ id, cores, numaId })
const shape = (groups: CoreGroup[]) =>
  groups.map(({ numa, runs }) => [
    numa?.id ?? null,
    runs.map((run) => `${run.taskId ?? run.by} ${run.cores}${run.isLoose ? ' loose' : ''}`),
  ])
const parted = { cores: 16, numaNodes: [numaNodeOf(0, 8), numaNodeOf(1, 8)] }

describe('the cores of a node', () => {
  it('are one group on a machine without NUMA nodes, or with one', () => {
    expect(shape(coreGroups({ cores: 8, numaNodes: [] }, [task('1', 3)], 0))).toEqual([
      [null, ['1 3', 'free 5']],
    ])
    expect(
      shape(coreGroups({ cores: 8, numaNodes: [numaNodeOf(0, 8)] }, [task('1', 3, 0), task('2', 1)], 0)),
    ).toEqual([[0, ['1 3', '2 1', 'free 4']]])
  })

  it('stand with what is bound in its NUMA node, and with the rest where there is room', () => {
    const groups = coreGroups(parted, [task('1', 6, 0), task('2', 4), task('3', 2, 1)], 0)
    expect(shape(groups)).toEqual([
      [0, ['1 6', 'free 2']],
      [1, ['3 2', '2 4 loose', 'free 2']],
    ])
  })

  it('show a task that is larger than any room over several', () => {
    expect(shape(coreGroups(parted, [task('1', 12)], 2))).toEqual([
      [0, ['1 8 loose']],
      [1, ['1 4 loose', 'other 2 loose', 'free 2']],
    ])
  })

  it('leave out NUMA nodes that are only memory', () => {
    const node = { cores: 8, numaNodes: [numaNodeOf(0, 8), numaNodeOf(1, 0)] }
    expect(shape(coreGroups(node, [task('1', 2, 1)], 0))).toEqual([[0, ['1 2', 'free 6']]])
  })

  it('are all there, each once, whatever is held', () => {
    const tasks = fc.array(
      fc.record({
        id: fc.uuid(),
        cores: fc.integer({ min: 1, max: 20 }),
        numaId: fc.constantFrom(null, 0, 1, 7),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(tasks, fc.integer({ min: 0, max: 20 }), (held, others) => {
        const groups = coreGroups(parted, held, others)
        for (const group of groups)
          expect(group.runs.reduce((sum, run) => sum + run.cores, 0)).toBe(group.cores)
        const wanted = held.reduce((sum, { cores }) => sum + cores, others)
        const drawn = groups.flatMap(({ runs }) => runs.filter(({ by }) => by !== 'free'))
        expect(drawn.reduce((sum, run) => sum + run.cores, 0)).toBeLessThanOrEqual(Math.min(wanted, 16))
      }),
    )
  })
})

describe('the signs of tasks', () => {
  it('stay with them, and are given again when they are free', () => {
    const first = assignSigns(new Map(), ['10', '11', '12'])
    expect([...first]).toEqual([
      ['10', 0],
      ['11', 1],
      ['12', 2],
    ])
    const later = assignSigns(first, ['11', '12', '13', '14'])
    expect(Object.fromEntries(later)).toEqual({ 11: 1, 12: 2, 13: 0, 14: 3 })
  })

  it('are letters and eight colours', () => {
    expect([0, 25, 26, 27, 51, 52].map(letterOf)).toEqual(['A', 'Z', 'AA', 'AB', 'AZ', 'BA'])
    expect([0, 7, 8].map(colourOf)).toEqual([1, 8, 1])
  })
})

it('tells whether some NUMA nodes are nearer than others', () => {
  const at = (id: number, ...distances: number[]) =>
    numaNodeOf(id, 4, { distances: Object.fromEntries(distances.map((distance, to) => [to, distance])) })
  expect(hasNeighbours([at(0, 10, 21), at(1, 21, 10)])).toBe(false)
  expect(hasNeighbours([at(0, 10, 12, 21), at(1, 12, 10, 21), at(2, 21, 21, 10)])).toBe(true)
  expect(hasNeighbours([numaNodeOf(0, 4), numaNodeOf(1, 4)])).toBe(false)
})
