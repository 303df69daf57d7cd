/** `hakuriver doctor` on real machines: a healthy node, users with and without rights, a wrong directory, a cut cable. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'
import { bundle, Program } from '../support/program.ts'

interface Finding {
  id: string
  status: 'ok' | 'warning' | 'problem' | 'not_checked'
  found: string
  fix: string | null
}

const program = ['/opt/node/bin/node', '/opt/hakuriver/dist/hakuriver.cjs']
/** Of the whole command, however broken the machine is. */
const wholeMs = 5_000

describeInLab('doctor on systemd machines', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({ nodes: 2, id: 'doc', net: '10.77.25', isShared: true, isPlain: true })
    const { lab, api } = cluster
    const { hostname, port } = new URL(api.url)
    for (const name of cluster.names) {
      const config = [
        '[network]',
        `host_reachable_address = "${hostname}"`,
        `host_port = ${port}`,
        'tls = "off"',
        '[paths]',
        'shared_dir = "/shared"',
        'local_temp_dir = "/tmp/hakuriver"',
        '[runner]',
        `name = "${name}"`,
      ].join('\n')
      for (const home of ['/root', '/home/keeper', '/home/worker']) {
        const dir = `${home}/.hakuriver`
        const owner = home.split('/').at(-1)
        await lab.sh(
          name,
          `mkdir -p ${dir} && printf '%s\\n' '${config}' > ${dir}/config.toml && cp /shared/join-token ${dir}/ && chown -R ${owner}: ${dir} && chmod 700 ${dir}`,
        )
      }
      await lab.sh(name, 'printf \'task_user = "worker"\\n\' >> /root/.hakuriver/config.toml')
    }
  })
  afterAll(() => cluster?.close())

  const doctor = async (node: string, user: string, ...words: string[]) => {
    const home = user === 'root' ? '/root' : `/home/${user}`
    const env = {
      HOME: home,
      ...(user === 'root' ? { HAKURIVER_RUNNER_STATE_DIR: '/var/lib/hakuriver' } : {}),
    }
    const options = { env, ...(user === 'root' ? {} : { user }) }
    const beginMs = performance.now()
    const ran = await cluster.lab.exec(node, [...program, 'doctor', '--json', ...words], options)
    const ms = performance.now() - beginMs
    if (ran.stdout === '') throw new Error(`doctor said nothing: ${ran.stderr}`)
    const list = JSON.parse(ran.stdout) as Finding[]
    const of = (id: string) => {
      const found = list.filter((finding) => finding.id === id)
      return found.map(({ status, found: text, fix }) => `${status}: ${text}\n${fix ?? ''}`).join('\n')
    }
    const problems = list
      .filter(({ status }) => status === 'problem')
      .map(({ id, found }) => `${id}: ${found}`)
    return { code: ran.code, of, problems, ms }
  }

  it('finds no problem on a healthy node', async () => {
    const { code, of, problems } = await doctor('node1', 'root')
    expect(problems).toEqual([])
    expect(code).toBe(0)
    expect(of('systemd')).toMatch(/^ok: systemd \d+ runs this machine/)
    expect(of('systemd-connection')).toMatch(/^ok: systemd answers at \/run\/systemd\/private/)
    expect(of('executor')).toMatch(/^ok: a runner takes systemd: .*root; limits are enforced/)
    expect(of('task-user')).toMatch(/^ok: tasks run as worker/)
    expect(of('numactl')).toMatch(/^ok: numactl works; \d+ NUMA node/)
    expect(of('local-temp-dir')).toMatch(/^ok: .*the user worker can write there/)
    expect(of('shared-dir')).toMatch(/^ok: shared_dir \/shared: the user root can write there/)
    expect(of('shared-dir-same')).toContain(`ok: the host sees in ${cluster.lab.sharedDir}`)
    expect(of('host-address')).toContain(cluster.api.url)
    expect(of('join-token')).toMatch(/^ok/)
    expect(of('token')).toMatch(/^not_checked/)
    expect(of('version')).toMatch(/^ok/)
    expect(of('clock')).toMatch(/^ok/)
    expect(of('node')).toMatch(/^ok: node node1 is online, with systemd: limits enforced/)
    expect(await cluster.lab.sh('node1', 'ls -A /shared /tmp/hakuriver')).not.toContain('check')
  })

  it('is readable on a terminal, and says the same to a program', async () => {
    const { stdout, code } = await cluster.lab.exec('node1', [...program, 'doctor'], {
      env: { HOME: '/root' },
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^This machine\n {2}✔ ok/)
    expect(stdout).toMatch(/\nNo problem, .*ok\.\n$/)
  })

  it('tells keeper, who has sudo, that limits are enforced through it', async () => {
    const { of, problems } = await doctor('node1', 'keeper')
    expect(problems).toEqual([])
    expect(of('sudo')).toMatch(/^ok: sudo gives systemd-run and systemctl/)
    expect(of('systemd-connection')).toMatch(/^ok: .*system_bus_socket/)
    expect(of('executor')).toMatch(/^ok: a runner takes systemd: .*sudo/)
    expect(of('task-user')).toMatch(/^warning: tasks run as keeper, who may use sudo/)
    expect(of('shared-dir-same')).toMatch(/^ok/)
  })

  it('tries directories as the user of the tasks, through sudo too', async () => {
    await cluster.lab.sh(
      'node1',
      'mkdir -p /scratch/kept && chown keeper /scratch/kept && chmod 755 /scratch/kept',
    )
    const words = ['runner', '--', '--task-user', 'worker', '--local-temp-dir', '/scratch/kept']
    const asWorker = await doctor('node1', 'keeper', ...words)
    expect(asWorker.of('local-temp-dir')).toMatch(
      /^problem: the user worker cannot write in local_temp_dir \/scratch\/kept: Permission denied/,
    )
    expect(asWorker.of('task-user')).toMatch(/^ok: tasks run as worker/)
    const asKeeper = await doctor('node1', 'keeper', 'runner', '--', '--local-temp-dir', '/scratch/kept')
    expect(asKeeper.of('local-temp-dir')).toMatch(/^ok: .*the user keeper can write there/)
  })

  it('shows worker, who has no sudo, the line that is missing', async () => {
    const { of, code } = await doctor('node1', 'worker')
    expect(of('sudo')).toMatch(/^warning: sudo systemd-run is refused/)
    expect(of('sudo')).toContain(
      "echo 'worker ALL=(ALL) NOPASSWD: /usr/bin/systemd-run, /usr/bin/systemctl' > /etc/sudoers.d/hakuriver",
    )
    expect(of('executor')).toMatch(/^warning: a runner takes process/)
    expect(code).toBe(0)
  })

  it('gives the missing line, and finds it in order once it is there', async () => {
    const { lab } = cluster
    const { of } = await doctor('node2', 'worker')
    const lines = of('sudo')
      .split('\n')
      .filter((line) => line.startsWith('  '))
    await lab.sh('node2', lines.join('\n'))
    const after = await doctor('node2', 'worker')
    expect(after.of('sudo')).toMatch(/^ok/)
    expect(after.of('executor')).toMatch(/^ok: a runner takes systemd/)
    await lab.sh('node2', 'rm /etc/sudoers.d/hakuriver')
  })

  it('proves by a file that a directory is not the shared one', async () => {
    const { lab } = cluster
    const other = await doctor('node1', 'root', 'runner', '--', '--shared-dir', '/scratch')
    expect(other.of('shared-dir-same')).toContain(
      `problem: the host does not see in ${lab.sharedDir} what is written to /scratch here`,
    )
    expect(other.code).toBe(1)
    await lab.sh('node2', 'mount -t tmpfs -o mode=1777 tmpfs /shared')
    try {
      const { of, code } = await doctor('node2', 'root')
      expect(of('shared-dir')).toMatch(/^ok/)
      expect(of('shared-dir-same')).toMatch(
        /^problem: .*they are not the same directory\n.*\n {2}findmnt -T \/shared/,
      )
      expect(code).toBe(1)
      expect(await lab.sh('node2', 'ls -A /shared')).toBe('')
    } finally {
      await lab.sh('node2', 'umount /shared')
    }
  })

  it('tells a cut network with the address, in time', async () => {
    const { lab, api } = cluster
    await lab.cut('node2')
    try {
      const { of, code, ms } = await doctor('node2', 'root')
      expect(of('host-connection')).toContain(`problem: cannot reach the host at ${api.url}: no answer`)
      expect(of('host-connection')).toContain(`nc -vz ${lab.address} `)
      expect(of('shared-dir')).toMatch(/^ok/)
      expect(of('shared-dir-same')).toMatch(/^not_checked/)
      expect(code).toBe(1)
      expect(ms).toBeLessThan(wholeMs)
    } finally {
      await lab.heal('node2')
    }
    await cluster.online('node2', Date.now())
  })

  it('tells that the runner of this machine does not run', async () => {
    await cluster.runner('node2').stop()
    await waitFor(
      'the node is unreachable',
      async () => (await doctor('node2', 'root')).of('node').startsWith('problem'),
      { deadlineMs: 30_000 },
    )
    expect((await doctor('node2', 'root')).of('node')).toMatch(
      /^problem: the host has not heard node node2 for .*: no runner runs here\n.*\n {2}hakuriver runner/,
    )
    await cluster.startRunner('node2')
    expect((await doctor('node2', 'root')).of('node')).toMatch(/^ok/)
  })

  it('checks the host where it runs', async () => {
    const { home } = cluster.local
    const env = { HAKURIVER_HOME: home, HAKURIVER_HOST_URL: '', HAKURIVER_TOKEN: '' }
    const flags = ['--state-dir', home, '--bind', cluster.lab.address, '--shared-dir', cluster.lab.sharedDir]
    const check = new Program(
      process.execPath,
      [bundle('hakuriver'), 'doctor', '--json', 'host', '--', ...flags],
      env,
    )
    await check.ended
    const list = JSON.parse(check.stdout) as Finding[]
    const statuses = Object.fromEntries(list.map(({ id, status }) => [id, status]))
    expect(statuses).toMatchObject({
      'own-host': 'ok',
      'own-host-bind': 'ok',
      'own-host-database': 'ok',
      'own-host-shared-dir': 'ok',
    })
    expect(list.find(({ id }) => id === 'own-host')?.found).toContain(cluster.api.url)
  })
})
