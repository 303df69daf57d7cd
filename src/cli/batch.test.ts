import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createLineWriter } from '../platform/lines.ts'
import { waitFor } from '../platform/wait.ts'
import { followLogs } from './batch-follower.ts'
import type { LogEntry } from './batch-log.ts'
import { run, start, startHost } from './cli.suite.ts'
import { type FakeHost, refuse } from './fake-host.suite.ts'
import { createHost } from './transport.ts'

const isLog = (path: string) => path.includes('/logs/')

/** A host with a batch of tasks `1` … `count`. */
async function hostWithBatch(
  count: number,
  given: (at: number) => Parameters<FakeHost['add']>[0] | object = () => ({}),
) {
  const host = await startHost()
  for (let at = 1; at <= count; at += 1) host.add({ id: String(at), ...given(at) })
  return host
}

/** The greatest number of log requests that were open at one time. */
function watchOpenLogs(host: FakeHost): () => number {
  let open = 0
  let most = 0
  host.intercept = ({ path }, response) => {
    if (!isLog(path)) return false
    open += 1
    most = Math.max(most, open)
    response.once('close', () => {
      open -= 1
    })
    return false
  }
  return () => most
}

describe('batch logs', () => {
  it('prints task by task, each line behind its task, the two outputs apart', async () => {
    const host = await hostWithBatch(2)
    for (const id of ['1', '2']) host.write(id, 'stdout', `a of ${id}\nb of ${id}`)
    host.write('2', 'stderr', 'oops\n')
    const printed = {
      code: 0,
      out: '1 | a of 1\n1 | b of 1\n2 | a of 2\n2 | b of 2\n',
      err: '2 | oops\n',
    }
    expect(await run(host, ['batch', 'logs', '900'])).toEqual(printed)
    expect(await run(host, ['batch', 'logs', 'last'])).toEqual(printed)
    expect(await run(host, ['logs', 'batch:900'])).toEqual(printed)
    expect(await run(host, ['batch', 'logs', '--stderr', '900'])).toEqual({ ...printed, out: '' })
    expect((await run(host, ['batch', 'logs', '-n', '1', '900'])).out).toBe('1 | b of 1\n2 | b of 2\n')
  })

  it.each([
    [
      'names, where they differ',
      (at: number) => ({ name: `job ${at}`, target: `node${at}` }),
      '9  job 9  | ',
    ],
    ['targets, where the names do not', (at: number) => ({ target: `node${at}` }), '9  node9  | '],
    ['nothing more, where all are the same', () => ({}), '9  | '],
  ])('tells by %s', async (_, given, prefix) => {
    const host = await hostWithBatch(10, given)
    host.write('9', 'stdout', 'x\n')
    expect((await run(host, ['batch', 'logs', '900'])).out).toBe(`${prefix}x\n`)
  })

  it('prints a line of JSON for each line', async () => {
    const host = await hostWithBatch(2)
    host.write('1', 'stdout', 'a "b"\n')
    host.write('2', 'stderr', 'c\n')
    const { out, err } = await run(host, ['batch', 'logs', '--json', '900'])
    expect(err).toBe('')
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { taskId: '1', stream: 'stdout', line: 'a "b"' },
      { taskId: '2', stream: 'stderr', line: 'c' },
    ])
  })

  it('lets no task draw over the name of another on a terminal', async () => {
    const host = await hostWithBatch(2)
    host.write('1', 'stdout', '50 %\r100 %\r\n\u001b[31mred\u001b[2K\r2 | forged\n')
    const { out } = await run(host, ['batch', 'logs', '900'], { columns: 80 })
    expect(out).toBe('1 | 100 %\n1 | 2 | forged\n')
    const colored = { columns: 80, env: { NO_COLOR: '', FORCE_COLOR: '1' } }
    host.write('2', 'stdout', '\u001b[31mred\n')
    expect((await run(host, ['batch', 'logs', '900'], colored)).out).toContain(
      '\u001b[33m2 |\u001b[39m \u001b[31mred\u001b[0m\n',
    )
  })

  it('asks for few logs ahead of the one that it prints', async () => {
    const host = await hostWithBatch(300)
    for (let id = 1; id <= 300; id += 1) host.write(String(id), 'stdout', `of ${id}\n`)
    const asked = new Set<string>()
    const held: ServerResponse[] = []
    host.intercept = ({ path }, response) => {
      if (!isLog(path)) return false
      asked.add(path)
      if (!path.includes('/tasks/1/')) return false
      held.push(response)
      return true
    }
    const running = start(host, ['batch', 'logs', '900'])
    await waitFor('the next ones to be asked for', () => asked.size >= 16)
    // while that comes and goes, any more would have come as well
    await run(host, ['nodes'])
    expect(asked.size).toBe(16)
    expect(running.out()).toBe('')
    for (const response of held) response.end()
    expect(await running.ended).toBe(0)
    expect(running.out().trim().split('\n')).toEqual(
      Array.from({ length: 299 }, (_, at) => `${String(at + 2).padEnd(3)} | of ${at + 2}`),
    )
  })

  it('tells of a log that lies on a node which is away, and goes on with the others', async () => {
    const host = await hostWithBatch(3)
    for (const id of ['1', '2', '3']) host.write(id, 'stdout', `of ${id}\n`)
    host.end('2', { status: 'completed' })
    host.intercept = ({ path }, response) => {
      if (!path.includes('/2/logs/')) return false
      refuse(response, 'unavailable', 'cannot read the log: it lies on node n2', { node: 'n2' })
      return true
    }
    const there = await run(host, ['batch', 'logs', '900'])
    expect(there).toEqual({
      code: 1,
      out: '1 | of 1\n3 | of 3\n',
      err: 'hakuriver: task 2: cannot read the log: it lies on node n2\n',
    })
    host.end('1', { status: 'completed' })
    host.end('3', { status: 'completed' })
    expect(await run(host, ['batch', 'logs', '-f', '900'])).toEqual(there)
  })

  it.each([
    ['batch', 'logs'],
    ['batch', 'logs', '-f'],
  ])('waits for its turn where others read many logs: %s %s %s', async (...words) => {
    const host = await hostWithBatch(2)
    for (const id of ['1', '2']) {
      host.write(id, 'stdout', `of ${id}\n`)
      host.end(id, { status: 'completed' })
    }
    let refusals = 3
    host.intercept = ({ path }, response) => {
      if (!isLog(path) || refusals === 0) return false
      refusals -= 1
      refuse(response, 'too_many', 'too many logs are being read')
      return true
    }
    expect(await run(host, [...words, '900'])).toEqual({ code: 0, out: '1 | of 1\n2 | of 2\n', err: '' })
  })

  it.each([
    [['batch', 'logs', 'x'], 2, '"x" is not the id of a batch'],
    [['batch', 'logs', '77'], 3, 'there is no batch 77'],
    [['logs', '--offset', '1', 'batch:900'], 2, '--offset is for the log of one task'],
  ])('refuses %j', async (words, code, sentence) => {
    const ran = await run(await startHost(), words)
    expect(ran).toMatchObject({ code, out: '', err: expect.stringContaining(sentence) })
  })
})

describe('batch logs --follow', () => {
  it('prints what has ended, then what comes; opens nothing for a task that waits', async () => {
    const host = await hostWithBatch(3)
    host.write('1', 'stdout', 'done\n')
    host.end('1', { status: 'completed', exitCode: 0 })
    host.add({ id: '3', status: 'pending', startedAt: null })
    const running = start(host, ['batch', 'logs', '-f', '900'])
    await waitFor('followers of the one that runs', () => host.count('followers') === 2)
    expect(host.seen.some(({ path }) => path.includes('/3/logs/'))).toBe(false)
    host.write('2', 'stdout', 'half a ')
    host.begin('3')
    await waitFor('followers of both', () => host.count('followers') === 4)
    host.write('3', 'stdout', 'of 3\n')
    await waitFor('the line of 3', () => running.out().includes('3 | of 3\n'))
    host.write('2', 'stdout', 'line\n')
    host.end('2', { status: 'failed', exitCode: 3 })
    host.write('3', 'stderr', 'no line end')
    host.end('3', { status: 'completed', exitCode: 0 })
    expect(await running.ended).toBe(0)
    expect(running.out()).toBe('1 | done\n3 | of 3\n2 | half a line\n')
    expect(running.err()).toBe('3 | no line end\n')
  })

  it('loses and doubles nothing over a host that restarts', async () => {
    const host = await hostWithBatch(3)
    const running = start(host, ['batch', 'logs', '-f', '900'])
    await waitFor('followers', () => host.count('followers') === 6)
    for (const id of ['1', '2', '3']) host.write(id, 'stdout', 'one\nhalf ')
    await waitFor('the first lines', () => running.out().split('\n').length === 4)
    await host.stop()
    for (const id of ['1', '2', '3']) host.write(id, 'stdout', 'line\n')
    host.end('1', { status: 'completed' }, false)
    await waitFor('the loss to be told', () => running.err().includes('lost the host'))
    await host.start()
    await waitFor('followers again', () => host.count('followers') === 4)
    host.end('2', { status: 'completed' })
    host.end('3', { status: 'completed' })
    expect(await running.ended).toBe(0)
    expect(running.out().trim().split('\n').toSorted()).toEqual(
      ['1', '2', '3'].flatMap((id) => [`${id} | half line`, `${id} | one`]),
    )
    expect(running.err()).toBe('hakuriver: lost the host; trying again …\nhakuriver: the host is back\n')
  })

  it('looks at all in turn where more run than it may follow, and follows again when they are fewer', async () => {
    const count = 20
    const host = await hostWithBatch(count)
    const mostOpen = watchOpenLogs(host)
    const printed = new Map<string, string>()
    const crowds: number[] = []
    const entries = Array.from({ length: count }, (_, at): LogEntry => {
      const id = String(at + 1)
      const lines = createLineWriter(
        (line) => Buffer.from(line),
        async (data) => void printed.set(id, (printed.get(id) ?? '') + Buffer.from(data).toString()),
      )
      return { id, status: 'running', streams: [{ stream: 'stdout', lines, at: 0 }] }
    })
    const following = followLogs(entries, {
      host: await createHost(
        { url: host.url, urlFrom: 'here', token: null, ca: () => null, tokenNote: null },
        Date.now,
      ),
      signal: new AbortController().signal,
      batchId: '900',
      tail: 0,
      width: 4,
      revisitMs: 10,
      onFailure: async () => {},
      onLink: async () => {},
      onCrowd: async (running) => void crowds.push(running),
    })
    const writeAll = (text: string) => {
      for (const { id } of entries) host.write(id, 'stdout', text)
    }
    const allHave = (text: string) => entries.every(({ id }) => printed.get(id) === text)
    writeAll('1\n')
    await waitFor('the first round', () => allHave('1'))
    writeAll('2\n')
    await waitFor('another round', () => allHave('12'))
    for (const { id } of entries.slice(3)) host.end(id, { status: 'completed' })
    await waitFor('the rest is followed', () => host.count('followers') === 3)
    writeAll('3\n')
    for (const { id } of entries.slice(0, 3)) host.end(id, { status: 'completed' })
    await following
    for (const { id } of entries.slice(0, 3)) expect(printed.get(id)).toBe('123')
    expect(mostOpen()).toBeLessThanOrEqual(4)
    expect(crowds).toHaveLength(1)
  })

  it('lets go on Ctrl-C and says that the tasks go on', async () => {
    const host = await hostWithBatch(2)
    const running = start(host, ['batch', 'logs', '-f', '900'])
    await waitFor('followers', () => host.count('followers') === 4)
    running.interrupt()
    expect(await running.ended).toBe(130)
    expect(running.err()).toContain('Let go of batch 900: what runs goes on.')
  })

  it('is how submit --follow shows several tasks; it ends with 1 where one of them failed', async () => {
    const host = await startHost()
    const running = start(host, ['submit', '-f', '-t', 'node1', '-t', 'node2', '--', 'job'])
    await waitFor('followers', () => host.count('followers') === 4)
    host.write('1002', 'stdout', 'hello\n')
    host.end('1001', { status: 'completed', exitCode: 0 })
    host.end('1002', { status: 'failed', exitCode: 5 })
    expect(await running.ended).toBe(1)
    expect(running.out()).toBe('1002 node2 | hello\n')
    expect(running.err()).toBe('batch 900\n')
  })
})

describe('batch show, wait and kill', () => {
  const manyTargets = async () => {
    const host = await hostWithBatch(6, (at) => ({ target: at % 2 === 0 ? 'node2:1' : 'node1' }))
    host.end('1', { status: 'completed', exitCode: 0 })
    host.end('2', { status: 'failed', exitCode: 1 })
    host.end('4', { status: 'killed' })
    return host
  }

  it('show tells how far it is, target by target', async () => {
    const { code, out } = await run(await manyTargets(), ['batch', 'show', '900'])
    expect(code).toBe(0)
    expect(out).toContain('6 tasks, submitted')
    expect(out).toContain(': 3 running, 1 completed, 1 failed, 1 killed\n3 of 6 ended\n')
    expect(out).toContain(
      [
        'TARGET   RUNNING  COMPLETED  FAILED  KILLED',
        'node1          2          1       -       -',
        'node2:1        1          -       1       1',
      ].join('\n'),
    )
  })

  it.each([40, 60, 80, 120])('show fits a terminal of %i columns', async (columns) => {
    const { out } = await run(await manyTargets(), ['batch', 'show', '900'], { columns })
    const [, , ...lines] = out.split('\n')
    expect(lines.filter((line) => line.length > columns)).toEqual([])
    expect(out).toMatch(/█+─+ {2}3 of 6 ended/)
    expect(out).toMatch(/^TARGET +(?:RUNNING|STATUS)/m)
  })

  it('show --json has the targets too', async () => {
    const { out } = await run(await manyTargets(), ['batch', 'show', '--json', '900'])
    expect(JSON.parse(out)).toMatchObject({
      id: '900',
      total: 6,
      isFinal: false,
      targets: [
        { target: 'node1', total: 3, counts: { running: 2, completed: 1 } },
        { target: 'node2:1', total: 3, counts: { running: 1, failed: 1, killed: 1 } },
      ],
    })
  })

  it('wait tells each end and where, and counts them', async () => {
    const host = await hostWithBatch(2)
    host.end('1', { status: 'completed', exitCode: 0 })
    host.end('2', { status: 'failed', exitCode: 4 })
    const { code, out, err } = await run(host, ['batch', 'wait', '900'])
    expect(code).toBe(1)
    expect(out.trim().split('\n').toSorted()).toEqual([
      '1  completed  on node1',
      '2  failed  exit 4  on node1',
    ])
    expect(err).toBe('2 tasks: 1 completed, 1 failed\n')
    expect(await run(host, ['batch', 'wait', '-q', '900'])).toEqual({ code: 1, out: '', err: '' })
  })

  it('kill tells what became of each', async () => {
    const host = await hostWithBatch(3)
    host.end('2', { status: 'completed' })
    expect(await run(host, ['batch', 'kill', '900'])).toEqual({
      code: 0,
      out: '1  killing\n3  killing\n',
      err: 'batch 900: asked for the end of 2 tasks, 1 task had ended already\n',
    })
  })
})
