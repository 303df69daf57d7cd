/**
 * The README's way from nothing to three machines, word for word, on real machines: only what it leaves open (the lines
 * that its commands print) is filled in. The installation itself is not repeated: the checkout lies in its place.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab } from '../lab/lab.ts'
import { describeInLab } from '../lab/require.ts'

const heading = '## Several machines\n'
const nodes = ['node1', 'node2', 'node3']

/** The commands of each block of that section, without their comments. */
function blocks(): string[][] {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const from = text.indexOf(heading)
  const section = text.slice(from, text.indexOf('\n## ', from + heading.length))
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines = '']) =>
    lines
      .split('\n')
      .map((line) => line.replace(/\s{2,}#.*$/, '').trim())
      .filter((line) => line !== ''),
  )
}

describeInLab('the README, read by somebody new', () => {
  const [install = [], onHost = [], onNode = [], asAnn = []] = blocks()
  let lab: Lab
  beforeAll(async () => {
    lab = await Lab.start({ nodes: 3, id: 'walk', net: '10.78.60' })
  })
  afterAll(() => lab?.close())

  /** As it would be typed, in a shell of its own. */
  const type = async (node: string, line: string, user?: string) => {
    const options = { timeoutMs: 90_000, ...(user === undefined ? {} : { user }) }
    const ran = await lab.exec(node, ['sh', '-lc', line], options)
    expect({ ...ran, line }).toMatchObject({ code: 0, line })
    return ran.stdout
  }

  it('counts the commands: three on the host, one on each machine', () => {
    expect(onHost.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'sudo hakuriver init',
      'sudo hakuriver join-token',
      'sudo hakuriver user',
    ])
    expect(onNode).toHaveLength(1)
  })

  it('gets from nothing to a task of a user on three machines over TLS, host and runners without root', async () => {
    for (const node of nodes) await type(node, install.at(-1) ?? '')
    const printed: string[] = []
    for (const line of onHost) printed.push(await type('node1', line))
    const [told = '', joins = '', forAnn = ''] = printed
    expect(told).toContain('The host answers at https://')
    const lines = joins.match(/sudo hakuriver join '[^']+'/g) ?? []
    expect(lines).toHaveLength(3)
    const [start = ''] = (onNode[0] ?? '').split("'")
    for (const [at, node] of nodes.entries()) {
      expect(lines[at]?.startsWith(start)).toBe(true)
      await type(node, lines[at] ?? '')
    }
    await waitFor(
      'three nodes',
      async () => {
        const { items } = JSON.parse(await type('node1', 'sudo hakuriver nodes --json'))
        return items.filter(({ status }: { status: string }) => status === 'online').length === 3
      },
      { deadlineMs: 40_000 },
    )
    const [login = ''] = forAnn.match(/hakuriver login '[^']+'/) ?? []
    const [asShown = ''] = (asAnn[0] ?? '').split("'")
    expect(login.startsWith(asShown)).toBe(true)
    await type('node2', login, 'worker')
    for (const line of asAnn.slice(1, -1)) await type('node2', line, 'worker')
    expect(await type('node2', asAnn.at(-1) ?? '', 'worker')).toBe('hello\n')
    for (const node of nodes)
      await type('node2', `hakuriver submit --wait -t ${node} -- id -un`, 'worker').then(() =>
        expect(type('node2', 'hakuriver logs last', 'worker')).resolves.toBe('hakuriver-task\n'),
      )
  }, 300_000)

  it('nothing listens on a node but the host, and what the network reaches is not root', async () => {
    const owners = async (node: string) =>
      (await type(node, 'ps -eo user:20=,args= | grep /dist/[a-z]')).trim().split('\n').sort()
    for (const node of nodes) {
      const runner = (await type(node, 'systemctl show -P MainPID hakuriver-runner')).trim()
      expect((await type(node, `ps -o user:20= -p ${runner}`)).trim()).toBe('hakuriver')
      const listening = await type(node, 'ss -Hltn')
      expect(
        listening
          .trim()
          .split('\n')
          .filter((line) => line !== ''),
      ).toHaveLength(node === 'node1' ? 1 : 0)
    }
    expect((await owners('node2')).filter((line) => line.startsWith('root'))).toEqual([
      expect.stringContaining('launcher'),
    ])
  })

  it('a backup goes back into the place of an installed host, as its own user, and nothing of root follows', async () => {
    await type('node1', 'sudo hakuriver backup /root/cluster.db')
    await type('node1', 'sudo systemctl stop hakuriver-host')
    // whoever has become the host's user has left a trap
    await type(
      'node1',
      'ln -s /etc/passwd /var/lib/hakuriver/cluster.db.restoring; cp /etc/passwd /root/passwd',
    )
    const trapped = await lab.exec('node1', ['sh', '-lc', 'sudo hakuriver restore /root/cluster.db'])
    expect({
      ...trapped,
      same: (await type('node1', 'cmp /etc/passwd /root/passwd && echo same')).trim(),
    }).toMatchObject({
      same: 'same',
    })
    await type('node1', 'rm -f /var/lib/hakuriver/cluster.db.restoring')
    expect(await type('node1', 'sudo hakuriver restore /root/cluster.db')).toContain('Restored')
    expect((await type('node1', 'stat -c %U:%a /var/lib/hakuriver/cluster.db')).trim()).toBe('hakuriver:600')
    await type('node1', 'sudo systemctl start hakuriver-host')
    await waitFor(
      'the host is back, with its nodes',
      async () => {
        const { code, stdout } = await lab.exec('node1', ['sh', '-lc', 'sudo hakuriver nodes --json'])
        if (code !== 0) return false
        const { items } = JSON.parse(stdout)
        return items.filter(({ status }: { status: string }) => status === 'online').length === 3
      },
      { deadlineMs: 40_000 },
    )
  }, 120_000)

  it('a line that was used is refused in one sentence, and so is a machine without one', async () => {
    const used = await lab.exec('node3', ['sh', '-lc', "hakuriver join 'https://10.78.60.11:8000#x'"])
    expect(used.code).toBe(2)
    expect(used.stderr.trim().split('\n')[0]).toMatch(/^hakuriver: .*invitation/)
  })
})
