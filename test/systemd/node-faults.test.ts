/** What breaks on a node: its disk, its memory, its systemd, and a machine that stands still. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import type { ClusterEvent } from '../../src/protocol/schemas.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

describeInLab('faults of a node', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 2, heartbeatSeconds: 0.5 })
  })
  afterAll(() => cluster?.close())

  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })
  const unitsOn = (node: string) =>
    cluster.lab.sh(node, "systemctl list-units --all --plain --no-legend 'hakuriver-task-*'")

  it('row 23: a runner that is told to stop hands its tasks over to the next', async () => {
    const { api } = cluster
    const id = await api.submit(shell('sleep 1.5; exit 6'), 'node1')
    const { startedAt } = await api.reached(id, 'running')
    await cluster.runner('node1').stop('SIGTERM')
    expect(await cluster.lab.sh('node1', "systemctl is-active 'hakuriver-task-*'")).toBe('active\n')
    await cluster.startRunner('node1')
    expect(await api.ended(id)).toMatchObject({ status: 'failed', exitCode: 6, attempt: 1, startedAt })
    expect(await unitsOn('node1')).toBe('')
  })

  it('row 18: the kernel ends a runner for lack of memory; the next one knows its tasks', async () => {
    const { api, lab } = cluster
    await cluster.runner('node1').stop()
    await cluster.startRunner('node1', {
      properties: [
        ...[
          'MemoryMax=250M',
          'MemorySwapMax=0',
          'Restart=on-failure',
          'RestartSec=100ms',
          'OOMPolicy=continue',
        ],
        'Environment=NODE_OPTIONS=--require=/opt/hakuriver/test/faults/hog.cjs HOG_FILE=/scratch/hog',
      ],
    })
    const before = await cluster.runner('node1').pid()
    const long = await api.submit(shell('echo $$; sleep 4; exit 7'), 'node1')
    const short = await api.submit(shell('sleep 0.5; exit 8'), 'node1')
    await Promise.all([long, short].map((id) => api.reached(id, 'running')))
    await lab.sh('node1', 'touch /scratch/hog')
    await waitFor(
      'the runner is ended',
      async () => ![0, before].includes(await cluster.runner('node1').pid()) || !(await isActive()),
      { deadlineMs: 20_000 },
    )
    await lab.sh('node1', 'rm /scratch/hog')
    const ends = await Promise.all([api.ended(long, 30_000), api.ended(short, 30_000)])
    expect(ends).toMatchObject([
      { status: 'failed', exitCode: 7, attempt: 1 },
      { status: 'failed', exitCode: 8, attempt: 1 },
    ])
    expect(await cluster.runner('node1').pid()).not.toBe(before)
    await cluster.runner('node1').stop()
    await cluster.startRunner('node1')
  })
  const isActive = async () =>
    (await cluster.lab.exec('node1', 'systemctl', 'is-active', 'hakuriver-runner')).code === 0

  it('row 19: what starts, ends or is killed while systemd reloads and executes itself anew is told once and truly', async () => {
    const { api, lab } = cluster
    const seen: ClusterEvent[] = []
    const listening = await api.events((event) => seen.push(event))
    const running = await api.submit(shell('sleep 3; exit 9'), 'node2')
    const doomed = await api.submit(shell('sleep 60'), 'node2')
    await Promise.all([running, doomed].map((id) => api.reached(id, 'running')))
    const shaken = lab.sh(
      'node2',
      'for i in 1 2 3 4 5; do systemctl daemon-reexec; systemctl daemon-reload; done',
    )
    const quick = await api.submitAll(
      Array.from({ length: 10 }, (_, code) => shell(`exit ${code}`)),
      ['node2'],
    )
    await api.client.killTask({ params: { id: doomed }, body: {} })
    await shaken
    const ends = await Promise.all(quick.map((id) => api.ended(id, 30_000)))
    expect(ends.map(({ exitCode }) => exitCode)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await api.ended(running, 30_000)).toMatchObject({ status: 'failed', exitCode: 9 })
    expect(await api.ended(doomed, 30_000)).toMatchObject({ status: 'killed' })
    listening.close()
    for (const id of [...quick, running, doomed]) {
      const types = seen.filter(({ taskId }) => taskId === id).map(({ type }) => type)
      expect(types.filter((type) => type === 'exited' || type === 'started')).toEqual(['started', 'exited'])
    }
  })

  it('row 19: a unit that is stopped by hand while the runner is away is told as ended by a signal, not as completed', async () => {
    const { api, lab } = cluster
    const id = await api.submit(shell('sleep 60'), 'node2')
    await api.reached(id, 'running')
    await cluster.runner('node2').stop('SIGKILL')
    await lab.sh('node2', `systemctl stop 'hakuriver-task-${id}-1-*.service'`)
    await cluster.startRunner('node2')
    expect(await api.ended(id)).toMatchObject({ status: 'failed', signal: 'SIGTERM', exitCode: null })
  })

  it('row 13: a machine that stands still for 40 s is unreachable, then back, and nothing is lost', async () => {
    const { api, lab } = cluster
    const ids = await api.submitAll([shell('sleep 3; exit 4'), shell('sleep 60')], ['node2'])
    const [short = '', long = ''] = ids
    await Promise.all(ids.map((id) => api.reached(id, 'running')))
    await lab.freeze('node2')
    try {
      await api.reached(short, 'unreachable')
      const until = Date.now() + 40_000
      await waitFor('40 s', () => Date.now() > until, { deadlineMs: 60_000, everyMs: 500 })
      expect((await api.task(long)).status).toBe('unreachable')
    } finally {
      await lab.thaw('node2')
    }
    expect(await api.ended(short, 40_000)).toMatchObject({ status: 'failed', exitCode: 4, attempt: 1 })
    expect(await api.reached(long, 'running', 40_000)).toMatchObject({ attempt: 1 })
    await api.client.killTask({ params: { id: long }, body: {} })
    expect(await api.ended(long)).toMatchObject({ status: 'killed' })
  }, 150_000)

  it('row 9: a task that cannot be killed stays killing, is told as stuck, closes its node, and hinders nobody', async ({
    skip,
  }) => {
    const { api, lab } = cluster
    const group = '/sys/fs/cgroup/freezer/stuck'
    // what the freezer of control groups v1 holds does not end by SIGKILL either: state D, as with a dead file system
    const made = await lab.exec('node2', ['sh', '-c', `mkdir ${group} && test -e ${group}/freezer.state`])
    if (made.code !== 0) skip('there is no freezer of control groups v1')
    const stuck = await api.submit(shell('echo $$; exec sleep 600'), 'node2')
    const other = await api.submit(shell('echo other; exec sleep 600'), 'node2')
    await Promise.all([stuck, other].map((id) => api.reached(id, 'running')))
    const pid = Number(await waitFor('its process id', async () => (await api.log(stuck)).trim()))
    await lab.sh('node2', `echo ${pid} > ${group}/cgroup.procs && echo FROZEN > ${group}/freezer.state`)
    try {
      await api.client.killTask({ params: { id: stuck }, body: {} })
      const task = await waitFor(
        'it is told as stuck',
        async () => {
          const now = await api.task(stuck)
          return now.stuck === null ? null : now
        },
        { deadlineMs: 40_000, everyMs: 200 },
      )
      const words = `process ${pid} (sleep), which waits for a disk or a file system, cannot be ended`
      expect(task).toMatchObject({ status: 'killing', stuck: words })
      const node = await api.client.getNode({ params: { name: 'node2' } })
      expect(node).toMatchObject({ status: 'online', problem: `task ${stuck}: ${words}` })
      expect(Date.now() - Date.parse(node.lastSeenAt)).toBeLessThan(5_000)
      const shown = cluster.local.cli('show', stuck)
      await shown.ended
      expect(shown.stdout).toContain(`stuck on node2: ${words}`)
      // nothing new goes there; what else is there can be read and killed
      const waiting = await api.submit({ command: 'true' }, 'node2')
      expect(await api.task(waiting)).toMatchObject({
        status: 'pending',
        reason: `node node2 takes no new tasks: task ${stuck}: ${words}`,
      })
      expect(await api.log(other)).toBe('other\n')
      await api.client.killTask({ params: { id: other }, body: {} })
      expect(await api.ended(other)).toMatchObject({ status: 'killed' })
      // also a runner that comes anew tells what is, and not what it wishes
      await cluster.runner('node2').stop('SIGKILL')
      await cluster.startRunner('node2')
      expect((await api.task(stuck)).status).toBe('killing')
      await lab.sh('node2', `echo THAWED > ${group}/freezer.state`)
      expect(await api.ended(stuck, 30_000)).toMatchObject({ status: 'killed', stuck: null })
      expect(await api.ended(waiting, 30_000)).toMatchObject({ status: 'completed' })
      expect(await api.client.getNode({ params: { name: 'node2' } })).toMatchObject({ problem: null })
    } finally {
      await lab.exec('node2', ['sh', '-c', `echo THAWED > ${group}/freezer.state; sleep 0.2; rmdir ${group}`])
    }
  }, 120_000)

  it('row 10: a node whose disk is full starts nothing and says why, ends and kills what runs, tells every end, and recovers', async () => {
    const { api, lab } = cluster
    await cluster.runner('node1').stop()
    await lab.sh(
      'node1',
      'mkdir -p /scratch/small && mount -t tmpfs -o size=4M none /scratch/small && chmod 755 /scratch/small',
    )
    const small = ['--state-dir', '/scratch/small/state']
    await cluster.startRunner('node1', { args: small })
    const writer = await api.submit(
      shell('while [ ! -e /scratch/full ]; do sleep 0.05; done; for i in 1 2 3; do seq 100; done; exit 5'),
      'node1',
    )
    const victim = await api.submit(shell('sleep 60'), 'node1')
    await Promise.all([writer, victim].map((id) => api.reached(id, 'running')))
    await lab.exec('node1', ['sh', '-c', 'cat /dev/zero > /scratch/small/filler; touch /scratch/full'])
    const problem = 'the disk for its output (/scratch/small/state/task_outputs) is full'
    await waitFor('the node says it', async () => {
      const node = await api.client.getNode({ params: { name: 'node1' } })
      return node.problem === problem
    })
    const waiting = await api.submit(shell('echo whole'), 'node1')
    expect(await api.task(waiting)).toMatchObject({
      status: 'pending',
      reason: `node node1 takes no new tasks: ${problem}`,
    })
    expect(await api.ended(writer)).toMatchObject({
      status: 'failed',
      exitCode: 5,
      reason: 'the disk for its output was full while it ran: some of it may be missing',
    })
    await api.client.killTask({ params: { id: victim }, body: {} })
    expect(await api.ended(victim)).toMatchObject({ status: 'killed' })
    // a runner that dies with its disk full has still no report to lose
    const node = await api.client.getNode({ params: { name: 'node1' } })
    expect(node.status).toBe('online')
    await lab.sh('node1', 'rm /scratch/small/filler')
    expect(await api.ended(waiting)).toMatchObject({ status: 'completed', reason: null })
    await cluster.runner('node1').stop()
    await cluster.startRunner('node1')
  })
})
