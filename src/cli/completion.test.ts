import { expect, it } from 'vitest'
import { runAlone, startHost, testIo } from './cli.suite.ts'
import { complete } from './completion.ts'
import { type FakeHost, nodeOf } from './fake-host.suite.ts'
import { tokenOf, userOf } from './fake-people.suite.ts'

async function completed(
  host: FakeHost | null,
  words: string[],
  command: string | null = null,
): Promise<string> {
  const url = host?.url ?? 'http://127.0.0.1:1'
  const test = testIo({ env: { HAKURIVER_HOST_URL: url, HAKURIVER_TOKEN: 'secret', MY_VARIABLE: '1' } })
  await complete(['--', ...words], command, test.io)
  expect(test.err()).toBe('')
  return test.out()
}

async function filledHost(): Promise<FakeHost> {
  const host = await startHost()
  host.add({ id: '41', name: 'train' })
  host.add({ id: '42', status: 'pending', command: 'sh', arguments: ['-c', 'a\tb\u001b[2J'] })
  host.add({ id: '51' })
  host.end('51', { status: 'failed', exitCode: 1 })
  const numaNodes = [0, 1].map((id) => ({
    id,
    cpus: [0, 1, 2, 3],
    memoryBytes: null,
    memoryUsedBytes: null,
    distances: {},
    coresFree: 4 - id,
    memoryFreeBytes: null,
    coresAllocated: id,
    memoryAllocatedBytes: 0,
    cpuPercent: null,
  }))
  host.nodes.push(nodeOf({ name: 'node1', numaNodes }), nodeOf({ name: 'node2', status: 'unreachable' }))
  host.people.users.push(userOf({ name: 'bob_2', role: 'operator', isDisabled: true }))
  host.people.tokens.push(
    tokenOf({ id: '9', label: 'old', revokedAt: '2026-11-23T10:00:00.000Z' }),
    tokenOf({ id: '8', label: 'Firefox', kind: 'browser' }),
    tokenOf({ id: '7' }),
  )
  return host
}

it.each([
  [
    ['submit', '-t', 'n'],
    'node1\t7 of 8 cores free\nnode1:0\tNUMA node, 4 of 4 cores free\nnode1:1\tNUMA node, 3 of 4 cores free\nnode2\tunreachable\n',
  ],
  [
    ['submit', '--target=node1:'],
    '--target=node1:0\tNUMA node, 4 of 4 cores free\n--target=node1:1\tNUMA node, 3 of 4 cores free\n',
  ],
  [['ps', '--node', 'node2'], 'node2\tunreachable\n'],
  [
    ['show', ''],
    "last\tthe newest: failed  echo hello\n51\tfailed  echo hello\n42\tpending  sh -c 'a\\tb\\x1b[2J'\n41\trunning  train\n",
  ],
  [
    ['kill', ''],
    "last\tthe newest: pending  sh -c 'a\\tb\\x1b[2J'\n42\tpending  sh -c 'a\\tb\\x1b[2J'\n41\trunning  train\nbatch:last\tall tasks of the newest submit\n",
  ],
  [
    ['rerun', ''],
    'last\tthe newest: failed  echo hello\n51\tfailed  echo hello\nbatch:last\twhat has ended of the newest submit\n',
  ],
  [['wait', '5'], '51\tfailed  echo hello\n'],
  [
    ['batch', 'show', ''],
    'last\tthe newest: 1 pending, 1 running, 1 failed\n900\t1 pending, 1 running, 1 failed\n',
  ],
  [['kill', 'batch:9'], 'batch:900\t1 pending, 1 running, 1 failed\n'],
  [['ps', '--status', 'failed,k'], 'failed,killing\nfailed,killed\nfailed,killed_oom\n'],
  [['user', 'disable', 'b'], 'bob_2\toperator, disabled\n'],
  [['ps', '--user', ''], 'admin\tadmin\nbob_2\toperator, disabled\n'],
  [['token', 'revoke', ''], '8\tbrowser: Firefox\n7\tlaptop\n'],
  [['user', 'set', 'ann', '--role', 'o'], 'operator\n'],
  [['submit', '-e', 'MY_V'], 'MY_VARIABLE\n'],
])('%j', async (words, wanted) => {
  expect(await completed(await filledHost(), words)).toBe(wanted)
})

it('completes the flags of a program that is a command under another name', async () => {
  expect(await completed(await filledHost(), ['--status', '4'], 'client')).toContain('41\trunning  train\n')
})

it('asks the host that the command line names', async () => {
  const host = await filledHost()
  expect(await completed(null, ['ps', '--host', host.url, '--node', 'node2'])).toBe('node2\tunreachable\n')
})

it('offers nothing that a shell would read as more than a word', async () => {
  const host = await startHost()
  for (const name of ['$(reboot)', 'a b', 'a;b', 'a\u001b[2J', '`id`', 'good'])
    host.nodes.push(nodeOf({ name }))
  expect(await completed(host, ['node', 'show', ''])).toBe('good\t7 of 8 cores free\n')
})

it('keeps what needs no host where the host is away, refuses, or does not answer', async () => {
  const commands =
    'list\tlist the machines\nshow\tone machine, its NUMA nodes and its tasks\n' +
    'drain\tplace nothing new there\nresume\ttake a drain back\nrevoke\ttake its credential back\nend-unknown\tend what runs there and the host does not know\nremove\tforget machines that do not come back\n'
  expect(await completed(null, ['node', ''])).toBe(commands)
  const refusing = await startHost()
  refusing.token = 'another'
  expect(await completed(refusing, ['node', ''])).toBe(commands)
  const silent = await startHost()
  silent.intercept = () => true
  const from = performance.now()
  expect(await completed(silent, ['node', ''])).toBe(commands)
  expect(performance.now() - from).toBeLessThan(5_000)
})

it('completion asks for a shell that it knows', async () => {
  const unknown = await runAlone(['completion'], testIo({ env: { SHELL: '/bin/tcsh' } }))
  expect(unknown).toEqual({
    code: 2,
    out: '',
    err: 'hakuriver: there is no completion for tcsh\n  Name the shell: hakuriver completion bash, zsh or fish.\n',
  })
  expect((await runAlone(['completion', 'csh'], testIo())).code).toBe(2)
})
