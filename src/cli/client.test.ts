import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, runAlone, start, startHost, temporaryFile, testIo } from './cli.suite.ts'
import { nodeOf } from './fake-host.suite.ts'

const client = (host: Parameters<typeof run>[0], ...words: string[]) => run(host, ['client', ...words])

describe('hakuriver.client', () => {
  it('submits as the original does: everything before -- is for it, everything after is the command', async () => {
    const host = await startHost()
    const targets = ['--target', 'node1:0', '--target=node2']
    const limits = ['--cores', '4', '--memory', '1G', '--env', 'P=1', '--private-network', '--private-pid']
    const { code, out } = await client(host, ...targets, ...limits, '--', 'job', '--cores', '9', '--wait')
    expect({ code, out }).toEqual({ code: 0, out: '1001\n1002\n' })
    expect(host.submitBodies()[0]).toMatchObject({
      targets: ['node1:0', 'node2'],
      specs: [
        {
          command: 'job',
          arguments: ['--cores', '9', '--wait'],
          cores: 4,
          memoryBytes: 1024 ** 3,
          env: { P: '1' },
          privateNetwork: true,
          privatePids: true,
        },
      ],
    })
    expect(host.submitBodies()[0]).not.toHaveProperty('allOrNothing')
  })

  it('takes a command without -- as well, and any node without --target', async () => {
    const host = await startHost()
    expect((await client(host, 'echo', '--health')).code).toBe(0)
    expect(host.submitBodies()[0]).toMatchObject({ specs: [{ command: 'echo', arguments: ['--health'] }] })
    expect(host.submitBodies()[0]).not.toHaveProperty('targets')
  })

  it('hands --all-or-nothing on', async () => {
    const host = await startHost()
    await client(host, '--all-or-nothing', '--target', 'node1', '--', 'true')
    expect(host.submitBodies()[0]).toMatchObject({ allOrNothing: true })
  })

  it.each([
    ['--list-nodes', ['nodes']],
    ['--health=node1', ['node', 'node1']],
    ['--status=1001', ['show', '1001']],
  ])('%s prints what its command prints', async (flag, words) => {
    const host = await startHost()
    host.nodes.push(nodeOf({ name: 'node1' }), nodeOf({ name: 'node2' }))
    await run(host, ['submit', '--', 'true'])
    const [mine, theirs] = [await client(host, flag), await run(host, words)]
    expect(mine).toEqual(theirs)
    expect(mine.code).toBe(0)
    const json = await client(host, flag, '--json')
    expect(JSON.parse(json.out)).toEqual(JSON.parse((await run(host, [...words, '--json'])).out))
  })

  it('--health alone tells of every node', async () => {
    const host = await startHost()
    host.nodes.push(nodeOf({ name: 'node1' }), nodeOf({ name: 'node2' }))
    const { code, out } = await client(host, '--health')
    expect(code).toBe(0)
    expect(out).toMatch(/^node1 [\s\S]*\n\nnode2 /)
  })

  it.each([
    [['--status', '99'], 3, 'there is no task 99'],
    [['--kill', '99'], 3, 'there is no task 99'],
    [['--health', 'node9'], 3, 'node9'],
    [['--status', '1', '--kill', '1'], 2, '--status and --kill exclude each other'],
    [['--target', 'node1', '--health'], 2, 'hakuriver.client --health node1'],
    [['--status', '1', '--wait'], 2, 'hakuriver wait ID'],
    [['--list-nodes', '--cores', '2'], 2, '--cores is for a submit, and --list-nodes submits nothing'],
    [['--list-nodes', '--', 'true'], 2, '--list-nodes and a command'],
    [['--target', 'node1'], 2, 'no command'],
    [['--cores', '0', '--', 'true'], 2, 'whole number'],
    [['--memory', '1X', '--', 'true'], 2, '1X'],
    [['--poll-interval', 'x', '--', 'true'], 2, 'whole number'],
    [['--list-node'], 2, '--list-nodes'],
  ])('%j ends with %i and says why', async (words, code, why) => {
    const host = await startHost()
    const ran = await client(host, ...words)
    expect(ran).toMatchObject({ code, out: '', err: expect.stringContaining(why) })
  })

  it('is found behind an option of every command too', async () => {
    const host = await startHost()
    host.nodes.push(nodeOf({ name: 'node1' }))
    const ran = await run(host, ['--no-color', 'client', '--list-nodes'])
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('node1') })
  })

  it.each(['--list-nodes', '--health'])('%s fits a terminal of 40 columns', async (flag) => {
    const host = await startHost()
    const held = { coresAllocated: 1, coresFree: 2, memoryAllocatedBytes: 0, memoryFreeBytes: 64 * 1024 ** 3 }
    const numaNode = { ...held, cpuPercent: 5, memoryUsedBytes: 0 }
    const numaNodes = [0, 1].map((id) => ({
      ...numaNode,
      id,
      cpus: [4 * id, 4 * id + 1, 4 * id + 3],
      memoryBytes: 64 * 1024 ** 3,
      distances: { 0: id === 0 ? 10 : 21, 1: id === 1 ? 10 : 21 },
    }))
    host.nodes.push(nodeOf({ name: 'node1', numaNodes }))
    const wide = await client(host, flag)
    if (flag === '--health') {
      expect(wide.out).toMatch(/NUMA NODE +CORES +MEMORY +FREE +BUSY +CPUS +DISTANCES/)
      expect(wide.out).toMatch(/node1:1 +1\/3 +0 B\/64 GiB +2, 64 GiB +5 % +4-5,7 +21 10\n/)
    } else expect(wide.out).toMatch(/node1 .* 0-1 /)
    const narrow = await run(host, ['client', flag], { columns: 40 })
    const table = narrow.out.split('\n').filter((line) => /^(NODE|NUMA|node1)/.test(line))
    expect(table.length).toBeGreaterThan(1)
    expect(table.filter((line) => line.length > 40)).toEqual([])
  })

  it('--kill may wait until nothing is left', async () => {
    const host = await startHost()
    host.add({ id: '7' })
    const running = start(host, ['client', '--kill', '7', '--wait'])
    await waitFor('the kill', () => host.tasks.get('7')?.status === 'killing')
    host.end('7', { status: 'killed' })
    expect(await running.ended).toBe(0)
    expect(running.out()).toContain('7  killed')
  })

  it('--config names the file that knows the host, and one that is not there is told', async () => {
    const host = await startHost()
    const port = new URL(host.url).port
    const path = temporaryFile(`[network]\nhost_reachable_address = "127.0.0.1"\nhost_port = ${port}\n`)
    const test = testIo({ env: { HAKURIVER_TOKEN: 'secret' } })
    // of a host of this machine, which is not the one that was named
    writeFileSync(join(test.home, 'host.json'), JSON.stringify({ url: 'http://127.0.0.1:1', pid: 1 }))
    expect(await runAlone(['client', '--config', path, '--list-nodes'], test)).toMatchObject({ code: 0 })
    const missing = await runAlone(['client', '--config', '/nowhere', '--list-nodes'], testIo())
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('/nowhere') })
  })
})
