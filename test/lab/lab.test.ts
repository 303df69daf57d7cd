/** The lab itself: its machines are real, can be broken and mended, and leave nothing behind. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Lab, startLab } from './lab.ts'
import { describeInLab } from './require.ts'

const id = 'lt'
const net = '10.77.8'
const nodes = ['node1', 'node2', 'node3']

describeInLab('the lab', () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await startLab({ nodes: nodes.length, id, net })
  })
  afterAll(() => lab?.close())

  /** How a try to reach a closed port ends: a machine that is there refuses, the network alone says nothing. */
  const reach = async (from: string, address: string) => {
    const script = `timeout 1 bash -c '</dev/tcp/${address}/9' 2>&1`
    const { code, stdout } = await lab.exec(from, ['sh', '-c', script])
    return code === 124 ? 'silence' : stdout.includes('refused') ? 'refused' : stdout
  }

  it('boots real systemd machines', async () => {
    for (const node of nodes) {
      expect((await lab.exec(node, ['systemctl', 'is-system-running'])).stdout).toMatch(/running|degraded/)
      expect(await lab.sh(node, 'cat /proc/1/comm; hostname')).toBe(`systemd\n${node}\n`)
      expect(await lab.sh(node, 'systemctl --failed --no-legend')).toBe('')
    }
  })

  it('connects the machines with each other and with this computer', async () => {
    for (const from of nodes) {
      for (const to of ['11', '12', '13']) expect(await reach(from, `${net}.${to}`)).toBe('refused')
    }
    const server = createServer((socket) => socket.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, lab.hostAddress, resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    expect(await lab.sh('node1', `bash -c 'cat </dev/tcp/outside/${port}'`)).toBe('hello')
    server.close()
  })

  it('shares one directory with all, and one with each', async () => {
    await lab.sh('node1', 'echo from node1 > /shared/note; echo mine > /scratch/note')
    expect(await lab.sh('node2', 'cat /shared/note')).toBe('from node1\n')
    expect(readFileSync(join(lab.sharedDir, 'note'), 'utf8')).toBe('from node1\n')
    expect(readFileSync(join(lab.scratchOf('node1'), 'note'), 'utf8')).toBe('mine\n')
    writeFileSync(join(lab.scratchOf('node3'), 'note'), 'from outside')
    expect(await lab.sh('node3', 'cat /scratch/note')).toBe('from outside')
    expect((await lab.exec('node2', ['test', '-e', '/scratch/note'])).code).toBe(1)
  })

  it('gives the machines this Node and the project, to read only', async () => {
    expect(await lab.sh('node1', '/opt/node/bin/node --version')).toBe(`${process.version}\n`)
    const { code, stderr } = await lab.exec('node1', ['touch', '/opt/hakuriver/x', '/opt/node/x'])
    expect([code, stderr.match(/Read-only/g)?.length]).toEqual([1, 2])
  })

  it('runs a command with variables, input and a user', async () => {
    const options = { env: { NAME: 'two words' }, input: 'some input', user: 'worker' }
    const { stdout } = await lab.exec('node1', ['sh', '-c', 'id -un; echo "$NAME"; cat'], options)
    expect(stdout).toBe('worker\ntwo words\nsome input')
    expect((await lab.exec('node1', ['sh', '-c', 'exit 7'])).code).toBe(7)
    expect((await lab.exec('node1', ['sh', '-c', 'kill -9 $$'])).code).toBe(137)
    expect((await lab.exec('node1', ['sleep', '71'], { timeoutMs: 300 })).code).toBe(255)
    await expect.poll(async () => (await lab.exec('node1', ['pgrep', '-f', 'sleep 71'])).code).toBe(1)
  })

  it('runs units, and means their limits', async () => {
    expect((await lab.exec('node1', ['systemd-run', '--wait', '--quiet', 'true'])).code).toBe(0)
    expect((await lab.exec('node1', ['systemd-run', '--wait', '--quiet', 'sh', '-c', 'exit 5'])).code).toBe(5)
    const limited = 'systemd-run --wait --quiet --pipe -p CPUQuota=25% -p MemoryMax=40M'
    // an endless line has to be kept whole
    expect((await lab.exec('node1', ['sh', '-c', `${limited} tail /dev/zero`])).code).not.toBe(0)
    const spin = 'timeout 2 sh -c "while :; do :; done"; times'
    const seconds = [...(await lab.sh('node1', `${limited} sh -c '${spin}'`)).matchAll(/m([\d.]+)s/g)]
    const used = seconds.reduce((sum, match) => sum + Number(match[1]), 0)
    expect(used).toBeGreaterThan(0.1)
    expect(used).toBeLessThan(1)
  })

  it('spawns a program that can be killed alone', async () => {
    const argv = ['sh', '-c', 'trap "echo caught" USR1; echo "$GREETING"; while :; do sleep 0.05; done']
    const first = await lab.spawn('node1', argv, { env: { GREETING: 'hello' } })
    const second = await lab.spawn('node1', ['sleep', '1000'])
    await expect.poll(() => first.output()).toBe('hello\n')
    await first.kill('SIGUSR1')
    await expect.poll(() => first.output()).toBe('hello\ncaught\n')
    await first.kill('SIGKILL')
    expect(await first.exited).toBe(137)
    expect(await lab.sh('node1', `cat /proc/${second.pid}/comm`)).toBe('sleep\n')
    await second.kill()
    expect(await second.exited).toBe(143)
    await expect(lab.spawn('node1', ['/no/such/program']).then(({ exited }) => exited)).resolves.toBe(127)
  })

  it('keeps what a service started when only the service is killed', async () => {
    const script = 'setsid sleep 1000 & echo $! > /tmp/child; wait'
    const service = await lab.service('node1', 'parent', ['sh', '-c', script], ['KillMode=process'])
    expect(await service.pid()).toBeGreaterThan(1)
    await expect.poll(async () => (await lab.exec('node1', ['test', '-s', '/tmp/child'])).code).toBe(0)
    await service.stop('SIGKILL')
    await lab.sh('node1', 'kill "$(cat /tmp/child)"')
  })

  it('cuts a machine off silently, and heals it', async () => {
    await lab.cut('node2')
    expect(await reach('node1', `${net}.12`)).toBe('silence')
    expect(await reach('node2', lab.hostAddress)).toBe('silence')
    expect(await reach('node1', `${net}.13`)).toBe('refused')
    expect(await lab.sh('node2', 'cat /sys/class/net/eth0/carrier')).toBe('1\n')
    await lab.heal('node2')
    expect(await reach('node1', `${net}.12`)).toBe('refused')
  })

  it('pulls the plug, and boots again with the same disk and a new boot', async () => {
    const identity = 'cat /proc/sys/kernel/random/boot_id; cat /etc/machine-id'
    const [boot, machine] = (await lab.sh('node3', `echo kept > /root/note; ${identity}`)).split('\n')
    const running = await lab.spawn('node3', ['sleep', '1000'])
    await lab.off('node3')
    expect(await running.exited).toBe(137)
    expect((await lab.exec('node3', ['true'])).stderr).toContain('node3 is off')
    expect(await reach('node1', `${net}.13`)).toMatch(/silence|No route/)
    await lab.boot('node3')
    const again = (await lab.sh('node3', `cat /root/note; ${identity}`)).split('\n')
    expect(again).toEqual(['kept', expect.not.stringMatching(boot ?? ''), machine, ''])
    expect(await reach('node1', `${net}.13`)).toBe('refused')
  })

  it('reboots when its own systemd wants to', async () => {
    const boot = () => lab.exec('node3', ['cat', '/proc/sys/kernel/random/boot_id'])
    const before = (await boot()).stdout
    // systemd stops all before it ends them, and whatever waits for one of them out here must go on
    const stopped = await lab.spawn('node3', ['sleep', '1000'])
    await stopped.kill('SIGSTOP')
    await lab.exec('node3', ['systemctl', 'reboot'])
    const after = async () => {
      const { code, stdout } = await boot()
      return code === 0 && stdout !== before
    }
    await expect.poll(after, { timeout: 20_000 }).toBe(true)
  })

  it('leaves nothing behind', async () => {
    expect(traces(id)).not.toEqual([])
    await lab.close()
    await expect.poll(() => traces(id), { timeout: 5000 }).toEqual([])
  })
})

describeInLab('a lab whose owner is gone', () => {
  const script = fileURLToPath(new URL('lab.sh', import.meta.url))
  const env = { ...process.env, LAB_ID: 'lo', LAB_NET: '10.77.7' }
  afterAll(() => execFileSync('bash', [script, 'down'], { env }))

  it('ends by itself', async () => {
    const owner = spawn('sleep', ['1000'])
    execFileSync('bash', [script, 'up', '1'], { env: { ...env, LAB_OWNER_PID: String(owner.pid) } })
    expect(traces('lo')).not.toEqual([])
    owner.kill('SIGKILL')
    await expect.poll(() => traces('lo'), { timeout: 10_000 }).toEqual([])
  })

  it('is cleared away by the next of its name, also when it was killed while it started', async () => {
    const start = spawn('bash', [script, 'up', '2'], { env, stdio: 'ignore' })
    await expect.poll(() => traces('lo').length, { timeout: 10_000 }).toBeGreaterThan(3)
    start.kill('SIGKILL')
    execFileSync('bash', [script, 'up', '1'], { env })
    const list = execFileSync('bash', [script, 'list'], { env, encoding: 'utf8' })
    expect(list).toBe('node1 10.77.7.11 on\n')
    execFileSync('bash', [script, 'down'], { env })
    await expect.poll(() => traces('lo'), { timeout: 5000 }).toEqual([])
  })
})

/** What of a lab is on this computer: processes, mounts, groups, network and files. */
function traces(lab: string): string[] {
  const name = `hakuriver-lab-${lab}`
  const found: string[] = []
  const read = (file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      // the process has ended meanwhile
      return ''
    }
  }
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    // one that has ended and only waits to be collected is no trace
    if (/^State:\sZ/m.test(read(`/proc/${pid}/status`))) continue
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')
    const ofScript = command.includes('lab.sh _') && read(`/proc/${pid}/environ`).includes(`LAB_ID=${lab}\0`)
    if (ofScript || new RegExp(`/${name}([/.]|$)`, 'm').test(read(`/proc/${pid}/cgroup`)))
      found.push(`process ${pid}: ${command}`)
    if (read(`/proc/${pid}/mountinfo`).includes(`/${name}/`)) found.push(`mount of process ${pid}`)
  }
  const groups = execFileSync('find', ['/sys/fs/cgroup', '-maxdepth', '3', '-name', `${name}*`])
  found.push(...groups.toString().split('\n').filter(Boolean))
  const places = [`/run/netns/${name}`, `/sys/class/net/lab-${lab}`, `/var/tmp/${name}`]
  found.push(...places.filter((place) => existsSync(place)))
  return found
}
