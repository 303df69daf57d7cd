import { expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, start, startHost } from './cli.suite.ts'
import { refuse } from './fake-host.suite.ts'

it('prints standard output to ours and standard error to ours, byte for byte', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  host.write('5', 'stdout', bytes)
  host.write('5', 'stderr', 'an error\n')
  const running = start(host, ['logs', '5'])
  expect(await running.ended).toBe(0)
  expect(running.outBytes()).toEqual(Buffer.from(bytes))
  expect(running.err()).toBe('an error\n')
})

it.each([
  [['--stdout'], 'out\n', ''],
  [['--stderr'], '', 'err\n'],
  [['--both'], 'out\n', 'err\n'],
])('with %j', async (options, out, err) => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'out\n')
  host.write('5', 'stderr', 'err\n')
  expect(await run(host, ['logs', ...options, 'last'])).toEqual({ code: 0, out, err })
})

it('reads a log of several reads whole', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const text = '0123456789abcde\n'.repeat(160_000)
  host.write('5', 'stdout', text)
  const { out } = await run(host, ['logs', '--stdout', '5'])
  expect(out.length).toBe(text.length)
  expect(out === text).toBe(true)
})

it.each([
  ['0', ''],
  ['1', 'three\n'],
  ['2', 'two\nthree\n'],
  ['9', 'one\ntwo\nthree\n'],
])('prints the last %s lines', async (lines, expected) => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'one\ntwo\nthree\n')
  expect((await run(host, ['logs', '-n', lines, '5'])).out).toBe(expected)
})

it('prints the last lines of a log that is larger than one look from the end', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', `first\n${'x'.repeat(700_000)}\nlast`)
  expect((await run(host, ['logs', '-n', '3', '5'])).out).toMatch(/^first\nx+\nlast$/)
  expect((await run(host, ['logs', '-n', '1', '5'])).out).toBe('last')
})

it('follows from before the first byte until the task has ended', async () => {
  const host = await startHost()
  host.add({ id: '5', status: 'pending', startedAt: null })
  const running = start(host, ['logs', '-f', '--stdout', '5'])
  await waitFor('a follower', () => host.count('followers') === 1)
  host.write('5', 'stdout', 'one\n')
  await waitFor('the first line', () => running.out() === 'one\n')
  host.write('5', 'stdout', 'two\n')
  host.end('5', { status: 'failed', exitCode: 3 })
  expect(await running.ended).toBe(0)
  expect(running.out()).toBe('one\ntwo\n')
})

it('loses and doubles no byte over connections that break off and a host that restarts', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const running = start(host, ['logs', '-f', '--stdout', '5'])
  let written = ''
  const write = (count: number) => {
    const text = Array.from({ length: count }, (_, index) => `${written.length + index} äöü …\n`).join('')
    written += text
    host.write('5', 'stdout', text)
  }
  for (let round = 0; round < 5; round += 1) {
    await waitFor('a follower', () => host.count('followers') === 1)
    write(200)
    // Some of it may be on the way: that is what a cut is like.
    if (round % 2 === 0) await waitFor('the bytes', () => running.out().length === written.length)
    if (round === 3) {
      await host.stop()
      write(100)
      await host.start()
    } else host.cut()
  }
  await waitFor('a follower', () => host.count('followers') === 1)
  write(10)
  host.end('5', { status: 'completed', exitCode: 0 })
  expect(await running.ended).toBe(0)
  expect(running.out() === written).toBe(true)
  expect(running.err()).toContain('hakuriver: lost the host; trying again …\nhakuriver: the host is back\n')
})

it('goes on after a host that ended the answer in order while the task runs', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'one\n')
  let closes = 0
  host.intercept = ({ path }, response) => {
    if (!path.includes('/logs/') || closes === 1) return false
    closes += 1
    response.writeHead(200).end('one\n')
    return true
  }
  const running = start(host, ['logs', '-f', '--stdout', '5'])
  await waitFor('a follower', () => host.count('followers') === 1)
  host.write('5', 'stdout', 'two\n')
  host.end('5', { status: 'completed', exitCode: 0 })
  expect(await running.ended).toBe(0)
  expect(running.out()).toBe('one\ntwo\n')
})

it('goes on after a host that died before it had answered for the second stream', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  let isHeld = false
  host.intercept = ({ path }) => {
    const isFirst = !isHeld && path.includes('/logs/stderr')
    isHeld ||= isFirst
    return isFirst // and never answered
  }
  const running = start(host, ['logs', '-f', '5'])
  await waitFor('both requests', () => isHeld && host.count('followers') === 1)
  await host.stop()
  host.write('5', 'stdout', 'out\n')
  host.write('5', 'stderr', 'err\n')
  host.end('5', { status: 'completed', exitCode: 0 })
  await host.start()
  expect(await running.ended).toBe(0)
  expect(running.out()).toBe('out\n')
  expect(running.err()).toContain('err\n')
})

it('lets go on Ctrl-C and says that the task goes on', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const running = start(host, ['logs', '-f', '5'])
  await waitFor('followers', () => host.count('followers') === 2)
  running.interrupt()
  expect(await running.ended).toBe(130)
  expect(running.err()).toContain('Let go of task 5: it goes on.')
})

it('lets a terminal see colours, and nothing that could draw on it', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'a\u001b[31mred\u001b[0m \u001b]0;title\u0007\u001b[2J\u001b[1;1Hb\u009b2Jc\n')
  const env = { NO_COLOR: '', FORCE_COLOR: '1' }
  const colored = await run(host, ['logs', '--stdout', '5'], { columns: 80, env })
  expect(colored.out).toBe('a\u001b[31mred\u001b[0m bc\n\u001b[0m')
  const plain = await run(host, ['logs', '--stdout', '5'], { columns: 80 })
  expect(plain.out).toBe('ared bc\n')
})

it.each([
  [['logs', '404'], 3, 'there is no task 404'],
  [['logs', '--json', '5'], 2, 'a log is bytes'],
  [['logs', '-n', '1', '--offset', '2', '5'], 2, '--lines and --offset exclude each other'],
])('refuses %j', async (words, code, sentence) => {
  const host = await startHost()
  host.add({ id: '5' })
  const ran = await run(host, words)
  expect(ran.code).toBe(code)
  expect(ran.err).toContain(sentence)
})

it('waits for a node that is away and names it, unless the task has ended', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'out\n')
  let isAway = true
  host.intercept = ({ path }, response) => {
    if (!isAway || !path.includes('/logs/')) return false
    refuse(response, 'unavailable', 'cannot read the log: it lies on node n2', { node: 'n2' })
    return true
  }
  const running = start(host, ['logs', '-f', '--stdout', '5'])
  await waitFor('the loss to be told', () => running.err().includes('node n2 cannot be reached'))
  isAway = false
  await waitFor('the log', () => running.out() === 'out\n')
  expect(running.err()).toContain('hakuriver: node n2 is back\n')
  host.end('5', { status: 'completed' })
  expect(await running.ended).toBe(0)
  isAway = true
  const ended = await run(host, ['logs', '-f', '5'])
  expect(ended).toMatchObject({ code: 5, err: expect.stringContaining('it lies on node n2') })
})

it('prints the lines that have a text, of all that there is, as the host finds them', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const lines = Array.from({ length: 1_200 }, (_, at) => `line ${at + 1}: an Error\nnothing\n`).join('')
  host.write('5', 'stdout', lines)
  host.write('5', 'stderr', 'ERROR\rof its own\nerror')
  const wanted = lines.replaceAll('nothing\n', '')
  expect(await run(host, ['logs', '--grep', 'error', '5'])).toEqual({
    code: 0,
    out: wanted,
    err: 'ERROR\rof its own\nerror\n',
  })
  const numbered = ['logs', '--grep', 'ERROR', '--match-case', '--line-numbers', '5']
  expect(await run(host, numbered)).toEqual({ code: 0, out: '', err: '1:ERROR\rof its own\n' })
  expect(await run(host, ['logs', '--grep', 'error', '--line-numbers', '--stdout', '5'])).toMatchObject({
    out: expect.stringMatching(/^1:line 1: an Error\n3:line 2: an Error\n.*\n2399:line 1200: an Error\n$/s),
  })
})

it('exits with 1 where no line has the text, and refuses what makes no sense with it', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.write('5', 'stdout', 'one\n')
  expect(await run(host, ['logs', '--grep', 'two', '5'])).toEqual({ code: 1, out: '', err: '' })
  for (const option of [['-f'], ['-n', '3'], ['--offset', '3'], ['--json']])
    expect((await run(host, ['logs', '--grep', 'one', ...option, '5'])).code).toBe(2)
})
