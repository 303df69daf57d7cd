/** Machines that join a host over TLS, as people type it: real processes on an address of this machine alone. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { processOf } from '../support/processes.ts'
import { bundle, Program } from '../support/program.ts'

const hostArgs = ['--bind', '127.0.0.2', '--tls', 'on']
let cluster: LocalCluster
afterEach(() => cluster.close())

const type = async (...words: string[]) => {
  const command = cluster.cli(...words)
  const { code } = await command.ended
  return { code, stdout: command.stdout, stderr: command.stderr }
}

/** Types a command on another machine. */
const typeAt = async (home: string, ...words: string[]) => {
  const command = new Program(process.execPath, [bundle('hakuriver'), ...words], {
    HAKURIVER_HOME: home,
    HAKURIVER_HOST_URL: '',
    HAKURIVER_TOKEN: '',
    HAKURIVER_CONFIG: '',
  })
  const { code } = await command.ended
  return { code, stdout: command.stdout, stderr: command.stderr }
}

const invitationIn = (text: string) => /'(https:[^']+)'/.exec(text)?.[1] ?? ''

/** Sockets of a process that wait for connections (proc_pid_fd(5), proc_net(5): state 0A). */
function listeningSockets(pid: number): string[] {
  const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
    } catch {
      return [] // closed meanwhile
    }
  })
  const rows = ['tcp', 'tcp6'].flatMap((name) => {
    const path = `/proc/${pid}/net/${name}`
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(1) : []
  })
  return rows.filter((row) => {
    const [, , , state, , , , , , inode = ''] = row.trim().split(/\s+/)
    return state === '0A' && inodes.includes(inode)
  })
}

it('joins by one paste, runs tasks, and listens on nothing', async () => {
  cluster = await LocalCluster.start({ nodes: [], hostArgs })
  const invited = await type('join-token', '--ttl', '10m')
  expect(invited.stdout).toMatch(
    /^sudo hakuriver join 'https:\/\/127\.0\.0\.2:\d+#[\w-]{43}\.hakuriver_join_[\w-]{32}'\n$/,
  )
  const home = join(cluster.dir, 'other')
  const invitation = invitationIn(invited.stdout)
  const joined = await typeAt(home, 'join', '--no-service', '--name', 'n1', invitation)
  expect(joined).toMatchObject({ code: 0, stderr: '' })
  expect(joined.stdout).toContain(`This machine is node n1 of the cluster at ${cluster.api.url} now.`)
  expect(readFileSync(join(home, 'config.toml'), 'utf8')).toContain(
    `host_reachable_address = "${cluster.api.url}"`,
  )
  for (const name of ['key.pem', 'cert.pem', 'ca.pem', 'node.json'])
    expect(statSync(join(home, 'runner', 'identity', name)).mode & 0o777).toBe(0o600)
  // it is good once
  const again = await typeAt(join(cluster.dir, 'third'), 'join', '--no-service', '--name', 'n3', invitation)
  expect(again).toMatchObject({ code: 4, stderr: expect.stringContaining('this invitation was used') })
  expect(again.stderr).not.toContain('hakuriver_join_')

  // nothing is named: the join has said it all
  // but for whom tasks run as, where that could be anybody
  const user = process.getuid?.() === 0 ? ['--task-user', 'nobody'] : []
  const dirs = ['--local-temp-dir', join(cluster.dir, 'tmp')]
  const words = [bundle('runner'), '--executor', 'process', ...dirs, ...user]
  const runner = new Program(process.execPath, words, { HAKURIVER_HOME: home, HAKURIVER_CONFIG: '' })
  try {
    await waitFor('the node is online', async () => (await cluster.api.client.listNodes({})).items.length > 0)
    expect(await cluster.api.run({ command: 'true' })).toMatchObject({ status: 'completed', node: 'n1' })
    expect(listeningSockets(runner.pid)).toEqual([])
    expect(listeningSockets(cluster.host.pid)).toHaveLength(1)
    const doctor = await typeAt(home, 'doctor', 'runner')
    expect(doctor.stdout).toContain('the host accepts the certificate of this node')
  } finally {
    await runner.stop()
  }
})

it('changes the authority while a task runs, and cuts nobody off', async () => {
  cluster = await LocalCluster.start({ nodes: ['n1', 'n2'], hostArgs, heartbeatSeconds: 0.25 })
  const id = await cluster.api.submit(
    { command: 'sh', arguments: ['-c', 'while :; do sleep 0.1; done'] },
    'n1',
  )
  await cluster.api.reached(id, 'running')
  const pid = await waitFor('its process', () => processOf(id))
  // one that goes on over all of it
  const following = cluster.cli('wait', id)
  expect(await type('ca', 'rotate')).toMatchObject({ code: 0 })
  await waitFor('both have a new certificate', async () => {
    const { nodes } = await cluster.api.client.getAuthority({})
    return nodes.behind.length === 0 && nodes.joined === 2
  })
  expect((await type('ca', 'show')).stdout).toContain('all with a certificate of the new one')
  expect(await type('ca', 'finish')).toMatchObject({ code: 0 })
  // the old one is trusted no more: what a connection of now is made by is the new one
  expect((await type('nodes', '-q')).stdout).toBe('n1\nn2\n')
  await cluster.restartHost()
  await cluster.allOnline()
  expect(processOf(id)).toBe(pid)
  expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 1 })
  expect(await type('kill', id)).toMatchObject({ code: 0 })
  await cluster.api.reached(id, 'killed')
  await following.ended
  expect(following.stderr).not.toContain('cannot trust')
})

it('ends the link of a revoked node within a second, and lets it in again only by an invitation', async () => {
  cluster = await LocalCluster.start({ hostArgs, heartbeatSeconds: 0.25 })
  const runner = cluster.runner('n1')
  const beganMs = performance.now()
  const revoked = await type('node', 'revoke', 'n1')
  expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining('its link is closed') })
  await waitFor('the runner says why', () => runner.stderr.includes('revoked its credential'))
  expect(performance.now() - beganMs).toBeLessThan(3_000) // a whole command, started cold
  await runner.stop()
  const again = cluster.startRunner('n1')
  await waitFor('it is refused', () => /credential of node n1 was revoked/.test(again.stderr))
  await again.stop()
  const invited = await type('join-token', '--node', 'n1')
  const words = [
    '--join',
    invitationIn(invited.stdout),
    '--name',
    'n1',
    '--state-dir',
    join(cluster.dir, 'n1'),
  ]
  const joining = new Program(process.execPath, [bundle('runner'), ...words], {
    HAKURIVER_HOME: cluster.home,
  })
  expect(await joining.ended).toMatchObject({ code: 0 })
  cluster.startRunner('n1')
  await waitFor('it is back', async () => (await cluster.api.run({ command: 'true' })).status === 'completed')
})

it('says in one sentence why a host cannot be trusted, or speaks another way', async () => {
  cluster = await LocalCluster.start({ nodes: [], hostArgs })
  const home = join(cluster.dir, 'other')
  const untrusted = await typeAt(home, 'nodes', '--host', cluster.api.url)
  expect(untrusted).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('cannot trust the host at https:'),
  })
  const ca = join(cluster.home, 'ca', 'ca.pem')
  const trusted = await typeAt(home, 'nodes', '--host', cluster.api.url, '--ca-file', ca)
  expect(trusted.stderr).toContain('no token was shown')
  const plain = await typeAt(home, 'nodes', '--host', cluster.api.url.replace('https', 'http'))
  expect(plain.stderr).toContain('this is HTTPS: use https:// in the address')
})

it('starts a cluster of one machine over TLS as well', async () => {
  cluster = await LocalCluster.start({ nodes: [] })
  const home = join(cluster.dir, 'up')
  const up = new Program(process.execPath, [bundle('hakuriver'), 'up', '--port', '0'], {
    HAKURIVER_HOME: home,
    HAKURIVER_TLS: 'on',
    HAKURIVER_EXECUTOR: 'process',
    HAKURIVER_HOST_URL: '',
    HAKURIVER_TOKEN: '',
  })
  try {
    await waitFor('it is up', () => up.stdout.includes('HakuRiver is up'), { deadlineMs: 30_000 })
    expect(up.stdout).toContain('at https://127.0.0.1:')
    expect((await typeAt(home, 'submit', '--wait', '--', 'echo', 'hello')).code).toBe(0)
  } finally {
    await up.stop('SIGINT')
  }
  // and the same directory without TLS again
  const plain = new Program(process.execPath, [bundle('hakuriver'), 'up', '--port', '0'], {
    HAKURIVER_HOME: home,
    HAKURIVER_EXECUTOR: 'process',
    HAKURIVER_HOST_URL: '',
    HAKURIVER_TOKEN: '',
  })
  try {
    await waitFor('it is up', () => plain.stdout.includes('HakuRiver is up'), { deadlineMs: 30_000 })
    expect(plain.stdout).toContain('at http://127.0.0.1:')
  } finally {
    await plain.stop('SIGINT')
  }
})

it('ends the link of a revoked node also where its runner does not answer', async () => {
  cluster = await LocalCluster.start({ hostArgs, heartbeatSeconds: 60 })
  const runner = cluster.runner('n1')
  process.kill(runner.pid, 'SIGSTOP')
  try {
    const beganMs = performance.now()
    await cluster.api.client.revokeNode({ params: { name: 'n1' }, body: {} })
    await waitFor('the link is down', () => cluster.host.stderr.includes('The link to a node is down'))
    expect(performance.now() - beganMs).toBeLessThan(1_000)
  } finally {
    process.kill(runner.pid, 'SIGCONT')
  }
})
