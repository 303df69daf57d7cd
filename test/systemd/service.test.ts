/** Host and runners as services that `hakuriver init service` has installed, on two real machines. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab } from '../lab/lab.ts'
import { describeInLab } from '../lab/require.ts'
import { Api } from '../support/api.ts'

const hakuriver = '/opt/node/bin/node /opt/hakuriver/dist/hakuriver.cjs'
const net = '10.78.50'
/** Of node1, the machine of the host. */
const address = `${net}.11`
const deadline = { deadlineMs: 40_000 }

describeInLab('services that init installs', () => {
  let lab: Lab
  let api: Api
  beforeAll(async () => {
    lab = await Lab.start({ nodes: 2, id: 'svc', net })
    const lines = ['[network]', 'host_bind_ip = "0.0.0.0"', `host_reachable_address = "${address}"`]
    const more = ['[timing]', 'heartbeat_interval = 1', '[runner]', 'task_user = "worker"']
    const config = [...lines, ...more].join('\n')
    for (const node of ['node1', 'node2'])
      await lab.sh(node, `printf '%s\n' '${config}' > /etc/hakuriver.toml`)
    await install('node1', '--host')
    const token = async (name: string) => (await lab.sh('node1', `cat /root/.hakuriver/${name}`)).trim()
    await waitFor('the tokens', () => token('join-token').catch(() => null), deadline)
    api = new Api(`http://${address}:8000`, await token('admin-token'))
    const join = await token('join-token')
    await lab.sh(
      'node2',
      `mkdir -m 700 /root/.hakuriver; umask 077; echo ${join} > /root/.hakuriver/join-token`,
    )
    await install('node1', '--runner')
    await install('node2', '--runner')
    await online('node1', 'node2')
  })
  afterAll(async () => {
    api?.close()
    await lab?.close()
  })

  const install = (node: string, which: string) =>
    lab.sh(node, `${hakuriver} init service ${which} --install --now --config /etc/hakuriver.toml`)
  const online = (...names: string[]) =>
    waitFor(
      `${names.join(' and ')} online`,
      async () => {
        const { items } = await api.client.listNodes({}).catch(() => ({ items: [] }))
        const found = items.filter(({ status }) => status === 'online').map(({ name }) => name)
        return names.every((name) => found.includes(name))
      },
      deadline,
    )
  const pidOf = async (node: string, unit: string) =>
    Number(await lab.sh(node, `systemctl show -P MainPID ${unit}`))
  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })

  it('are what was asked for, and start at boot', async () => {
    const { stdout } = await lab.exec(
      'node1',
      'systemctl',
      'is-enabled',
      'hakuriver-host',
      'hakuriver-runner',
    )
    expect(stdout).toBe('enabled\nenabled\n')
    const { stdout: told } = await lab.exec('node1', 'systemd-analyze', 'verify', 'hakuriver-host.service')
    expect(told).toBe('')
    const task = await api.run(shell('id -un'), 'node2', 30_000)
    expect([task.status, await api.log(task.id)]).toEqual(['completed', 'worker\n'])
  })

  it('come back after a kill and a restart, and tasks go on', async () => {
    const going = await api.submit(shell('sleep 4; echo done'), 'node2')
    await api.reached(going, 'running')
    const before = await pidOf('node2', 'hakuriver-runner')
    await lab.sh('node2', 'systemctl restart hakuriver-runner')
    expect(await pidOf('node2', 'hakuriver-runner')).not.toBe(before)
    const host = await pidOf('node1', 'hakuriver-host')
    await lab.sh('node1', `kill -9 ${host}`)
    await waitFor(
      'another host',
      async () => ![0, host].includes(await pidOf('node1', 'hakuriver-host')),
      deadline,
    )
    await online('node1', 'node2')
    expect(await api.ended(going, 30_000)).toMatchObject({ status: 'completed', exitCode: 0 })
    expect(await api.log(going)).toBe('done\n')
  })

  it('are there again after the power was cut', async () => {
    const lost = await api.submit(shell('sleep 600'), 'node2')
    await api.reached(lost, 'running')
    await lab.off('node2')
    await lab.boot('node2')
    expect(await api.ended(lost, 40_000)).toMatchObject({ status: 'lost' })
    await lab.off('node1')
    await lab.boot('node1')
    await online('node1', 'node2')
    const task = await api.run(shell('echo again'), 'node2', 30_000)
    expect(await api.log(task.id)).toBe('again\n')
  })

  it('need root, and are printed to anybody', async () => {
    const denied = await lab.exec('node1', ['sh', '-c', `${hakuriver} init service --host --install`], {
      user: 'worker',
    })
    expect(denied).toMatchObject({ code: 4, stderr: expect.stringContaining('only root can write into') })
    const shown = await lab.exec('node1', ['sh', '-c', `${hakuriver} init service --runner`], {
      user: 'worker',
    })
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('ExecStart=/opt/node/bin/node') })
  })
})
