import { cpus } from 'node:os'
import { describe, expect, test } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { detectCapacity, hasNumactl, LoadMeter, readBootId } from './hardware.ts'

describe('hardware', () => {
  test('a boot has an id', () => {
    expect(readBootId()).toMatch(/^[0-9a-f-]{36}$/)
    expect(readBootId()).toBe(readBootId())
  })

  test('a machine has cores and memory, also without numactl', async () => {
    for (const numactlPath of ['', '/no/such/numactl']) {
      const { cores, memoryBytes, numaNodes } = await detectCapacity(numactlPath)
      expect(cores).toBeGreaterThanOrEqual(1)
      expect(cores).toBeLessThanOrEqual(Math.max(1, cpus().length))
      expect(memoryBytes).toBeGreaterThan(2 ** 26)
      for (const node of numaNodes) {
        expect(node.cpus.length).toBeLessThanOrEqual(cores)
        expect(node.cpus).toEqual(node.cpus.toSorted((a, b) => a - b))
      }
      const ids = numaNodes.map(({ id }) => id)
      expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b))
    }
  })

  test('what is no numactl is told apart', async () => {
    expect(await hasNumactl('/no/such/numactl')).toBe(false)
    expect(await hasNumactl('/bin/false')).toBe(false)
    expect(await hasNumactl('/bin/true')).toBe(true)
  })

  test('load is measured between two looks', async () => {
    const meter = new LoadMeter()
    const numaNode = { id: 0, cpus: [0], memoryBytes: null, distances: {} }
    const load = await waitFor('a tick of the clock', () => {
      const measured = meter.measure([numaNode])
      return measured.cpuPercent !== null && measured
    })
    expect(load.cpuPercent).toBeGreaterThanOrEqual(0)
    expect(load.cpuPercent).toBeLessThanOrEqual(100)
    expect(load.memoryUsedBytes).toBeGreaterThan(0)
    expect(load.numaNodes).toMatchObject([{ id: 0 }])
  })

  test('of a NUMA node that is not there nothing is known', () => {
    const numaNode = { id: 4_000, cpus: [], memoryBytes: null, distances: {} }
    expect(new LoadMeter().measure([numaNode]).numaNodes).toEqual([
      { id: 4_000, cpuPercent: null, memoryUsedBytes: null },
    ])
  })
})
