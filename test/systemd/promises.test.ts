/** Every row of the table of `hakuriver.client`'s uses, on three real systemd machines, typed as a user types it. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'
import { Program, root } from '../support/program.ts'

const idLine = /^(\d+)\n$/
/** Where the machines see this project. */
const installed = '/opt/hakuriver'

describeInLab('hakuriver.client on three systemd machines', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 3, isShared: true })
    share('numa.sh', 'numactl --show | grep -E "^(cpubind|membind|nodebind)"; echo "$HAKURIVER_MEMORY_BYTES"')
    share('job.sh', 'echo "$P on $HAKURIVER_NODE"')
    share('isolated.sh', 'cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d " "; echo $$')
    share('step.sh', 'echo "step $1 of task $HAKURIVER_TASK_ID"')
  })
  afterAll(() => cluster?.close())

  const share = (name: string, script: string) => {
    const path = join(cluster.lab.sharedDir, name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
  }
  const run = async (name: string, words: string[], env: Record<string, string> = {}) => {
    const { home } = cluster.local
    const program = new Program(join(root, 'bin', name), words, {
      HAKURIVER_HOME: home,
      HAKURIVER_HOST_URL: '',
      HAKURIVER_TOKEN: '',
      ...env,
    })
    const { code } = await program.ended
    return { code, out: program.stdout, err: program.stderr }
  }
  const client = (...words: string[]) => run('hakuriver.client', words)
  /** Submits and waits; the id is the one line on standard output. */
  const submitted = async (...words: string[]) => {
    const { code, out, err } = await client(...words)
    expect({ code, out }, err).toEqual({ code: 0, out: expect.stringMatching(idLine) })
    const id = idLine.exec(out)?.[1] ?? ''
    return { ...(await cluster.api.ended(id)), log: await cluster.api.log(id) }
  }

  it('--list-nodes shows status, cores and NUMA nodes', async () => {
    const { code, out } = await client('--list-nodes')
    expect(code).toBe(0)
    for (const name of ['node1', 'node2', 'node3'])
      expect(out).toMatch(new RegExp(`^${name} .*online.* 0/\\d+ `, 'm'))
    expect(out).toContain('NUMA')
  })

  it('--health shows every node, or one, with its NUMA nodes', async () => {
    const all = await client('--health')
    expect(all).toMatchObject({ code: 0, out: expect.stringMatching(/node1[\s\S]*node2[\s\S]*node3/) })
    const one = await client('--health', 'node2')
    expect(one).toMatchObject({ code: 0, out: expect.stringContaining('node2:0') })
    expect(one.out).not.toContain('node1')
    expect(await client('--health', 'node9')).toMatchObject({
      code: 3,
      err: expect.stringContaining('node9'),
    })
  })

  it('--target host: any core of that node; its output lies in the shared directory', async () => {
    const task = await submitted('--target', 'node1', '--cores', '1', '--', 'echo', 'Basic Task')
    expect(task).toMatchObject({ status: 'completed', node: 'node1', numaId: null, log: 'Basic Task\n' })
    const file = join(cluster.lab.sharedDir, 'task_outputs', `${task.id}.out`)
    expect(readFileSync(file, 'utf8')).toBe('Basic Task\n')
    expect(readFileSync(join(cluster.lab.sharedDir, 'task_errors', `${task.id}.err`), 'utf8')).toBe('')
  })

  it('--target host:numa: bound to that NUMA node, with a memory limit', async () => {
    const words = ['--target', 'node1:0', '--cores', '2', '--memory', '1G', '--', '/shared/numa.sh']
    const task = await submitted(...words)
    expect(task).toMatchObject({ status: 'completed', node: 'node1', numaId: 0, memoryBytes: 1024 ** 3 })
    expect(task.log).toMatch(/cpubind: 0 \n(?:nodebind: 0 \n)?membind: 0 \n/)
    expect(task.log).toContain('1073741824')
  })

  it('several NUMA nodes: each is answered for by itself, a wrong one with those that there are', async () => {
    const targets = ['--target', 'node1:0', '--target', 'node1:1', '--cores', '1']
    const some = await client(...targets, '--', '/shared/job.sh')
    expect(some.code).not.toBe(0)
    const id = idLine.exec(some.out)?.[1] ?? ''
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'completed', node: 'node1', numaId: 0 })
    expect(some.err).toMatch(/node1:1.*0/)
    const none = await client(...targets, '--all-or-nothing', '--', '/shared/job.sh')
    expect(none).toMatchObject({ code: 2, out: '', err: expect.stringContaining('node1:1') })
  })

  it('several nodes at once, with --env: one batch', async () => {
    const words = ['--target', 'node1:0', '--target', 'node2', '--cores', '2', '--env', 'P=1']
    const { code, out } = await client(...words, '--', '/shared/job.sh')
    expect(code).toBe(0)
    const ids = out.trim().split('\n')
    const tasks = await Promise.all(ids.map((id) => cluster.api.ended(id)))
    expect(tasks.map(({ node, numaId }) => [node, numaId])).toEqual([
      ['node1', 0],
      ['node2', null],
    ])
    expect(new Set(tasks.map(({ batchId }) => batchId)).size).toBe(1)
    const logs = await Promise.all(ids.map((id) => cluster.api.log(id)))
    expect(logs).toEqual(['1 on node1\n', '1 on node2\n'])
  })

  it('--private-network and --private-pid: only lo, and PIDs of its own', async () => {
    const words = ['--target', 'node3', '--cores', '1', '--private-network', '--private-pid']
    const { log, status } = await submitted(...words, '--', '/shared/isolated.sh')
    expect(status).toBe('completed')
    const [network, pid] = log.split('\n')
    expect(network).toBe('lo')
    expect(Number(pid)).toBeLessThan(10)
  })

  it('--status shows target, batch and how it ended; --kill ends a task', async () => {
    const { out } = await client('--target', 'node2:0', '--', 'sleep', '600')
    const id = out.trim()
    const { batchId } = await cluster.api.reached(id, 'running')
    const shown = await client('--status', id)
    expect(shown.code).toBe(0)
    for (const fact of [id, 'running', 'node2:0', batchId]) expect(shown.out).toContain(fact)
    expect(await client('--kill', id)).toMatchObject({ code: 0 })
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'killed' })
    expect((await client('--status', id)).out).toContain('killed')
    expect(await client('--kill', id)).toMatchObject({ code: 1, err: expect.stringContaining('ended') })
    expect(await client('--status', '99')).toMatchObject({ code: 3 })
  })

  it('--wait waits for the end, and ends with the code of the task', async () => {
    const wait = ['--target', 'node1:0', '--wait', '--poll-interval', '1', '--']
    const done = await client(...wait, 'sleep', '1')
    expect(done.code).toBe(0)
    const id = /^\d+/.exec(done.out)?.[0] ?? ''
    expect(await cluster.api.task(id)).toMatchObject({ status: 'completed' })
    expect(await client(...wait, 'sh', '-c', 'exit 3')).toMatchObject({ code: 3 })
    const two = ['--target', 'node1', '--target', 'node2', '--wait', '--']
    expect((await client(...two, 'sh', '-c', 'test $HAKURIVER_NODE = node1')).code).toBe(1)
  })

  it('--config names another configuration', async () => {
    const { port } = new URL(cluster.api.url)
    const config = join(cluster.local.dir, 'client.toml')
    writeFileSync(
      config,
      `[network]\nhost_reachable_address = "${cluster.lab.address}"\nhost_port = ${port}\n`,
    )
    const env = {
      HAKURIVER_HOME: '/nonexistent',
      HAKURIVER_TOKEN: cluster.api.token ?? '',
      HAKURIVER_CA_FILE: join(cluster.local.home, 'ca', 'ca.pem'),
    }
    const { code, out } = await run('hakuriver.client', ['--config', config, '--list-nodes'], env)
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('node3') })
  })

  it('hakurun with hakuriver.client submits a task for each combination', async () => {
    const words = ['--target', 'node1:0', '--cores', '1', '--', '/shared/step.sh', 'span:{1..10}']
    const { code } = await run('hakurun', [join(root, 'bin', 'hakuriver.client'), ...words])
    expect(code).toBe(0)
    const { items } = await cluster.api.client.listTasks({ query: { limit: 10 } })
    expect(new Set(items.map(({ batchId }) => batchId)).size).toBe(10)
    const tasks = await Promise.all(items.map(({ id }) => cluster.api.ended(id)))
    expect(tasks.map((task) => task.arguments[0]).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => String(i + 1)).sort(),
    )
    expect(tasks.every(({ status }) => status === 'completed')).toBe(true)
  })

  it('hakuriver.client with hakurun makes one task of many steps, no more at once than its cores', async () => {
    const path = ['--env', 'PATH=/opt/node/bin:/usr/bin:/bin']
    const hakurun = [`${installed}/bin/hakurun`, '--parallel', '/shared/step.sh', 'span:{A..Z}']
    const task = await submitted('--target', 'node2:0', '--cores', '2', ...path, '--', ...hakurun)
    expect(task.status).toBe('completed')
    const letters = [...task.log.matchAll(/step ([A-Z]) of task (\d+)/g)]
    expect(letters.map(([, letter]) => letter).sort()).toHaveLength(26)
    expect(new Set(letters.map(([, , id]) => id))).toEqual(new Set([task.id]))
  })

  it('gives every task the directories, and starts it in the local one', async () => {
    const script = 'pwd; echo "$HAKURIVER_SHARED_DIR $HAKURIVER_LOCAL_TEMP_DIR"; id -un; touch here && ls'
    const { log } = await submitted('--target', 'node3', '--', 'sh', '-c', script)
    const [cwd, dirs, user, made] = log.split('\n')
    expect([cwd, dirs, user]).toEqual(['/tmp/hakuriver', '/shared /tmp/hakuriver', 'worker'])
    expect(made).toContain('here')
  })
})
