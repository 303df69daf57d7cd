/** Runners that are ordinary users: one who may use sudo for systemd-run and systemctl, and one who may not. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

const MiB = 1024 ** 2

describeInLab('a runner whose user may use sudo for systemd-run and systemctl', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 1, isShared: true, runnerUser: 'keeper' })
  })
  afterAll(() => cluster?.close())

  const run = async (script: string, more: object = {}) => {
    const task = await cluster.api.run({ command: 'sh', arguments: ['-c', script], ...more }, 'node1')
    return { task, out: await cluster.api.log(task.id) }
  }

  it('uses it without being told to, and says so', async () => {
    const { executor } = await cluster.api.client.getNode({ params: { name: 'node1' } })
    expect(executor).toMatchObject({
      name: 'systemd',
      enforcesLimits: true,
      why: expect.stringMatching(/sudo/),
    })
  })

  it('runs tasks as that user, who is not root and cannot become it', async () => {
    const { out, task } = await run('id -un; sudo -n systemctl --version; echo $?')
    expect(task.status).toBe('completed')
    expect(out.split('\n').slice(0, 2)).toEqual(['keeper', '1'])
  })

  it('gives limits and sandboxes as root would', async () => {
    const hog = 'exec tail -c 200000000 /dev/zero | tail -c 200000000 > /dev/null'
    expect((await run(hog, { memoryBytes: 32 * MiB })).task.status).toBe('killed_oom')
    const { out } = await run('cut -d: -f1 /proc/net/dev | tail -n +3', { privateNetwork: true })
    expect(out.trim()).toBe('lo')
    expect((await run('sleep 100', { timeoutMs: 300 })).task.status).toBe('timed_out')
  })

  it('goes on with its tasks when the runner is killed, and kills what is to be killed', async () => {
    const { api } = cluster
    const going = await api.submit({ command: 'sh', arguments: ['-c', 'sleep 2; echo done'] }, 'node1')
    const endless = await api.submit({ command: 'sleep', arguments: ['600'] }, 'node1')
    await api.reached(going, 'running')
    await api.reached(endless, 'running')
    await cluster.runner('node1').stop('SIGKILL')
    await cluster.startRunner('node1')
    expect(await api.ended(going)).toMatchObject({ status: 'completed', exitCode: 0 })
    expect(await api.log(going)).toBe('done\n')
    await api.client.killTask({ params: { id: endless }, body: {} })
    expect(await api.ended(endless)).toMatchObject({ status: 'killed' })
    const units = await cluster.lab.sh('node1', "systemctl list-units --plain --no-legend 'hakuriver-task-*'")
    expect(units.trim()).toBe('')
  })
})

describeInLab('a runner whose user may not use sudo', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 1, runnerUser: 'worker' })
  })
  afterAll(() => cluster?.close())

  it('runs tasks as processes, and says that limits are not enforced', async () => {
    const { executor } = await cluster.api.client.getNode({ params: { name: 'node1' } })
    expect(executor).toMatchObject({ name: 'process', enforcesLimits: false })
    const task = await cluster.api.run({ command: 'id', arguments: ['-un'] }, 'node1')
    expect(await cluster.api.log(task.id)).toBe('worker\n')
  })
})
