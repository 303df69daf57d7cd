/** Host and runners as services that `hakuriver init service` has installed, on two real machines. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pinnedTls } from '../../src/platform/tls-pin.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab } from '../lab/lab.ts'
import { describeInLab } from '../lab/require.ts'
import { Api } from '../support/api.ts'

const hakuriver = '/opt/node/bin/node /opt/hakuriver/dist/hakuriver.cjs'
const net = '10.78.50'
/** Of node1, the machine of the host. */
const address = `${net}.11`
const configDir = '/etc/haku river 100%n $HOME'
const deadline = { deadlineMs: 40_000 }

describeInLab('services that init installs', () => {
  let lab: Lab
  let api: Api
  /** What was printed on each machine when it joined. */
  const told: string[] = []
  beforeAll(async () => {
    lab = await Lab.start({ nodes: 2, id: 'svc', net })
    const lines = ['[network]', 'host_bind_ip = "0.0.0.0"', `host_reachable_address = "${address}"`]
    const more = ['[timing]', 'heartbeat_interval = 1', '[runner]', 'task_user = "worker"']
    const config = [...lines, ...more].join('\n')
    // a path in which systemd would see two words, a specifier and a variable
    for (const node of ['node1', 'node2'])
      await lab.sh(node, `mkdir '${configDir}'; printf '%s\n' '${config}' > '${configDir}/config.toml'`)
    await install('node1', '--host')
    const read = (name: string) => lab.sh('node1', `cat /root/.hakuriver/${name}`)
    await waitFor('the host', () => read('host.json').catch(() => null), deadline)
    const tls = pinnedTls(await read('ca/ca.pem'))
    api = new Api(`https://${address}:8000`, (await read('admin-token')).trim(), undefined, tls)
    const pasted = (await lab.sh('node1', `${hakuriver} join-token --count 2`)).trim().split('\n')
    for (const [at, line] of pasted.entries()) {
      const words = line.replace(
        'sudo hakuriver join',
        `${hakuriver} join --config '${configDir}/config.toml'`,
      )
      told.push(await lab.sh(`node${at + 1}`, words))
    }
    await online('node1', 'node2')
  })
  afterAll(async () => {
    api?.close()
    await lab?.close()
  })

  const install = (node: string, which: string) =>
    lab.sh(
      node,
      `${hakuriver} init service ${which} --root --install --now --config '${configDir}/config.toml'`,
    )
  const online = (...names: string[]) => api.online(names, deadline.deadlineMs)
  const pidOf = async (node: string, unit: string) =>
    Number(await lab.sh(node, `systemctl show -P MainPID ${unit}`))
  const exposureOf = async (unit: string) => {
    const { stdout } = await lab.exec('node1', 'systemd-analyze', 'security', '--no-pager', unit)
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
  }
  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })

  it('come with a join: one paste on each machine', () => {
    expect(told).toHaveLength(2)
    for (const [at, text] of told.entries()) {
      expect(text).toContain(
        `This machine is node node${at + 1} of the cluster at https://${address}:8000 now.`,
      )
      expect(text).toContain('hakuriver-runner.service: it runs, and starts at every boot.')
      expect(text.split('\n').length).toBeLessThan(10)
    }
  })

  it('are what was asked for, and start at boot', async () => {
    const { stdout } = await lab.exec(
      'node1',
      'systemctl',
      'is-enabled',
      'hakuriver-host',
      'hakuriver-runner',
    )
    expect(stdout).toBe('enabled\nenabled\n')
    for (const unit of ['hakuriver-host.service', 'hakuriver-runner.service']) {
      const verified = await lab.exec('node1', 'systemd-analyze', 'verify', unit)
      expect({ ...verified, unit }).toEqual({ code: 0, stdout: '', stderr: '', unit })
    }
    // 10 is as open as can be (systemd-analyze(1)); tasks are units of their own
    expect(await exposureOf('hakuriver-host')).toBeLessThanOrEqual(3)
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

  it('take no plain process with them, and none takes them', async () => {
    await lab.sh('node2', `printf '%s\n' 'executor = "process"' >> '${configDir}/config.toml'`)
    // the launcher has no use for them: the runner becomes root's, with what it has joined by
    await lab.sh(
      'node2',
      'systemctl stop hakuriver-runner; mkdir -p -m 700 /root/.hakuriver; mv /var/lib/hakuriver/runner /root/.hakuriver/; chown -R root: /root/.hakuriver',
    )
    await install('node2', '--runner')
    await waitFor(
      'the other executor',
      async () => (await api.client.getNode({ params: { name: 'node2' } })).executor.name === 'process',
      deadline,
    )
    const going = await api.submit(shell('sleep 4; echo done'), 'node2')
    await api.reached(going, 'running')
    await lab.sh('node2', 'systemctl restart hakuriver-runner')
    expect(await api.ended(going, 30_000)).toMatchObject({ status: 'completed', exitCode: 0, attempt: 1 })
    expect(await api.log(going)).toBe('done\n')
    const killed = await pidOf('node2', 'hakuriver-runner')
    await lab.sh('node2', `kill -9 ${killed}`)
    await waitFor(
      'another runner',
      async () => ![0, killed].includes(await pidOf('node2', 'hakuriver-runner')),
      deadline,
    )
    expect(await api.run(shell('true'), 'node2', 30_000)).toMatchObject({ status: 'completed' })
  })

  it('run as the user that was named, with what is in that home directory', async () => {
    const file = '/home/worker/.hakuriver/config.toml'
    const before = await pidOf('node1', 'hakuriver-host')
    await lab.sh(
      'node2',
      `mkdir -p -m 700 /home/worker/.hakuriver; echo '[network]\nhost_port = 9000' > ${file}; chown -R worker: /home/worker/.hakuriver`,
    )
    await lab.sh('node2', `${hakuriver} init service --host --install --now --user worker`)
    const there = () => lab.sh('node2', 'cat /home/worker/.hakuriver/host.json').catch(() => null)
    const json = await waitFor('the host of the user', there, deadline)
    expect(json).toContain(':9000"')
    expect((await lab.sh('node2', 'stat -c %U /home/worker/.hakuriver/admin-token')).trim()).toBe('worker')
    await lab.sh('node2', 'systemctl disable --now hakuriver-host')
    expect(await pidOf('node1', 'hakuriver-host')).toBe(before)
  })

  it('are not made of a configuration that is wrong, nor over a unit of others', async () => {
    await lab.sh('node2', `echo '[runner]\nname = 5' > /tmp/wrong.toml`)
    const words = `${hakuriver} init service --host --root --install`
    const wrong = await lab.exec('node2', ['sh', '-c', `${words} --config /tmp/wrong.toml`])
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2: runner.name is 5') })
    await lab.sh('node2', `echo '[Unit]' > /etc/systemd/system/hakuriver-host.service`)
    const other = await lab.exec('node2', ['sh', '-c', words])
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('is not of this command') })
  })

  it('need root, and are printed to anybody', async () => {
    const denied = await lab.exec('node1', ['sh', '-c', `${hakuriver} init service --host --install`], {
      user: 'worker',
    })
    expect(denied).toMatchObject({ code: 4, stderr: expect.stringContaining('only root can write into') })
    const shown = await lab.exec('node1', ['sh', '-c', `${hakuriver} init service --runner --root`], {
      user: 'worker',
    })
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('ExecStart=/opt/node/bin/node') })
  })
})
