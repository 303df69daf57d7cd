/** Host, runner and launcher as `init service` installs them for a whole machine, on two real machines. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pinnedTls } from '../../src/platform/tls-pin.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab } from '../lab/lab.ts'
import { describeInLab } from '../lab/require.ts'
import { Api } from '../support/api.ts'

const hakuriver = '/opt/node/bin/node /opt/hakuriver/dist/hakuriver.cjs'
const net = '10.78.61'
/** Of node1, the machine of the host. */
const address = `${net}.11`
const deadline = { deadlineMs: 40_000 }
const MiB = 1024 ** 2

describeInLab('host, runner and launcher of a whole machine', () => {
  let lab: Lab
  let api: Api
  const sh = (node: string, command: string) => lab.sh(node, command)
  const install = (node: string, which: string) =>
    sh(node, `${hakuriver} init service ${which} --install --now`)
  const online = (...names: string[]) => api.online(names, deadline.deadlineMs)
  const pidOf = async (node: string, unit: string) =>
    Number(await sh(node, `systemctl show -P MainPID ${unit}`))
  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })
  const run = async (script: string, target = 'node1', more: object = {}) => {
    const task = await api.run({ ...shell(script), ...more }, target, 30_000)
    return { task, out: await api.log(task.id), err: await api.log(task.id, 'stderr') }
  }

  beforeAll(async () => {
    lab = await Lab.start({ nodes: 2, id: 'lau', net })
    const lines = ['[network]', 'host_bind_ip = "0.0.0.0"', `host_reachable_address = "${address}"`]
    const more = ['[timing]', 'heartbeat_interval = 1', '[runner]', 'tasks_max = 200', 'log_limit = "100K"']
    const config = [...lines, ...more, '[users]', 'admin = "worker" # mapped'].join('\n')
    for (const node of ['node1', 'node2'])
      await sh(node, `mkdir -p /etc/hakuriver; printf '%s\n' '${config}' > /etc/hakuriver/config.toml`)
    await install('node1', '--host')
    const read = (name: string) => sh('node1', `cat /var/lib/hakuriver/${name}`)
    await waitFor('the host', () => read('host.json').catch(() => null), deadline)
    api = new Api(
      `https://${address}:8000`,
      (await read('admin-token')).trim(),
      undefined,
      pinnedTls(await read('ca/ca.pem')),
    )
    const pasted = (await sh('node1', `${hakuriver} join-token --count 2`)).trim().split('\n')
    for (const [at, line] of pasted.entries())
      await sh(`node${at + 1}`, line.replace('sudo hakuriver join', `${hakuriver} join`))
    await online('node1', 'node2')
  })
  afterAll(async () => {
    api?.close()
    await lab?.close()
  })

  describe('as it stands', () => {
    it('nothing that the network reaches is root', async () => {
      for (const unit of ['hakuriver-host', 'hakuriver-runner']) {
        const status = await sh('node1', `cat /proc/${await pidOf('node1', unit)}/status`)
        expect(status).not.toMatch(/^Uid:.*\b0\b/m)
        expect(status.match(/^Cap(Inh|Prm|Eff|Bnd|Amb):\s*0{16}$/gm)).toHaveLength(5)
        expect(status).toMatch(/^NoNewPrivs:\s*1$/m)
      }
      const { executor } = await api.client.getNode({ params: { name: 'node1' } })
      expect(executor).toMatchObject({
        ...{ name: 'systemd', enforcesLimits: true, why: expect.stringContaining('through the launcher') },
        features: { privateNetwork: true, privatePids: true, lease: true },
      })
    })

    it('the launcher is named by whom the kernel says asks it, and has no network', async () => {
      const uid = (await sh('node1', 'id -u hakuriver')).trim()
      const instance =
        (await sh('node1', "systemctl list-units --plain --no-legend 'hakuriver-launcher@*'")).split(
          ' ',
        )[0] ?? ''
      expect(instance).toMatch(new RegExp(`^hakuriver-launcher@\\d+-\\d+(_\\d+)?-${uid}\\.service$`))
      const pid = await pidOf('node1', instance)
      expect(await sh('node1', `cat /proc/${pid}/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '`)).toBe(
        'lo\n',
      )
      expect(await sh('node1', `grep CapBnd /proc/${pid}/status`)).toMatch(/CapBnd:\s*000000000000000b/)
    })

    it('the units are as closed as they say, and systemd finds no fault with them', async () => {
      for (const [unit, most] of [
        ['hakuriver-host.service', 20],
        ['hakuriver-runner.service', 25],
        ['hakuriver-launcher@.service', 30],
      ] as const) {
        const path = `/etc/systemd/system/${unit}`
        const words = [
          'systemd-analyze',
          'security',
          '--no-pager',
          '--offline=yes',
          `--threshold=${most}`,
          path,
        ]
        expect(await lab.exec('node1', words), unit).toMatchObject({ code: 0 })
        expect(await lab.exec('node1', 'systemd-analyze', 'verify', path), unit).toMatchObject({
          code: 0,
          stderr: '',
        })
      }
      expect(await sh('node1', 'stat -c "%a %U %G" /run/hakuriver/launcher.sock')).toBe(
        '660 root hakuriver\n',
      )
    })

    it('root finds the host of its machine', async () => {
      expect(await sh('node1', `${hakuriver} nodes`)).toMatch(/node1[\s\S]*node2/)
    })

    it('and doctor looks at its runner as that one is', async () => {
      const { code, stdout } = await lab.exec('node2', ['sh', '-c', `${hakuriver} doctor runner`])
      expect({ code, stdout }).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('through the launcher'),
      })
      expect(stdout).toContain('tasks run by [users]: admin as worker')
      expect(stdout).toContain('/var/lib/hakuriver/runner: the user hakuriver can write there')
    })
  })

  describe('tasks', () => {
    it('run as whom the node says, with nothing else', async () => {
      const { out, task } = await run('id -un; id -Gn; echo $HOME; pwd; cat /proc/self/status')
      expect(task).toMatchObject({ status: 'completed', exitCode: 0 })
      expect(out.split('\n').slice(0, 4)).toEqual(['worker', 'worker', '/home/worker', '/tmp/hakuriver'])
      expect(out.match(/^Cap\w+:\s*0{16}$/gm)).toHaveLength(5)
      expect((await run('id -un', 'node2', { privatePids: true })).out).toBe('worker\n')
      expect(task.peakMemoryBytes).toBeGreaterThan(10_000)
    })

    it('have their secrets, which are nowhere else', async () => {
      const secrets = { TOKEN: 'canary-of-a-secret', OTHER: `it's "$HOME" %h` }
      const { out } = await run('printf "%s\\n" "$TOKEN" "$OTHER"; sleep 0.2', 'node1', { secrets })
      expect(out).toBe(`canary-of-a-secret\n${secrets.OTHER}\n`)
      const places =
        '/run/hakuriver /run/hakuriver-runner /run/systemd/transient /var/lib/hakuriver /var/log/journal'
      expect(await sh('node1', `grep -rl canary-of-a-secret ${places} 2>/dev/null || :`)).toBe('')
    })

    it('have limits, and are ended by them', async () => {
      const hog = 'exec tail -c 200000000 /dev/zero | tail -c 200000000 > /dev/null'
      expect((await run(hog, 'node2', { memoryBytes: 32 * MiB })).task).toMatchObject({
        status: 'killed_oom',
      })
      expect((await run('sleep 60', 'node1', { timeoutMs: 300 })).task).toMatchObject({ status: 'timed_out' })
      expect((await run('exit 7')).task).toMatchObject({ status: 'failed', exitCode: 7 })
    })

    it('are killed with all that is theirs', async () => {
      const stubborn =
        'trap "" TERM; setsid sh -c "trap : TERM; while :; do sleep 1; done" & while :; do sleep 1; done'
      const id = await api.submit(shell(stubborn), 'node1')
      await api.reached(id, 'running')
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, 30_000)).toMatchObject({ status: 'killed' })
    })

    it('write logs that only root writes and the runner reads, cut at the limit', async () => {
      const { task, out } = await run('head -c 300000 /dev/zero | tr "\\0" x', 'node2')
      expect(out).toContain('xxxx')
      const path = `/var/lib/hakuriver-launcher/logs/task_outputs/${task.id}.out`
      expect(await sh('node2', `stat -c '%a %U %G' ${path}`)).toBe('640 root hakuriver\n')
      expect(Number(await sh('node2', `stat -c %s ${path}`))).toBeLessThan(110_000)
      expect(task.reason ?? '').toContain('was cut at the limit')
      expect(await sh('node2', `stat -c '%a %U %G' /var/lib/hakuriver-launcher/logs/task_outputs`)).toBe(
        '750 root hakuriver\n',
      )
    })

    it('run under a lease, which ends them', async () => {
      const id = await api.submit({ ...shell('sleep 600'), requeue: 1 }, 'node2')
      await api.reached(id, 'running')
      const timers = await sh('node2', "systemctl list-timers --all --no-legend 'hakuriver-lease-*'")
      expect(timers).toContain('hakuriver-lease-')
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, 30_000)).toMatchObject({ status: 'killed' })
    })

    it('reach nothing of what is around them', async () => {
      const tries = [
        ...[
          '/var/lib/hakuriver',
          '/var/lib/hakuriver/admin-token',
          '/var/lib/hakuriver/runner',
          '/etc/hakuriver',
        ],
        ...['/var/lib/hakuriver-launcher', '/var/lib/hakuriver-launcher/logs', '/run/hakuriver/launcher'],
        ...['/run/hakuriver-runner', '/run/systemd/private'],
      ].map(
        (path) =>
          `ls ${path} >/dev/null 2>&1 && cat ${path} >/dev/null 2>&1 && echo reads ${path}; ls ${path}/ >/dev/null 2>&1 && echo lists ${path}`,
      )
      const connect = (path: string) =>
        `/opt/node/bin/node -e 'require("net").connect(process.argv[1]).on("connect", () => { console.log("connects"); process.exit() }).on("error", (e) => { console.log(e.code); process.exit() })' ${path}`
      const without = `NODE_TLS_REJECT_UNAUTHORIZED=0 NODE_NO_WARNINGS=1 /opt/node/bin/node -e 'fetch("https://${address}:8000/api/v1/tasks").then((r) => console.log(r.status))'`
      const script = [
        ...tries,
        connect('/run/hakuriver/launcher.sock'),
        connect('/run/systemd/private'),
        'ls /run/hakuriver/tasks',
        without,
      ].join('\n')
      expect((await run(script)).out.split('\n')).toEqual(['EACCES', 'EACCES', '401', ''])
    })

    const mapped = async (line: string) => {
      await sh('node2', `sed -i 's/^[a-z]* = "[a-z]*" # mapped/${line} # mapped/' /etc/hakuriver/config.toml`)
      await sh('node2', 'systemctl restart hakuriver-runner')
      await online('node2')
    }

    it('see nothing of those of another local user', async () => {
      const other = await api.submit({ ...shell('sleep 600'), env: { SECRET: 'of another' } }, 'node2')
      await api.reached(other, 'running')
      await mapped('admin = "keeper"')
      // the mark of the runner in its own unit's name leads it to the script of the other
      const mark = "sed -n 's/.*-\\([0-9a-z]*\\)[.]service$/\\1/p' /proc/self/cgroup | head -n 1"
      const dir = `/run/hakuriver/tasks/${other}-1-$(${mark})`
      const environs = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep '^SECRET='"
      const { out, err } = await run(
        `id -un; cat ${dir}/run.sh; ls ${dir}; ls /run/hakuriver/tasks; ${environs}`,
        'node2',
      )
      expect(out).toBe('keeper\n')
      expect(err.match(/Permission denied/g)).toHaveLength(3)
      expect(err).toMatch(new RegExp(`/${other}-1-[0-9a-z]{8}/run.sh: Permission denied`))
      await mapped('admin = "worker"')
      await api.client.killTask({ params: { id: other }, body: {} })
    })

    it('of an owner whom the node does not map are refused, and of none are root but by name', async () => {
      await mapped('alice = "worker"')
      expect((await run('id -un', 'node2')).task).toMatchObject({
        status: 'failed',
        startedAt: null,
        reason: 'node2 runs nothing of admin: add `admin = "…"` to [users] in its configuration',
      })
      await mapped('admin = "hakuriver"')
      expect((await run('id -un', 'node2')).task.reason).toContain("its runner's own user")
      await mapped('admin = "root"')
      expect((await run('id -un', 'node2')).out).toBe('root\n')
      await mapped('admin = "worker"')
      expect((await run('id -un', 'node2')).out).toBe('worker\n')
    })
  })

  describe('what else asks the launcher', () => {
    const asker =
      'const s = require("net").connect("/run/hakuriver/launcher.sock"); s.on("connect", () => s.write(JSON.stringify({ n: 1, op: "open", version: 1 }) + "\\n")); s.on("data", (d) => { console.log("answer " + d); process.exit() }); s.on("close", () => { console.log("hung up"); process.exit() }); s.on("error", (e) => { console.log(e.code === "EACCES" ? "EACCES" : "hung up"); process.exit() })'
    const ask = async (user: string) => {
      const words = ['/opt/node/bin/node', '-e', asker]
      const { stdout } = await lab.exec('node1', words, user === 'root' ? {} : { user })
      return stdout.trim()
    }

    it('is refused: other users by the socket, a second runner by systemd', async () => {
      expect(await ask('worker')).toBe('EACCES')
      expect(await ask('hakuriver')).toBe('hung up')
    })

    it('is refused also as root, and as another of the group, where the runner is away', async () => {
      await sh('node1', 'systemctl stop hakuriver-runner')
      await sh('node1', 'usermod -aG hakuriver keeper')
      for (const user of ['root', 'keeper']) expect([user, await ask(user)]).toEqual([user, 'hung up'])
      const told = await sh('node1', "journalctl -u 'hakuriver-launcher@*' --output cat --no-pager")
      expect(told).toContain('only hakuriver may ask the launcher')
      expect(await ask('hakuriver')).toContain('through the launcher')
      await sh('node1', 'systemctl start hakuriver-runner')
      await online('node1')
    })

    it('a configuration that others could write is believed by nobody', async () => {
      await sh('node1', 'systemctl stop hakuriver-runner; chmod o+w /etc/hakuriver')
      expect(await ask('hakuriver')).toBe('hung up')
      const told = await sh('node1', "journalctl -u 'hakuriver-launcher@*' --output cat --no-pager -n 20")
      expect(told).toContain('others than root can change /etc/hakuriver')
      await sh('node1', 'chmod o-w /etc/hakuriver; systemctl start hakuriver-runner')
      await online('node1')
    })
  })

  describe('over failures', () => {
    it('tasks go on when the runner is started anew, also those that end meanwhile', async () => {
      const going = await api.submit(shell('sleep 4; echo done'), 'node2')
      const short = await api.submit(shell('sleep 1; exit 3'), 'node2')
      await api.reached(going, 'running')
      await api.reached(short, 'running')
      await sh('node2', 'systemctl stop hakuriver-runner; sleep 1.5; systemctl start hakuriver-runner')
      expect(await api.ended(short, 30_000)).toMatchObject({ status: 'failed', exitCode: 3 })
      expect(await api.ended(going, 30_000)).toMatchObject({ status: 'completed', exitCode: 0, attempt: 1 })
      expect(await api.log(going)).toBe('done\n')
    })

    it('tasks go on when the launcher is killed, again and again while they start', async () => {
      const kill = () => sh('node2', "systemctl kill --signal=SIGKILL 'hakuriver-launcher@*' || :")
      const ids: string[] = []
      for (let round = 0; round < 6; round += 1) {
        ids.push(
          ...(await api.submitAll(
            Array.from({ length: 3 }, () => shell('sleep 1; exit 5')),
            ['node2'],
          )),
        )
        await kill()
      }
      for (const id of ids)
        expect(await api.ended(id, 60_000)).toMatchObject({ status: 'failed', exitCode: 5, attempt: 1 })
    }, 120_000)

    it('tasks go on when the host is killed, and the runner', async () => {
      const going = await api.submit(shell('sleep 5; echo done'), 'node1')
      await api.reached(going, 'running')
      for (const unit of ['hakuriver-host', 'hakuriver-runner'])
        await sh('node1', `kill -9 ${await pidOf('node1', unit)}`)
      await online('node1', 'node2')
      expect(await api.ended(going, 40_000)).toMatchObject({ status: 'completed', exitCode: 0 })
      expect(await api.log(going)).toBe('done\n')
    })

    it('they are there again after the power was cut, and what ran is told as lost', async () => {
      const lost = await api.submit(shell('sleep 600'), 'node2')
      await api.reached(lost, 'running')
      await lab.off('node2')
      await lab.boot('node2')
      expect(await api.ended(lost, 60_000)).toMatchObject({ status: 'lost' })
      await online('node2')
      expect((await run('echo again', 'node2')).out).toBe('again\n')
    }, 120_000)

    it('nothing of tasks that have ended is left', async () => {
      const left = await waitFor(
        'all is tidy',
        async () => {
          const units = await sh('node1', "systemctl list-units --all --plain --no-legend 'hakuriver-task-*'")
          const files = await sh(
            'node1',
            'ls /run/hakuriver/launcher /run/hakuriver/tasks | grep -E "^[0-9]+-" || :',
          )
          return units.trim() === '' && files.trim() === '' && 'tidy'
        },
        deadline,
      )
      expect(left).toBe('tidy')
    })
  })

  it('is not installed where others could change what root would run', async () => {
    await sh(
      'node2',
      'cp -r /etc/hakuriver/config.toml /home/worker/c.toml; chown worker /home/worker/c.toml; chmod 755 /home/worker',
    )
    const words = `${hakuriver} init service --runner --install --config /home/worker/c.toml`
    expect(await lab.exec('node2', ['sh', '-c', words])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('others can change'),
    })
    const hidden = `mkdir -m 700 /root/hr; cp /etc/hakuriver/config.toml /root/hr; ${hakuriver} init service --host --install --config /root/hr/config.toml`
    expect(await lab.exec('node2', ['sh', '-c', hidden])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('cannot read /root/hr/config.toml'),
    })
  })
})
