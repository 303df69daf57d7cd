/** Tasks on three real systemd machines: limits, sandboxes and users as the kernel has them. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

const MiB = 1024 ** 2

describeInLab('tasks on systemd machines', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 3 })
  })
  afterAll(() => cluster?.close())

  const run = async (script: string, target = 'node1', more: object = {}) => {
    const task = await cluster.api.run({ command: 'sh', arguments: ['-c', script], ...more }, target)
    return { task, out: await cluster.api.log(task.id), err: await cluster.api.log(task.id, 'stderr') }
  }

  it('chooses systemd, and says why', async () => {
    const { executor } = await cluster.api.client.getNode({ params: { name: 'node1' } })
    expect(executor).toMatchObject({
      name: 'systemd',
      enforcesLimits: true,
      features: { privateNetwork: true, privatePids: true, numa: true },
    })
    expect(executor.why).toMatch(/systemd/)
  })

  it('runs on node1, and on node1:0 and node2 together', async () => {
    const { api } = cluster
    expect(await api.run({ command: 'hostname' }, 'node1')).toMatchObject({
      status: 'completed',
      node: 'node1',
    })
    const [first = '', second = ''] = await api.submitAll([{ command: 'hostname' }], ['node1:0', 'node2'])
    expect(await api.ended(first)).toMatchObject({ status: 'completed', node: 'node1', numaId: 0 })
    expect(await api.ended(second)).toMatchObject({ status: 'completed', node: 'node2', numaId: null })
    expect([await api.log(first), await api.log(second)]).toEqual(['node1\n', 'node2\n'])
  })

  it('tells what a task used', async () => {
    const { task } = await run('i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done')
    expect(task.cpuTimeMs).toBeGreaterThan(20)
    expect(task.peakMemoryBytes).toBeGreaterThan(100_000)
  })

  it('tells what a task uses while it runs', async () => {
    const { api } = cluster
    const script = 'held=$(head -c 33554432 /dev/zero | tr "\\0" x); while :; do :; done'
    const id = await api.submit({ command: 'sh', arguments: ['-c', script], memoryBytes: 128 * MiB }, 'node1')
    const known = (values: (number | null)[]) => values.filter((value) => value !== null)
    const usage = await waitFor(
      'two steps of it',
      async () => {
        const found = await api.client.getTaskUsage({ params: { id } })
        return known(found.cpuCores).length >= 2 && known(found.memoryBytes).length >= 2 && found
      },
      { deadlineMs: 30_000 },
    )
    // one core of quota, of a machine that others use too
    expect(Math.max(...known(usage.cpuCores))).toBeGreaterThan(0.2)
    expect(Math.max(...known(usage.cpuCores))).toBeLessThan(1.15)
    expect(Math.max(...known(usage.memoryBytes))).toBeGreaterThan(32 * MiB)
    expect(Math.max(...known(usage.memoryBytes))).toBeLessThanOrEqual(128 * MiB)
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.ended(id)).toMatchObject({ status: 'killed' })
  })

  it('gives one CPU of time to a task of one core, however many processes it has', async () => {
    // both processes spin for 2 s of wall time: without a quota they take 4 s of CPU time on two cores
    const spin = 'timeout 2 sh -c "while :; do :; done"'
    const { task } = await run(`${spin} & ${spin} & wait`, 'node1', { cores: 1 })
    const lifeMs = Date.parse(task.endedAt ?? '') - Date.parse(task.startedAt ?? '')
    expect(task.cpuTimeMs ?? 0).toBeLessThan(lifeMs * 1.15)
    expect(task.cpuTimeMs ?? 0).toBeGreaterThan(lifeMs * 0.4)
  })

  it('row 18: ends a task that takes more memory than its limit', async () => {
    const hog = 'exec tail -c 200000000 /dev/zero | tail -c 200000000 > /dev/null'
    const { task } = await run(hog, 'node2', { memoryBytes: 32 * MiB })
    expect(task).toMatchObject({ status: 'killed_oom', reason: expect.stringContaining('memory') })
  })

  it('shows only lo in a private network, and eth0 without', async () => {
    const interfaces = 'ls /sys/class/net 2>/dev/null; cut -d: -f1 /proc/net/dev | tail -n +3'
    expect((await run(`${interfaces} | sort -u`)).out).toContain('eth0')
    const { out } = await run('cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d " "', 'node1', {
      privateNetwork: true,
    })
    expect(out.trim()).toBe('lo')
  })

  it('shows a low PID and nothing else with private PIDs', async () => {
    const { out } = await run('echo $$; ls /proc | grep -c "^[0-9]"; cat /proc/1/comm', 'node1', {
      privatePids: true,
    })
    const [own = '', count = ''] = out.split('\n')
    expect(Number(own)).toBeLessThan(10)
    expect(Number(count)).toBeLessThan(10)
    expect(out).not.toContain('systemd')
  })

  it('runs as the chosen user, without privileges, in its own directory', async () => {
    const { out } = await run(
      'id -un; id -G; echo $HOME; echo $USER; touch here && pwd; grep NoNewPrivs /proc/self/status',
    )
    const [user, groups, home, name, cwd, privileges] = out.split('\n')
    expect([user, home, name]).toEqual(['worker', '/home/worker', 'worker'])
    expect(groups?.split(' ')).not.toContain('0')
    expect(cwd).toMatch(/^\/tmp\/hakuriver/)
    expect(privileges).toMatch(/1$/)
  })

  it('binds to a NUMA node: its CPUs, and its memory by policy', async () => {
    const { api } = cluster
    const node = await api.client.getNode({ params: { name: 'node3' } })
    const cpus = node.numaNodes[0]?.cpus ?? []
    const script =
      'grep Cpus_allowed_list /proc/self/status; numactl --show; grep -m1 bind /proc/self/numa_maps'
    const { out, task } = await run(script, 'node3:0')
    expect(task).toMatchObject({ status: 'completed', numaId: 0 })
    expect(out).toMatch(new RegExp(`Cpus_allowed_list:\\s+${cpus[0]}(-${cpus.at(-1)})?\\n`))
    expect(out).toMatch(/policy: bind/)
    expect(out).toMatch(/membind: 0/)
    expect(out).toMatch(/bind:0/)
  })

  it('row 8: ends the whole tree, whatever it ignores and wherever it went, and says killed only when its cgroup is empty', async () => {
    const { api, lab } = cluster
    // a child of a child in a session of its own, and everything ignores SIGTERM
    const stubborn =
      'trap "" TERM; setsid sh -c "trap \\"\\" TERM; setsid sh -c \\"trap : TERM; while :; do sleep 1; done\\" &" & while :; do sleep 1; done'
    const id = await api.submit({ command: 'sh', arguments: ['-c', stubborn] }, 'node1')
    await api.reached(id, 'running')
    const populated = `cat /sys/fs/cgroup/systemd/hakuriver.slice/hakuriver-task-${id}-1-*.service/cgroup.procs /sys/fs/cgroup/hakuriver.slice/hakuriver-task-${id}-1-*.service/cgroup.procs 2>/dev/null | wc -l`
    await waitFor('the whole tree is there', async () => Number(await lab.sh('node1', populated)) >= 3)
    await api.client.killTask({ params: { id }, body: {} })
    expect((await api.task(id)).status).toBe('killing')
    expect(Number(await lab.sh('node1', populated))).toBeGreaterThan(0)
    const task = await api.ended(id, 30_000)
    expect(task).toMatchObject({ status: 'killed' })
    expect(Number(await lab.sh('node1', populated))).toBe(0)
  })

  it('ends a task at its time limit, and counts what fits', async () => {
    const { api } = cluster
    expect(await api.run({ command: 'sleep', arguments: ['60'], timeoutMs: 300 }, 'node2')).toMatchObject({
      status: 'timed_out',
    })
    const node = await api.client.getNode({ params: { name: 'node2' } })
    const full = await api.submit({ command: 'sleep', arguments: ['60'], cores: node.cores }, 'node2')
    await api.reached(full, 'running')
    const waiting = await api.submit({ command: 'true' }, 'node2')
    expect(await api.task(waiting)).toMatchObject({
      status: 'pending',
      reason: expect.stringContaining('node2'),
    })
    await api.client.killTask({ params: { id: full }, body: {} })
    expect(await api.ended(waiting)).toMatchObject({ status: 'completed' })
  })

  it('tells exit codes, signals, missing programs, directories and users apart', async () => {
    expect((await run('exit 7')).task).toMatchObject({ status: 'failed', exitCode: 7 })
    expect((await run('kill -SEGV $$')).task).toMatchObject({ status: 'failed', signal: 'SIGSEGV' })
    const { api } = cluster
    expect(await api.run({ command: 'no-such-program' }, 'node1')).toMatchObject({
      status: 'failed',
      exitCode: 127,
    })
    const nowhere = await api.run({ command: 'true', cwd: '/no/such' }, 'node1')
    expect(nowhere).toMatchObject({
      status: 'failed',
      exitCode: null,
      startedAt: null,
      reason: expect.stringContaining('/no/such'),
    })
  })
})
