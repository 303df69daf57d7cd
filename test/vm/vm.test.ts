/**
 * What only a machine with a kernel of its own can show: several NUMA nodes, control groups v2 and systemd 257. Of its
 * three NUMA nodes the last has memory only, as a memory card has.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCpuList, parseSysfsNuma } from '../../src/core/numa.ts'
import { waitFor } from '../../src/platform/wait.ts'
import type { SpecLike } from '../support/api.ts'
import { VmCluster } from './vm-cluster.ts'

const MiB = 1024 ** 2
/** An emulated machine is ten to eighty times slower. */
const deadlineMs = 150_000
/** Takes so much memory: the end of what comes through a pipe has to be kept. */
const take = (mebibytes: number) => `head -c ${mebibytes}M /dev/zero | tail -c ${mebibytes}M >/dev/null`
/** What a process may use, and what binds it. */
const bindings =
  'grep _allowed_list /proc/self/status; numactl --show; grep "anon=" /proc/self/numa_maps | grep -v file='

describe('a virtual machine', () => {
  let cluster: VmCluster
  beforeAll(async () => {
    cluster = await VmCluster.start({
      numaNodes: [
        { cpus: 1, memoryMiB: 1024 },
        { cpus: 1, memoryMiB: 512 },
        { cpus: 0, memoryMiB: 256 },
      ],
      distance: 21,
    })
  })
  afterAll(() => cluster?.close())

  const run = async (script: string, target: string, more: Partial<SpecLike> = {}) => {
    const spec = { command: 'sh', arguments: ['-c', script], ...more }
    const task = await cluster.api.run(spec, target, deadlineMs)
    return { task, out: await cluster.api.log(task.id) }
  }

  /** The cgroup of a task of root's runner, as a path in the machine. */
  const cgroupOf = (id: string) => `/sys/fs/cgroup/hakuriver.slice/hakuriver-task-${id}-1-*.service`

  describe('with a runner that is root', () => {
    beforeAll(() => cluster.startRootRunner('vm'))

    it('tells what it has as the kernel does', async () => {
      const node = await cluster.api.client.getNode({ params: { name: 'vm' } })
      const read = async (file: string) => cluster.vm.sh(`cat /sys/devices/system/node/${file}`)
      const entries = []
      for (const id of [0, 1, 2]) {
        const [cpulist, meminfo, distance] = [
          await read(`node${id}/cpulist`),
          await read(`node${id}/meminfo`),
          await read(`node${id}/distance`),
        ]
        entries.push({ id, cpulist, meminfo, distance })
      }
      const wanted = parseSysfsNuma(entries)
      expect(wanted.map(({ cpus }) => cpus)).toEqual([[0], [1], []])
      expect(wanted.map(({ distances }) => distances)).toEqual([
        { 0: 10, 1: 21, 2: 21 },
        { 0: 21, 1: 10, 2: 21 },
        { 0: 21, 1: 21, 2: 10 },
      ])
      const told = node.numaNodes.map(({ id, cpus, distances }) => ({ id, cpus, distances }))
      expect(told).toEqual(wanted.map(({ id, cpus, distances }) => ({ id, cpus, distances })))
      // numactl counts whole MiB
      node.numaNodes.forEach(({ memoryBytes }, at) => {
        expect(memoryBytes).toBe(Math.floor((wanted[at]?.memoryBytes ?? 0) / MiB) * MiB)
      })
      expect(node).toMatchObject({
        cores: 2,
        coresFree: 2,
        executor: { name: 'systemd', enforcesLimits: true },
      })
      expect(node.executor.features).toEqual({ privateNetwork: true, privatePids: true, numa: true })
    })

    it('binds the tasks of one submit to the NUMA nodes that they name', async () => {
      const spec = { command: 'sh', arguments: ['-c', bindings] }
      const ids = await cluster.api.submitAll([spec], ['vm:0', 'vm:1'])
      expect(ids.length).toBe(2)
      for (const [numaId, id] of ids.entries()) {
        const task = await cluster.api.ended(id, deadlineMs)
        expect(task).toMatchObject({ status: 'completed', node: 'vm', numaId })
        const out = await cluster.api.log(id)
        // CPUs and NUMA nodes have the same numbers here
        expect(out).toMatch(new RegExp(`Cpus_allowed_list:\\s+${numaId}\\n`))
        expect(out).toMatch(/policy: bind\n/)
        expect(out).toMatch(new RegExp(`membind: ${numaId} \\n`))
        const pages = [...out.matchAll(/ N(\d+)=\d+/g)].map(([, node]) => Number(node))
        expect(pages.length).toBeGreaterThan(0)
        expect(new Set(pages)).toEqual(new Set([numaId]))
      }
    })

    it.each([
      ['vm:7', 'vm has no NUMA node 7: it has 0 and 1'],
      ['vm:2', 'NUMA node 2 of vm has no CPUs that tasks may use: name 0 or 1'],
    ])('refuses %s, and names what there is', async (target, reason) => {
      const body = { specs: [{ command: 'true' }], targets: [target, 'vm:1'] }
      const { tasks } = await cluster.api.client.submitBatch({ body })
      expect(tasks[0]).toMatchObject({ taskId: null })
      expect(JSON.stringify(tasks[0])).toContain(reason)
      expect(await cluster.api.ended(tasks[1]?.taskId ?? '', deadlineMs)).toMatchObject({
        status: 'completed',
      })
    })

    it('puts a task for any node on one NUMA node where it fits, and else across them', async () => {
      const one = await run('grep Cpus_allowed_list /proc/self/status', 'any', { memoryBytes: 800 * MiB })
      expect(one.task).toMatchObject({ node: 'vm', numaId: 0 })
      expect(one.out).toMatch(/:\s+0\n/)
      const two = await run('grep Cpus_allowed_list /proc/self/status', 'any', { cores: 2 })
      expect(two.task).toMatchObject({ node: 'vm', numaId: null })
      expect(two.out).toMatch(/:\s+0-1\n/)
    })

    it('ends what takes more memory than its limit, and tells how much it took', async () => {
      const { task } = await run(take(200), 'vm', { memoryBytes: 64 * MiB })
      expect(task).toMatchObject({ status: 'killed_oom', reason: expect.stringContaining('memory') })
      expect(task.peakMemoryBytes ?? 0).toBeGreaterThan(48 * MiB)
      expect(task.peakMemoryBytes ?? 0).toBeLessThanOrEqual(64 * MiB)
    })

    it('ends what takes more memory than its NUMA node has, whatever is free beside', async () => {
      // of 512 MiB on this NUMA node; on the other there is room
      const { task } = await run(take(550), 'vm:1')
      expect(task.status).toBe('killed_oom')
    })

    it('gives no more CPU time than was asked for', async () => {
      const spin = 'timeout 6 sh -c "while :; do :; done"'
      const script = `${spin} & ${spin} & wait; cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cpu.max
        cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cpu.stat`
      const { task, out } = await run(script, 'vm', { cores: 1 })
      expect(out).toMatch(/^100000 100000$/m)
      expect(Number(/^nr_throttled (\d+)$/m.exec(out)?.[1])).toBeGreaterThan(5)
      const lifeMs = Date.parse(task.endedAt ?? '') - Date.parse(task.startedAt ?? '')
      expect(task.cpuTimeMs ?? 0).toBeGreaterThan(2_000)
      expect(task.cpuTimeMs ?? 0).toBeLessThan(lifeMs * 1.15)
    })

    it('says killed only when nothing of it is left', async () => {
      const { api, vm } = cluster
      const stubborn =
        'trap "" TERM; setsid sh -c "trap : TERM; while :; do sleep 1; done" & while :; do sleep 1; done'
      const id = await api.submit({ command: 'sh', arguments: ['-c', stubborn] }, 'vm')
      await api.reached(id, 'running', deadlineMs)
      const count = `cat ${cgroupOf(id)}/cgroup.procs 2>/dev/null | wc -l`
      const isThere = async () => Number(await vm.sh(count)) >= 3
      await waitFor('the whole tree', isThere, { deadlineMs, everyMs: 200 })
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, deadlineMs)).toMatchObject({ status: 'killed' })
      expect(Number(await vm.sh(count))).toBe(0)
    })

    it('gives private PIDs and a private network by systemd itself', async () => {
      const { api, vm } = cluster
      const script =
        'echo $$; ls /proc | grep -c "^[0-9]"; cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d " "; exec sleep 100'
      const spec = { command: 'sh', arguments: ['-c', script], privatePids: true, privateNetwork: true }
      const id = await api.submit(spec, 'vm')
      await api.reached(id, 'running', deadlineMs)
      const lines = await waitFor(
        'its output',
        async () => {
          const said = (await api.log(id)).trim().split('\n')
          return said.length >= 3 && said
        },
        { deadlineMs, everyMs: 200 },
      )
      expect(Number(lines[0])).toBeLessThan(5)
      expect(Number(lines[1])).toBeLessThan(10)
      expect(lines.slice(2)).toEqual(['lo'])
      const shown = await vm.sh(`systemctl show -P PrivatePIDs 'hakuriver-task-${id}-1-*.service'`)
      expect(shown.trim()).toBe('yes')
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, deadlineMs)).toMatchObject({ status: 'killed' })
    })
  })

  it('offers of the machine what the runner may use', async () => {
    const properties = ['AllowedCPUs=1', 'AllowedMemoryNodes=1-2']
    await cluster.startRootRunner('part', properties)
    const node = await cluster.api.client.getNode({ params: { name: 'part' } })
    expect(node.cores).toBe(1)
    expect(node.numaNodes.map(({ cpus, memoryBytes }) => [cpus, memoryBytes === 0])).toEqual([
      [[], true],
      [[1], false],
      [[], false],
    ])
    expect(node.memoryBytes).toBeLessThan(768 * MiB)
    const body = { specs: [{ command: 'true' }], targets: ['part:0', 'part:1'] }
    const { tasks } = await cluster.api.client.submitBatch({ body })
    expect(JSON.stringify(tasks[0])).toContain('NUMA node 0 of part has no CPUs that tasks may use: name 1')
    expect(await cluster.api.ended(tasks[1]?.taskId ?? '', deadlineMs)).toMatchObject({
      status: 'completed',
      numaId: 1,
    })
    await cluster.endRootRunner('part')
  })

  describe("with a runner of an ordinary user under the user's own systemd", () => {
    beforeAll(() => cluster.startUserRunner('user'))

    it('chooses that, with limits', async () => {
      const { executor } = await cluster.api.client.getNode({ params: { name: 'user' } })
      expect(executor).toMatchObject({ name: 'systemd-user', enforcesLimits: true })
      expect(executor.features).toEqual({ privateNetwork: true, privatePids: true, numa: true })
    })

    it('runs tasks as the user, tells exit codes, and what they used', async () => {
      const { task, out } = await run(`id -un; ${take(30)}; exit 7`, 'user')
      expect(task).toMatchObject({ status: 'failed', exitCode: 7 })
      expect(out).toBe('worker\n')
      expect(task.peakMemoryBytes ?? 0).toBeGreaterThan(20 * MiB)
      expect(task.cpuTimeMs ?? 0).toBeGreaterThan(10)
    })

    it('ends what takes more memory than its limit', async () => {
      const { task } = await run(take(200), 'user', { memoryBytes: 64 * MiB })
      expect(task).toMatchObject({ status: 'killed_oom' })
      expect(task.peakMemoryBytes ?? 0).toBeLessThanOrEqual(64 * MiB)
    })

    it('gives no more CPU time than was asked for', async () => {
      const spin = 'timeout 6 sh -c "while :; do :; done"'
      const { task } = await run(`${spin} & ${spin} & wait`, 'user', { cores: 1 })
      const lifeMs = Date.parse(task.endedAt ?? '') - Date.parse(task.startedAt ?? '')
      expect(task.cpuTimeMs ?? 0).toBeGreaterThan(2_000)
      expect(task.cpuTimeMs ?? 0).toBeLessThan(lifeMs * 1.15)
    })

    it('gives private PIDs and a private network', async () => {
      const script = 'echo $$; cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d " "; id -un'
      const { task, out } = await run(script, 'user', { privatePids: true, privateNetwork: true })
      expect(task.status).toBe('completed')
      const lines = out.trim().split('\n')
      expect(Number(lines[0])).toBeLessThan(5)
      expect(lines.slice(1)).toEqual(['lo', 'worker'])
    })

    it('binds to a NUMA node', async () => {
      const { task, out } = await run(bindings, 'user:1')
      expect(task).toMatchObject({ status: 'completed', numaId: 1 })
      expect(parseCpuList(/Cpus_allowed_list:\s+(.*)/.exec(out)?.[1] ?? '')).toEqual([1])
      expect(out).toMatch(/membind: 1 \n/)
    })

    it('kills a whole tree', async () => {
      const { api, vm } = cluster
      const script =
        'trap "" TERM; setsid sh -c "trap : TERM; while :; do sleep 1; done" & while :; do sleep 1; done'
      const id = await api.submit({ command: 'sh', arguments: ['-c', script] }, 'user')
      await api.reached(id, 'running', deadlineMs)
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, deadlineMs)).toMatchObject({ status: 'killed' })
      const left = await vm.sh(`find /sys/fs/cgroup/user.slice -name 'hakuriver-task-${id}-*' | wc -l`)
      expect(Number(left)).toBe(0)
    })

    it('keeps tasks over a restart of the runner, and finds what ended meanwhile', async () => {
      const { api, vm } = cluster
      const going = await api.submit(
        { command: 'sh', arguments: ['-c', 'echo here; exec sleep 1000'] },
        'user',
      )
      const wait = 'while [ ! -e /scratch/go ]; do sleep 0.2; done; exit 9'
      const ending = await api.submit({ command: 'sh', arguments: ['-c', wait] }, 'user')
      await api.reached(going, 'running', deadlineMs)
      await api.reached(ending, 'running', deadlineMs)
      const pid = `cat $(find /sys/fs/cgroup/user.slice -name 'hakuriver-task-${going}-*')/cgroup.procs`
      const before = await vm.sh(pid)
      await cluster.endUserRunner('user')
      await vm.sh('touch /scratch/go')
      await cluster.startUserRunner('user')
      expect(await api.ended(ending, deadlineMs)).toMatchObject({ status: 'failed', exitCode: 9 })
      expect(await vm.sh(pid)).toBe(before)
      expect((await api.task(going)).status).toBe('running')
      await api.client.killTask({ params: { id: going }, body: {} })
      expect(await api.ended(going, deadlineMs)).toMatchObject({ status: 'killed' })
    })
  })

  it('has no unit left', async () => {
    const units = await cluster.vm.sh("systemctl list-units --all --plain --no-legend 'hakuriver-task-*'")
    expect(units.trim()).toBe('')
  })
})
