import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCpuList, parseCpuList, parseNumactlHardware, parseSysfsNuma } from './numa.ts'

const MiB = 1024 ** 2

const laptop = `available: 1 nodes (0)
node 0 cpus: 0 1 2 3 4 5 6 7
node 0 size: 15715 MB
node 0 free: 8123 MB
node distances:
node   0 
  0:  10 
`

const twoSockets = `available: 2 nodes (0-1)
node 0 cpus: 0 1 2 3 8 9 10 11
node 0 size: 64283 MB
node 0 free: 60211 MB
node 1 cpus: 4 5 6 7 12 13 14 15
node 1 size: 64505 MB
node 1 free: 61004 MB
node distances:
node   0   1 
  0:  10  21 
  1:  21  10 
`

/** A socket with a memory-only domain (CXL or high-bandwidth memory), and one without memory of its own; ids with a gap. */
const uneven = `available: 3 nodes (0,2,8)
node 0 cpus: 0 1 2 3
node 0 size: 7976 MB
node 0 free: 512 MB
node 2 cpus:
node 2 size: 16384 MB
node 2 free: 16384 MB
node 8 cpus: 4 5
node 8 size: 0 MB
node 8 free: 0 MB
node distances:
node     0    2    8
   0:   10   14   20
   2:   14   10   24
   8:   20   24   10
`

function eightDomains(): string {
  const ids = Array.from({ length: 8 }, (_, id) => id)
  const nodes = ids.map(
    (id) => `node ${id} cpus: ${id * 2} ${id * 2 + 1}\nnode ${id} size: 32000 MB\nnode ${id} free: 1 MB`,
  )
  const rows = ids.map((id) => `  ${id}: ${ids.map((other) => (other === id ? ' 10' : ' 12')).join(' ')} `)
  return [
    'available: 8 nodes (0-7)',
    ...nodes,
    'node distances:',
    `node   ${ids.join('   ')} `,
    ...rows,
    '',
  ].join('\n')
}

describe('parseCpuList', () => {
  it.each([
    ['', []],
    ['\n', []],
    ['0', [0]],
    ['0-3,8,10-11\n', [0, 1, 2, 3, 8, 10, 11]],
    ['8,0-1', [0, 1, 8]],
    ['0-1,1-2', [0, 1, 2]],
  ])('reads %j', (text, cpus) => expect(parseCpuList(text)).toEqual(cpus))

  it.each(['x', '0-', '3-1', '0-9999999', '1,,2', '-3'])('reads nothing from %j', (text) => {
    expect(parseCpuList(text)).toEqual([])
  })

  it('reads what formatCpuList writes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 2_000 })), (cpus) => {
        expect(parseCpuList(formatCpuList(cpus))).toEqual([...cpus].sort((a, b) => a - b))
      }),
    )
  })

  it('writes ranges', () => expect(formatCpuList([0, 1, 2, 8, 10, 11])).toBe('0-2,8,10-11'))
})

describe('parseNumactlHardware', () => {
  it('reads a laptop', () => {
    expect(parseNumactlHardware(laptop)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3, 4, 5, 6, 7], memoryBytes: 15_715 * MiB, distances: { 0: 10 } },
    ])
  })

  it('reads two sockets with interleaved threads', () => {
    expect(parseNumactlHardware(twoSockets)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3, 8, 9, 10, 11], memoryBytes: 64_283 * MiB, distances: { 0: 10, 1: 21 } },
      { id: 1, cpus: [4, 5, 6, 7, 12, 13, 14, 15], memoryBytes: 64_505 * MiB, distances: { 0: 21, 1: 10 } },
    ])
  })

  it('keeps domains without CPUs or without memory, and gaps between ids', () => {
    expect(parseNumactlHardware(uneven)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3], memoryBytes: 7_976 * MiB, distances: { 0: 10, 2: 14, 8: 20 } },
      { id: 2, cpus: [], memoryBytes: 16_384 * MiB, distances: { 0: 14, 2: 10, 8: 24 } },
      { id: 8, cpus: [4, 5], memoryBytes: 0, distances: { 0: 20, 2: 24, 8: 10 } },
    ])
  })

  it('reads eight domains', () => {
    const nodes = parseNumactlHardware(eightDomains())
    expect(nodes.map((node) => node.id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(nodes[7]).toMatchObject({ cpus: [14, 15], distances: { 0: 12, 7: 10 } })
  })

  it('does not guess a size that is not told', () => {
    expect(parseNumactlHardware('node 0 cpus: 0 1\nnode 0 size: <not available>\n')).toEqual([
      { id: 0, cpus: [0, 1], memoryBytes: null, distances: {} },
    ])
  })

  it.each(['', 'No NUMA available on this system\n', 'numactl: command not found', '\0\0'])(
    'finds none in %j',
    (text) => {
      expect(parseNumactlHardware(text)).toEqual([])
    },
  )

  it('takes any text without failing', () => {
    fc.assert(
      fc.property(fc.string(), (noise) => {
        expect(parseNumactlHardware(`${twoSockets}${noise}`).length).toBeGreaterThanOrEqual(2)
      }),
    )
  })
})

describe('parseSysfsNuma', () => {
  const meminfo = (id: number, kB: number) =>
    `Node ${id} MemTotal:       ${kB} kB\nNode ${id} MemFree:         1024 kB\nNode ${id} MemUsed:         4096 kB\n`

  it('reads the files of a machine with a gap and a memory-only domain', () => {
    const entries = [
      { id: 2, cpulist: '\n', meminfo: meminfo(2, 16_777_216), distance: '14 10\n' },
      { id: 0, cpulist: '0-3,8\n', meminfo: meminfo(0, 8_167_424), distance: '10 14\n' },
    ]
    expect(parseSysfsNuma(entries)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3, 8], memoryBytes: 8_167_424 * 1024, distances: { 0: 10, 2: 14 } },
      { id: 2, cpus: [], memoryBytes: 16_777_216 * 1024, distances: { 0: 14, 2: 10 } },
    ])
  })

  it('leaves out CPUs that are offline', () => {
    const entries = [{ id: 0, cpulist: '0-7', meminfo: meminfo(0, 1), distance: '10' }]
    expect(parseSysfsNuma(entries, '0-1,4\n')[0]?.cpus).toEqual([0, 1, 4])
  })

  it('says null or nothing for what is not there, also for distances that do not match', () => {
    const missing = { cpulist: null, meminfo: null }
    expect(parseSysfsNuma([{ id: 0, ...missing, distance: null }])).toEqual([
      { id: 0, cpus: [], memoryBytes: null, distances: {} },
    ])
    expect(parseSysfsNuma([{ id: 0, ...missing, distance: '10 20' }])[0]?.distances).toEqual({})
  })

  it('tells the same as numactl of the same machine', () => {
    const entries = parseNumactlHardware(uneven).map((node) => ({
      id: node.id,
      cpulist: formatCpuList(node.cpus),
      meminfo: meminfo(node.id, (node.memoryBytes ?? 0) / 1024),
      distance: Object.values(node.distances).join(' '),
    }))
    expect(parseSysfsNuma(entries)).toEqual(parseNumactlHardware(uneven))
  })
})
