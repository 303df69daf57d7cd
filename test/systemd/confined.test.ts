/** What a task is, has and sees on a real systemd machine, told by the kernel from inside the task. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

const config = '/etc/hakuriver.toml'

describeInLab('what surrounds a task', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 2, id: 'cf', net: '10.78.64', isRunnerLate: true })
    const { lab } = cluster
    await lab.sh('node1', 'groupadd physics; groupadd chemistry; usermod -aG physics,chemistry worker')
    await lab.sh('node1', 'useradd --create-home alice')
    await lab.sh(
      'node1',
      `mkdir -p /etc/hakuriver; echo secret > /etc/hakuriver/key; chmod 644 /etc/hakuriver/key`,
    )
    await lab.sh('node1', `printf '[users]\nadmin = "worker"\n[runner]\ntasks_max = 60\n' > ${config}`)
    await cluster.startRunner('node1', { args: ['--config', config, '--task-user', ''] })
    await cluster.startRunner('node2', { properties: ['Environment=HAKURIVER_PRIVATE_TMP=false'] })
  })
  afterAll(() => cluster?.close())

  const run = async (script: string, target = 'node1', more: object = {}) => {
    const task = await cluster.api.run({ command: 'sh', arguments: ['-c', script], ...more }, target, 30_000)
    return { task, out: await cluster.api.log(task.id), err: await cluster.api.log(task.id, 'stderr') }
  }
  const fieldOf = (status: string, name: string) =>
    new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(status)?.[1]

  it.each([
    ['as it is', {}],
    ['with PIDs of its own', { privatePids: true }],
    ['without a network', { privateNetwork: true }],
  ])('has the groups of its user and no capability %s', async (_, more) => {
    const script = 'id -un; id -Gn; echo $HOME $USER $LOGNAME; cat /proc/self/status'
    const { out, task } = await run(script, 'node1', more)
    expect(task).toMatchObject({ status: 'completed' })
    const [user, groups, variables] = out.split('\n')
    expect([user, variables]).toEqual(['worker', '/home/worker worker worker'])
    expect(groups?.split(' ').sort()).toEqual(['chemistry', 'physics', 'worker'])
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect([set, fieldOf(out, set)]).toEqual([set, '0000000000000000'])
    expect(fieldOf(out, 'NoNewPrivs')).toBe('1')
    const uid = (await cluster.lab.sh('node1', 'id -u worker')).trim()
    expect(fieldOf(out, 'Uid')?.split(/\s+/)).toEqual([uid, uid, uid, uid])
  })

  it.each([
    ['as it is', {}],
    ['with PIDs of its own', { privatePids: true }],
  ])('sees nothing of keys, states and records %s, and its own files all the same', async (_, more) => {
    const paths = [
      '/etc/hakuriver',
      '/etc/hakuriver/key',
      '/var/lib/hakuriver',
      '/run/hakuriver/attempts',
      '/root',
    ]
    const look = paths.map((path) => `ls ${path} >/dev/null 2>&1 && echo sees ${path}`).join('; ')
    const own = 'touch $HAKURIVER_LOCAL_TEMP_DIR/there && pwd'
    const { out, err } = await run(
      `${look}; ls /run/hakuriver/tasks; ls /var/lib/hakuriver/; ${own}`,
      'node1',
      more,
    )
    expect(out).toBe('/tmp/hakuriver\n')
    expect(err).toContain('Permission denied')
  })

  it('has a /tmp of its own beside the common directory, unless the node says otherwise', async () => {
    await cluster.lab.sh('node1', 'echo of the machine > /tmp/common')
    await cluster.lab.sh('node2', 'echo of the machine > /tmp/common')
    const script =
      'cat /tmp/common; echo mine > /tmp/mine; echo mine > /var/tmp/mine; echo ours > /tmp/hakuriver/ours'
    expect((await run(script)).out).toBe('')
    const after = 'cat /tmp/mine /var/tmp/mine; cat /tmp/hakuriver/ours'
    expect((await run(after)).out).toBe('ours\n')
    expect((await run(script, 'node2')).out).toBe('of the machine\n')
    expect((await run(after, 'node2')).out).toBe('mine\nmine\nours\n')
  })

  it('cannot become more by a program that is setuid root', async () => {
    const { out } = await run(
      'cp /bin/sh /tmp/hakuriver/mysh; chmod 6755 /tmp/hakuriver/mysh; su -c id root </dev/null; id -u',
    )
    expect(out.trim()).toBe((await cluster.lab.sh('node1', 'id -u worker')).trim())
  })

  it('ends a fork bomb at the bound of processes, and its node stays usable', async () => {
    const { api } = cluster
    // bash tries a fork again and again
    const bomb = 'while :; do sleep 600 & done'
    const id = await api.submit({ command: 'bash', arguments: ['-c', bomb] }, 'node1')
    await api.reached(id, 'running')
    const read = async (file: string) => {
      const paths = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].map(
        (root) => `${root}/hakuriver.slice/hakuriver-task-${id}-*/${file}`,
      )
      return Number(await cluster.lab.sh('node1', `cat ${paths.join(' ')} 2>/dev/null || :`))
    }
    expect(await read('pids.max')).toBe(60)
    await waitFor('the bound is hit', async () => (await read('pids.current')) === 60, { deadlineMs: 20_000 })
    const beside = await api.run({ command: 'echo', arguments: ['here'] }, 'node1', 20_000)
    expect(beside).toMatchObject({ status: 'completed' })
    await api.client.killTask({ params: { id }, body: {} })
    expect(await api.ended(id, 30_000)).toMatchObject({ status: 'killed' })
  })

  it('runs as whom the configuration says: nothing where it says nothing, and root only by name', async () => {
    const { lab } = cluster
    const again = async (lines: string[]) => {
      await lab.sh('node1', `printf '%s\n' '${lines.join("' '")}' > ${config}`)
      await cluster.runner('node1').stop()
      await cluster.startRunner('node1', { args: ['--config', config, '--task-user', ''] })
    }
    await again(['[users]', 'bob = "worker"'])
    expect((await run('id -un')).task).toMatchObject({
      status: 'failed',
      startedAt: null,
      reason: 'node1 runs nothing of admin: add `admin = "…"` to [users] in its configuration',
    })
    await again(['[runner]', 'executor = "systemd"'])
    expect((await run('id -un')).task).toMatchObject({
      reason: expect.stringContaining('runs nothing of admin'),
    })
    await again(['[users]', '"*" = "root"'])
    expect((await run('id -un')).task).toMatchObject({ reason: expect.stringContaining('as root only if') })
    await again(['[users]', 'admin = "root"'])
    expect((await run('id -un')).out).toBe('root\n')
    await again(['[users]', '"*" = "="'])
    expect((await run('id -un')).task).toMatchObject({
      reason: expect.stringContaining('the user admin does not exist'),
    })
    await lab.sh('node1', 'useradd --system admin')
    expect((await run('id -un')).task).toMatchObject({
      reason: expect.stringContaining('system user of the same name'),
    })
    await lab.sh('node1', 'userdel admin; useradd --create-home admin')
    expect((await run('id -un')).out).toBe('admin\n')
  })
})
