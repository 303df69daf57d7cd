/** `hakuriver.client` against a real host and two runners: each use of it, as installed by npm, and its exit codes. */
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { bundle, Program } from '../support/program.ts'

let cluster: LocalCluster
let program: string
beforeAll(async () => {
  cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
  // as npm makes it: a link of that name to the one program
  program = join(cluster.dir, 'hakuriver.client')
  symlinkSync(bundle('hakuriver'), program)
})
afterAll(() => cluster.close())

async function runWith(env: Record<string, string>, words: string[]) {
  const own = { HAKURIVER_HOME: cluster.home, HAKURIVER_HOST_URL: '', HAKURIVER_TOKEN: '' }
  const running = new Program(process.execPath, [program, ...words], { ...own, ...env })
  const { code } = await running.ended
  return { code, out: running.stdout, err: running.stderr }
}
const client = (...words: string[]) => runWith({}, words)

/** Submits, and gives the tasks once they have ended. */
async function submitted(...words: string[]) {
  const { code, out, err } = await client(...words)
  expect({ code, err, out }).toEqual({ code: 0, err: '', out: expect.stringMatching(/^(\d+\n)+$/) })
  return Promise.all(
    out
      .trim()
      .split('\n')
      .map((id) => cluster.api.ended(id)),
  )
}

it('--list-nodes shows status, cores and NUMA nodes; --json gives them to programs', async () => {
  const { code, out } = await client('--list-nodes')
  expect(code).toBe(0)
  expect(out).toMatch(/^NODE +STATUS +CORES .*NUMA/)
  for (const name of ['n1', 'n2']) expect(out).toMatch(new RegExp(`^${name} +online +\\d+/\\d+ `, 'm'))
  const json = await client('--list-nodes', '--json')
  expect(JSON.parse(json.out)).toMatchObject({ items: [{ name: 'n1' }, { name: 'n2' }] })
})

it('--health shows what every node has, or one', async () => {
  const all = await client('--health')
  expect(all).toMatchObject({ code: 0, out: expect.stringMatching(/^n1 {2}online[\s\S]*^n2 {2}online/m) })
  const one = await client('--health', 'n2')
  expect(one.out).toMatch(/cores .*\n.*memory /)
  expect(one.out).not.toContain('n1')
  // where the machine that runs this tells of its NUMA nodes
  const { numaNodes } = await cluster.api.client.getNode({ params: { name: 'n2' } })
  for (const { id } of numaNodes) expect(one.out).toMatch(new RegExp(`^n2:${id} .*\\d`, 'm'))
})

it('--target, --cores, --memory and --env make the task; no target is any node', async () => {
  const words = [
    '--target',
    'n1',
    '--cores',
    '1',
    '--memory=64M',
    '--env',
    'P=1',
    '--',
    'sh',
    '-c',
    'echo $P',
  ]
  const [task] = await submitted(...words)
  expect(task).toMatchObject({ status: 'completed', node: 'n1', cores: 1, memoryBytes: 64 * 1024 ** 2 })
  expect(await cluster.api.log(task?.id ?? '')).toBe('1\n')
  const [anywhere] = await submitted('echo', '--status')
  expect(anywhere).toMatchObject({ target: 'any', command: 'echo', arguments: ['--status'] })
})

it('several targets make one batch, an id a line in their order', async () => {
  const tasks = await submitted('--target', 'n2', '--target', 'n1', '--', 'true')
  expect(tasks.map(({ node }) => node)).toEqual(['n2', 'n1'])
  expect(new Set(tasks.map(({ batchId }) => batchId)).size).toBe(1)
})

it('answers for each target: 1 where some were refused, 2 where all were, none with --all-or-nothing', async () => {
  const targets = ['--target', 'n1', '--target', 'n9', '--target', 'n2:77']
  const some = await client(...targets, '--', 'true')
  expect(some).toMatchObject({ code: 1, out: expect.stringMatching(/^\d+\n$/) })
  expect(some.err).toMatch(/^hakuriver: n9 was refused: .*\nhakuriver: n2:77 was refused: .*77.*\n$/)

  const { total } = await cluster.api.client.listTasks({ query: { limit: 1 } })
  const none = await client(...targets, '--all-or-nothing', '--', 'true')
  expect(none).toMatchObject({ code: 2, out: '' })
  expect(none.err).toMatch(
    /^n1: could be made.*\nn9: there is no node n9.*\nn2:77: .*77.*\nhakuriver: no task was made: 2 of 3/,
  )
  expect((await cluster.api.client.listTasks({ query: { limit: 1 } })).total).toBe(total)

  expect(await client('--target', 'n9', '--', 'true')).toMatchObject({ code: 2, out: '' })
  const sandbox = await client('--target', 'n1', '--private-network', '--private-pid', '--', 'true')
  expect(sandbox).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/private/) })
})

it('--wait ends with the code of the task, of several with 1 where one failed, and tells each end', async () => {
  const wait = ['--target', 'n1', '--wait', '--poll-interval', '1']
  const done = await client(...wait, '--', 'true')
  expect(done).toEqual({
    code: 0,
    out: expect.stringMatching(/^\d+\n$/),
    err: `${done.out.trim()}  completed\n`,
  })
  expect(await client(...wait, '--', 'sh', '-c', 'exit 3')).toMatchObject({ code: 3 })
  const two = await client(...wait, '--target', 'n2', '--', 'sh', '-c', 'test "$HAKURIVER_NODE" = n1')
  expect(two.code).toBe(1)
  const [first = '', second = ''] = two.out.trim().split('\n')
  expect(two.err).toContain(`${first}  completed  on n1\n`)
  expect(two.err).toContain(`${second}  failed  exit 1  on n2\n`)
  expect(two.err).toMatch(/2 tasks: 1 completed, 1 failed\n$/)
})

it('--status tells all about a task, --kill ends it', async () => {
  const { out } = await client('--target', 'n1', '--', 'sleep', '600')
  const id = out.trim()
  const { batchId } = await cluster.api.reached(id, 'running')
  const shown = await client('--status', id)
  expect(shown.code).toBe(0)
  for (const fact of [`Task ${id}`, 'running: on n1', 'sleep 600', batchId]) expect(shown.out).toContain(fact)
  expect(JSON.parse((await client('--status', id, '--json')).out)).toMatchObject({ task: { id } })
  expect(await client('--kill', id, '--wait')).toMatchObject({
    code: 0,
    out: expect.stringMatching(`${id}  killed`),
  })
  expect(await cluster.api.task(id)).toMatchObject({ status: 'killed' })
  expect(await client('--kill', id)).toMatchObject({ code: 1, err: expect.stringContaining('has ended') })
})

it('--config names the file in which the host is', async () => {
  const config = join(cluster.dir, 'client.toml')
  const { hostname, port } = new URL(cluster.api.url)
  writeFileSync(config, `[network]\nhost_reachable_address = "${hostname}"\nhost_port = ${port}\n`)
  const env = { HAKURIVER_HOME: '/nonexistent', HAKURIVER_TOKEN: cluster.api.token ?? '' }
  const { code, out } = await runWith(env, ['--config', config, '--list-nodes'])
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('n2') })
})

it.each([
  ['what is not there', ['--status', '99'], 3, 'there is no task 99'],
  ['a node that is not there', ['--health', 'n9'], 3, 'n9'],
  ['two things at once', ['--status', '1', '--list-nodes'], 2, 'exclude each other'],
  ['no command', ['--target', 'n1'], 2, 'there is no command to submit'],
  ['a flag that is none', ['--list-node'], 2, 'Did you mean --list-nodes?'],
  ['a wrong size', ['--memory', '1X', '--', 'true'], 2, '1X'],
  ['a host that is not there', ['--host', 'http://127.0.0.1:1', '--list-nodes'], 5, '127.0.0.1:1'],
])('fails with a sentence: %s', async (_, words, code, sentence) => {
  expect(await client(...words)).toMatchObject({ code, out: '', err: expect.stringContaining(sentence) })
})

it('--help names every flag and where a newer command is; --version is its own', async () => {
  const { code, out } = await client('--help')
  expect(code).toBe(0)
  const flags =
    '--list-nodes --health --target --cores --memory --env --private-network --private-pid --status'
  for (const flag of `${flags} --kill --wait --poll-interval --config --all-or-nothing --json`.split(' '))
    expect(out).toContain(flag)
  expect(out).toContain('(now: hakuriver show ID)')
  expect((await client('--version')).out).toMatch(/^hakuriver\.client \d+\.\d+\.\d+\n$/)
})

it('colours nothing where NO_COLOR is set, and something where FORCE_COLOR is', async () => {
  const plain = await runWith({ NO_COLOR: '1', FORCE_COLOR: '1' }, ['--list-nodes'])
  expect(plain.out).not.toContain('\u001b')
  expect((await runWith({ NO_COLOR: '', FORCE_COLOR: '1' }, ['--list-nodes'])).out).toContain('\u001b')
})
