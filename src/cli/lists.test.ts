import { expect, it } from 'vitest'
import { displayWidth } from '../core/text.ts'
import { run, startHost } from './cli.suite.ts'
import { type FakeHost, nodeOf } from './fake-host.suite.ts'

/** Written by somebody who wants to draw on the terminal of others. */
const evil = 'x\u001b[2J\u001b]0;owned\u0007\r\n\u202ey\u009b1A'

async function filledHost(): Promise<FakeHost> {
  const host = await startHost()
  host.add({ id: '5', name: evil, reason: evil, node: 'node1' })
  host.add({
    id: '6',
    command: 'python',
    arguments: ['train.py', 'a b', evil, 'z'.repeat(300)],
    env: { A: evil },
    memoryBytes: 1024 ** 3,
  })
  host.add({ id: '7' })
  host.end('7', { status: 'failed', exitCode: 3 })
  host.nodes.push(
    nodeOf({ name: 'node1' }),
    nodeOf({ name: 'a-machine-with-a-rather-long-name.example', status: 'unreachable' }),
  )
  return host
}

const pages = [
  ['ps'],
  ['ps', '--all'],
  ['show', '5'],
  ['show', '6'],
  ['nodes'],
  ['node', 'node1'],
  ['batch', 'list'],
  ['batch', 'show', '900'],
]

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const dangerous = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/

it.each(pages.map((words) => [words]))('%j lets no control character through', async (words) => {
  const { code, out } = await run(await filledHost(), words, { columns: 200 })
  expect(code).toBe(0)
  expect(out).not.toMatch(dangerous)
  expect((await run(await filledHost(), words)).out).not.toMatch(dangerous)
})

it('shows what a task uses that runs, where the host tells it', async () => {
  const host = await filledHost()
  const usage = {
    id: '6',
    startAt: '2026-11-23T10:00:00.000Z',
    stepMs: 5_000,
    cpuCores: [0.5, 3.204, null],
    memoryBytes: [1, 700 * 1024 ** 2, null],
    cores: 4,
    memoryLimitBytes: 1024 ** 3,
    missing: null,
  }
  host.usages.set('6', usage)
  expect((await run(host, ['show', '6'])).out).toContain('now  3.2 of 4 cores, 700 MiB of 1 GiB\n')
  host.usages.set('6', { ...usage, cpuCores: [null], cores: 1, memoryLimitBytes: null })
  expect((await run(host, ['show', '6'])).out).toContain('now  700 MiB\n')
  host.usages.set('6', { ...usage, startAt: null, cpuCores: [], memoryBytes: [], missing: 'too new' })
  expect((await run(host, ['show', '6'])).out).not.toContain('Uses')
  // an older host
  const { code, out } = await run(host, ['show', '5'])
  expect([code, out.includes('Uses')]).toEqual([0, false])
  // what has ended is not asked for
  host.usages.set('7', usage)
  expect((await run(host, ['show', '7'])).out).not.toContain('Uses')
})

it('writes control characters out', async () => {
  const { out } = await run(await filledHost(), ['show', '5'])
  expect(out).toContain('x\\x1b[2J\\x1b]0;owned\\x07\\r\\n\\x202ey\\x9b1A')
})

it.each([40, 60, 80, 132])('tables are not wider than a terminal of %i columns', async (columns) => {
  const host = await filledHost()
  host.add({ id: '8', name: '日本語の名前のとても長いタスク🎉', node: 'node1' })
  const numaNode = {
    memoryBytes: 2 ** 35,
    memoryUsedBytes: null,
    coresAllocated: 0,
    memoryAllocatedBytes: 0,
    coresFree: 1,
    memoryFreeBytes: null,
  }
  const numaNodes = [0, 1].map((id) => ({ ...numaNode, id, cpus: [id], cpuPercent: 5, distances: {} }))
  const long = nodeOf({ name: 'another-machine-with-a-rather-long-name.example', numaNodes })
  host.nodes.push(long)
  const pages = [
    ['ps'],
    ['nodes'],
    ['batch', 'list'],
    ['batch', 'show', '900'],
    ['config', 'show', '--origin'],
  ]
  for (const words of [...pages, ['node', long.name]]) {
    const { out } = await run(host, words, { columns })
    // sentences are left to the terminal; a table begins with its heading in capitals
    const lines = out.split('\n').filter((line) => !line.startsWith('Limits are'))
    const table = lines.slice(lines.findIndex((line) => /^[A-Z]{2,} /.test(line)))
    expect(Math.max(...table.map(displayWidth))).toBeLessThanOrEqual(columns)
    expect(out).toMatch(/8|node1|900|port|:1 /)
  }
})

it.each([40, 60, 80])(
  'the options in the help are not wider than a terminal of %i columns',
  async (columns) => {
    const host = await startHost()
    for (const words of [['--help'], ['submit', '--help'], ['node', '--help']]) {
      const { out } = await run(host, words, { columns })
      const own = out.slice(out.indexOf('\nOptions:')).split('\n')
      expect(Math.max(...own.map(displayWidth))).toBeLessThanOrEqual(columns)
    }
  },
)

it('cuts nothing where the output is no terminal', async () => {
  const { out } = await run(await filledHost(), ['ps'])
  expect(out).toContain('z'.repeat(300))
})

it('prints ids alone with --quiet', async () => {
  const host = await filledHost()
  expect((await run(host, ['ps', '-q'])).out).toBe('7\n6\n5\n')
  expect((await run(host, ['ps', '-q', '--status', 'failed,lost'])).out).toBe('7\n')
  expect((await run(host, ['nodes', '-q'])).out).toBe('node1\na-machine-with-a-rather-long-name.example\n')
})

it('lists all that have not ended, however many have', async () => {
  const host = await startHost()
  host.add({ id: '1', name: 'old and running' })
  for (let id = 2; id < 300; id += 1) {
    host.add({ id: String(id) })
    host.end(String(id), { status: 'completed', exitCode: 0 })
  }
  const { out } = await run(host, ['ps'])
  expect(out).toContain('old and running')
  expect(out.trimEnd().split('\n').length).toBeLessThan(30)
  expect((await run(host, ['ps', '--all', '-q'])).out.trimEnd().split('\n')).toHaveLength(299)
})

it.each([
  [['ps', '--json']],
  [['ps', '--all', '--json']],
  [['show', '6', '--json']],
  [['nodes', '--json']],
  [['node', '--json']],
  [['node', 'node1', '--json']],
  [['batch', 'list', '--json']],
  [['batch', 'show', '900', '--json']],
  [['kill', '5', '--json']],
  [['kill', '--batch', '900', '--json']],
  [['ps', '--search', 'hello', '--json']],
  [['rerun', '7', '--json']],
  [['wait', '7', '--json']],
  [['version', '--json']],
  [['task', 'list', '--json']],
  [['--json', 'task', 'show', '6']],
])('%j prints one JSON value, and it alone', async (words) => {
  const { out, err } = await run(await filledHost(), words)
  expect(JSON.parse(out)).toBeTypeOf('object')
  expect(err).toBe('')
})

it('says that limits are not enforced where they are not', async () => {
  const host = await startHost()
  const executor = {
    name: 'process' as const,
    why: 'systemd does not run here',
    enforcesLimits: false,
    features: { privateNetwork: false, privatePids: false, numa: false },
  }
  host.nodes.push(nodeOf({ name: 'node1', executor }))
  expect((await run(host, ['nodes'])).out).toContain('Limits are not enforced on node1')
  expect((await run(host, ['node', 'node1'])).out).toContain('not enforced')
})

it('shows NUMA nodes: how many of how many cores, and for a node what each has and how far they are', async () => {
  const host = await startHost()
  const rest = { memoryAllocatedBytes: 0, memoryUsedBytes: null }
  const numaNode = (id: number, cpus: number[], distances: Record<string, number>) => ({
    ...rest,
    ...{ id, cpus, distances, coresAllocated: id, coresFree: cpus.length - id, cpuPercent: 25 },
    ...{ memoryBytes: 4 * 1024 ** 3, memoryFreeBytes: 3 * 1024 ** 3 },
  })
  const even = [numaNode(0, [0, 1, 4, 5], { 0: 10, 1: 21 }), numaNode(1, [2, 3, 6, 7], { 0: 21, 1: 10 })]
  const card = [
    numaNode(0, [0, 1, 2, 3], { 0: 10, 1: 21, 8: 180 }),
    numaNode(1, [4, 5], { 0: 21, 1: 10, 8: 140 }),
    { ...numaNode(8, [], { 0: 180, 1: 140, 8: 10 }), coresAllocated: 0, coresFree: 0, cpuPercent: null },
  ]
  host.nodes.push(nodeOf({ name: 'even', numaNodes: even }), nodeOf({ name: 'card', numaNodes: card }))
  host.nodes.push(nodeOf({ name: 'one', numaNodes: [numaNode(0, [0], { 0: 10 })] }), nodeOf({ name: 'none' }))
  const { out } = await run(host, ['nodes'])
  expect(out.split('\n').map((line) => line.split(/ {2,}/)[6])).toEqual([
    'NUMA',
    '0-1 × 4',
    '0-1,8: 4+2+0',
    '0',
    '-',
    undefined,
  ])
  expect((await run(host, ['node', 'card'])).out).toContain(
    [
      'NUMA NODE  CORES     MEMORY      FREE  BUSY  CPUS  DISTANCES',
      'card:0       0/4  0 B/4 GiB  4, 3 GiB  25 %  0-3    10  21 180',
      'card:1       1/2  0 B/4 GiB  1, 3 GiB  25 %  4-5    21  10 140',
      'card:8       0/0  0 B/4 GiB  0, 3 GiB     -  -     180 140  10',
    ].join('\n'),
  )
  expect((await run(host, ['node', 'one'])).out).not.toContain('DISTANCES')
})

it('tells what there is to do where there is nothing', async () => {
  const host = await startHost()
  expect(await run(host, ['ps'])).toEqual({
    code: 0,
    out: '',
    err: 'There is no task yet. Start one: hakuriver submit -- echo hello\n',
  })
})

it('kills, and tells of what has ended already', async () => {
  const host = await filledHost()
  expect(await run(host, ['kill', '5'])).toEqual({ code: 0, out: '5  killing\n', err: '' })
  const ended = await run(host, ['kill', '7'])
  expect(ended).toEqual({ code: 1, out: '', err: 'hakuriver: cannot kill task 7: it has ended\n' })
  expect((await run(host, ['kill', '404'])).code).toBe(3)
  expect((await run(host, ['kill', '--batch', '900'])).err).toContain(
    'asked for the end of 2 tasks, 1 task had ended already',
  )
})

it.each([
  [['ps'], true],
  [['ps', '--no-color'], false],
  [['--no-color', 'ps'], false],
  [['task', 'list', '--no-color'], false],
  [['task', '--no-color', 'list'], false],
])('%j paints: %s', async (words, isPainted) => {
  const host = await filledHost()
  const { out } = await run(host, words, { env: { NO_COLOR: '', FORCE_COLOR: '1' } })
  expect(out.includes('\u001b[')).toBe(isPainted)
})
