/** Runners, hosts, links and machines that go down while tasks run on real systemd machines. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

describeInLab('faults on systemd machines', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 3, heartbeatSeconds: 0.5 })
  })
  afterAll(() => cluster?.close())

  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })

  it('row 3: keeps a running task when its runner is killed, and takes it over', async () => {
    const { api } = cluster
    const id = await api.submit(
      shell('echo $$ >> /scratch/runs; while [ ! -e /scratch/go ]; do sleep 0.05; done; exit 3'),
      'node1',
    )
    const { startedAt } = await api.reached(id, 'running')
    await cluster.runner('node1').stop('SIGKILL')
    await cluster.startRunner('node1')
    expect(await api.reached(id, 'running')).toMatchObject({ attempt: 1, startedAt })
    await cluster.lab.sh('node1', 'touch /scratch/go')
    expect(await api.ended(id)).toMatchObject({ status: 'failed', exitCode: 3, attempt: 1, startedAt })
    expect((await cluster.lab.sh('node1', 'wc -l < /scratch/runs')).trim()).toBe('1')
  })

  it('row 3: knows the true end and time of what ended while its runner was dead', async () => {
    const { api } = cluster
    const id = await api.submit(shell('sleep 0.5; echo done; exit 4'), 'node2')
    await api.reached(id, 'running')
    await cluster.runner('node2').stop('SIGKILL')
    await waitFor('the unit is gone', async () => {
      const { stdout } = await cluster.lab.exec(
        'node2',
        'systemctl',
        'list-units',
        '--no-legend',
        'hakuriver-task-*',
      )
      return stdout.trim() === ''
    })
    const endedBy = Date.now()
    await waitFor('the host misses the node', async () => (await api.task(id)).status === 'unreachable')
    await cluster.startRunner('node2')
    const task = await api.ended(id)
    expect(task).toMatchObject({ status: 'failed', exitCode: 4 })
    expect(Date.parse(task.endedAt ?? '')).toBeLessThanOrEqual(endedBy)
    expect(await api.log(id)).toBe('done\n')
  })

  it('row 1: loses no submit that was answered when the host is killed', async () => {
    const ids = await cluster.api.submitAll(
      [shell('echo once >> /scratch/after-kill')],
      ['node1', 'node2', 'node3'],
    )
    await cluster.local.restartHost('SIGKILL')
    for (const [index, id] of ids.entries()) {
      expect(await cluster.api.ended(id, 30_000)).toMatchObject({ status: 'completed', attempt: 1 })
      expect((await cluster.lab.sh(`node${index + 1}`, 'wc -l < /scratch/after-kill')).trim()).toBe('1')
    }
  })

  it('row 5: shows a cut node as unreachable, and its task as running again once it is healed', async () => {
    const { api, lab } = cluster
    const id = await api.submit(shell('sleep 60'), 'node3')
    await api.reached(id, 'running')
    await lab.cut('node3')
    await api.reached(id, 'unreachable')
    expect(await api.client.getNode({ params: { name: 'node3' } })).toMatchObject({ status: 'unreachable' })
    await lab.heal('node3')
    expect(await api.reached(id, 'running', 40_000)).toMatchObject({ attempt: 1 })
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.ended(id)).toMatchObject({ status: 'killed' })
  })

  it('row 4: says lost, with the reason, when the machine lost power under the task', async () => {
    const { api, lab } = cluster
    const id = await api.submit(shell('sleep 60'), 'node3')
    await api.reached(id, 'running')
    await lab.off('node3')
    await api.reached(id, 'unreachable')
    await lab.boot('node3')
    await cluster.startRunner('node3')
    expect(await api.ended(id)).toMatchObject({ status: 'lost', reason: expect.stringContaining('rebooted') })
    expect(await api.run({ command: 'true' }, 'node3')).toMatchObject({ status: 'completed' })
  })

  it('row 19: notices a unit that somebody stopped by hand', async () => {
    const { api, lab } = cluster
    const id = await api.submit(shell('sleep 60'), 'node1')
    await api.reached(id, 'running')
    await lab.sh('node1', `systemctl stop 'hakuriver-task-${id}-1-*.service'`)
    expect(await api.ended(id)).toMatchObject({
      status: 'killed',
      reason: expect.stringContaining('outside'),
    })
  })

  it('row 19: survives a daemon-reload and a daemon-reexec under its tasks', async () => {
    const { api, lab } = cluster
    const id = await api.submit(shell('sleep 1; exit 6'), 'node1')
    await api.reached(id, 'running')
    await lab.sh('node1', 'systemctl daemon-reload; systemctl daemon-reexec')
    expect(await api.ended(id)).toMatchObject({ status: 'failed', exitCode: 6 })
    expect(await api.run({ command: 'true' }, 'node1')).toMatchObject({ status: 'completed' })
  })
})
