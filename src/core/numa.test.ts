import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NumaNode } from './node.ts'
import {
  formatCpuList,
  numaTargets,
  parseCpuList,
  parseNumactlHardware,
  parseSysfsNuma,
  type SysfsNumaNode,
  usablePart,
} from './numa.ts'

const MiB = 1024 ** 2
const recordings = new URL('topologies/', import.meta.url)

/** What a real machine printed; the first line of the file says which. */
function recorded(name: string): string {
  return readFileSync(new URL(`${name}.txt`, recordings), 'utf8').replace(/^#.*\n/, '')
}

/** The recorded files of a machine's sysfs: "== path" before each. */
function recordedSysfs(name: string): { entries: SysfsNumaNode[]; online: string | null } {
  const parts = recorded(`${name}.sysfs`).split(/^== /m)
  const files = new Map(parts.map((part) => part.split(/\n(.*)/s) as [string, string]))
  const ids = new Set([...files.keys()].flatMap((path) => /node(\d+)/.exec(path)?.[1] ?? []))
  const entries = [...ids].map((id) => {
    const [cpulist = null, meminfo = null, distance = null] = ['cpulist', 'meminfo', 'distance'].map((file) =>
      files.get(`node/node${id}/${file}`),
    )
    return { id: Number(id), cpulist, meminfo, distance }
  })
  return { entries, online: files.get('cpu/online') ?? null }
}

/** A short word for each NUMA node: "0: 4 CPUs, 7976 MiB". */
function summary(nodes: NumaNode[]): string[] {
  return nodes.map(
    ({ id, cpus, memoryBytes }) => `${id}: ${cpus.length} CPUs, ${(memoryBytes ?? 0) / MiB} MiB`,
  )
}

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

const numactlRecordings = readdirSync(recordings)
  .filter((file) => !file.endsWith('.sysfs.txt'))
  .map((file) => file.replace(/\.txt$/, ''))

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
  it('reads two sockets with interleaved threads', () => {
    expect(parseNumactlHardware(twoSockets)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3, 8, 9, 10, 11], memoryBytes: 64_283 * MiB, distances: { 0: 10, 1: 21 } },
      { id: 1, cpus: [4, 5, 6, 7, 12, 13, 14, 15], memoryBytes: 64_505 * MiB, distances: { 0: 21, 1: 10 } },
    ])
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

  it('reads the files of a machine with 208 CPUs', () => {
    const { entries, online } = recordedSysfs('xeon-8470q')
    const nodes = parseSysfsNuma(entries, online)
    expect(summary(nodes)).toEqual(['0: 104 CPUs, 0 MiB', '1: 104 CPUs, 0 MiB'])
    expect(nodes.map(({ memoryBytes, distances }) => [memoryBytes, distances])).toEqual([
      [null, { 0: 10, 1: 21 }],
      [null, { 0: 21, 1: 10 }],
    ])
    expect(formatCpuList(nodes[1]?.cpus ?? [])).toBe('52-103,156-207')
  })

  it.each(numactlRecordings)('tells of %s the same as numactl', (name) => {
    const told = parseNumactlHardware(recorded(name))
    const entries = told.map((node) => ({
      id: node.id,
      cpulist: `${formatCpuList(node.cpus)}\n`,
      meminfo: meminfo(node.id, (node.memoryBytes ?? 0) / 1024),
      distance: `${Object.values(node.distances).join(' ')}\n`,
    }))
    expect(parseSysfsNuma(entries)).toEqual(told)
  })
})

describe('recordings of real machines', () => {
  const many = (count: number, cpus: number) =>
    Array.from({ length: count }, (_, id) => `${id}: ${cpus} CPUs`)

  it.each<[string, string[], number[]]>([
    ['core-i7', ['0: 8 CPUs, 16063 MiB'], [0]],
    ['knl-cache', ['0: 272 CPUs, 98207 MiB'], [0]],
    ['knl-flat', ['0: 272 CPUs, 98207 MiB', '1: 0 CPUs, 16384 MiB'], [0]],
    ['opteron-2', ['0: 4 CPUs, 7959 MiB', '1: 4 CPUs, 8053 MiB'], [0, 1]],
    ['xeon-2-threads', ['0: 40 CPUs, 772696 MiB', '1: 40 CPUs, 774135 MiB'], [0, 1]],
    ['epyc-2', ['0: 32 CPUs, 773271 MiB', '1: 32 CPUs, 774028 MiB'], [0, 1]],
    ['xeon-4', many(4, 20), [0, 1, 2, 3]],
    ['xeon-4-ring', many(4, 56), [0, 1, 2, 3]],
    [
      'threadripper-memory-on-2',
      ['0: 12 CPUs, 0 MiB', '1: 12 CPUs, 64307 MiB', '2: 12 CPUs, 64472 MiB', '3: 12 CPUs, 0 MiB'],
      [1, 2],
    ],
    ['epyc-8', many(8, 32), [0, 1, 2, 3, 4, 5, 6, 7]],
    ['xeon-8', many(8, 20), [0, 1, 2, 3, 4, 5, 6, 7]],
    ['epyc-7401-memory-on-2', many(8, 12), [1, 5]],
    [
      'power9-gpus',
      ['0: 64 CPUs', '8: 64 CPUs', ...[252, 253, 254, 255].map((id) => `${id}: 0 CPUs, 32256 MiB`)],
      [0, 8],
    ],
    [
      'power9-gpus-off',
      ['0: 64 CPUs', '8: 64 CPUs', ...[252, 253, 254, 255].map((id) => `${id}: 0 CPUs, 0 MiB`)],
      [0, 8],
    ],
    ['power-gaps', ['0: 32 CPUs, 28273 MiB', '2: 0 CPUs, 16384 MiB', '3: 16 CPUs, 30533 MiB'], [0, 3]],
    [
      'gh200',
      [
        '0: 72 CPUs, 490037 MiB',
        '1: 0 CPUs, 97280 MiB',
        ...[2, 3, 4, 5, 6, 7, 8].map((id) => `${id}: 0 CPUs, 0 MiB`),
      ],
      [0],
    ],
    ['optane-2', ['0: 56 CPUs', '1: 56 CPUs', '2: 0 CPUs, 1026048 MiB', '3: 0 CPUs, 512000 MiB'], [0, 1]],
    ['cxl-2', ['0: 128 CPUs, 515389 MiB', '1: 128 CPUs, 516004 MiB', '2: 0 CPUs, 124913 MiB'], [0, 1]],
    ['cpus-offline', ['0: 2 CPUs, 15954 MiB', '1: 0 CPUs, 0 MiB', '2: 0 CPUs, 16113 MiB'], [0]],
  ])('%s', (name, wanted, targets) => {
    const nodes = parseNumactlHardware(recorded(name))
    const said = summary(nodes)
    expect(said.map((each, at) => each.slice(0, wanted[at]?.length))).toEqual(wanted)
    expect(numaTargets(nodes).map(({ id }) => id)).toEqual(targets)
  })

  it.each(numactlRecordings)('%s holds together', (name) => {
    const text = recorded(name)
    const nodes = parseNumactlHardware(text)
    const [, count, ids = ''] = /^available: (\d+) nodes \((.*)\)$/m.exec(text) ?? []
    expect(nodes.length).toBe(Number(count))
    // numactl writes ids as the kernel writes CPUs
    expect(nodes.map(({ id }) => id)).toEqual(parseCpuList(ids))
    const cpus = nodes.flatMap((node) => node.cpus)
    expect(new Set(cpus).size).toBe(cpus.length)
    expect(formatCpuList(cpus)).toMatch(/^0-\d+$/)
    const hasDistances = text.includes('node distances:')
    for (const from of nodes) {
      expect(from.memoryBytes).not.toBeNull()
      expect(Object.keys(from.distances).map(Number)).toEqual(hasDistances ? parseCpuList(ids) : [])
      if (hasDistances) expect(from.distances[from.id]).toBe(10)
      for (const to of nodes) expect(from.distances[to.id]).toBe(to.distances[from.id])
    }
  })

  it('is all that is kept', () => {
    expect(numactlRecordings.length).toBeGreaterThanOrEqual(19)
    for (const file of readdirSync(recordings)) {
      expect(readFileSync(new URL(file, recordings), 'utf8')).toMatch(/^# .+\.\n/)
    }
  })
})

describe('usablePart', () => {
  const nodes = parseNumactlHardware(recorded('xeon-2-threads'))

  it('is all where all may be used', () => {
    const cpus = nodes.flatMap((node) => node.cpus)
    expect(usablePart(nodes, cpus, null)).toEqual(nodes)
    expect(usablePart(nodes, cpus, [0, 1])).toEqual(nodes)
  })

  it('keeps what may not be used in sight, but not as a target', () => {
    const cpus = parseCpuList('0-3,40-43')
    const some = usablePart(nodes, cpus, [0, 1])
    expect(some.map((node) => node.cpus)).toEqual([cpus, []])
    expect(numaTargets(some).map(({ id }) => id)).toEqual([0])
    const otherMemory = usablePart(nodes, parseCpuList('0-79'), [1])
    expect(otherMemory.map(({ memoryBytes }) => memoryBytes)).toEqual([0, 774_135 * MiB])
    expect(numaTargets(otherMemory).map(({ id }) => id)).toEqual([1])
    expect(numaTargets(usablePart(nodes, cpus, [1]))).toEqual([])
    expect(some[0]?.distances).toEqual(nodes[0]?.distances)
  })
})
