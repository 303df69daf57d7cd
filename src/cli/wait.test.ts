import { constants } from 'node:os'
import { expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, start, startHost } from './cli.suite.ts'
import type { End } from './fake-host.suite.ts'

const ends: [number, End][] = [
  [0, { status: 'completed', exitCode: 0 }],
  [42, { status: 'failed', exitCode: 42 }],
  [255, { status: 'failed', exitCode: 255 }],
  [128 + constants.signals.SIGSEGV, { status: 'failed', signal: 'SIGSEGV' }],
  [1, { status: 'failed', reason: 'cannot start: no such file' }],
  [137, { status: 'killed', signal: 'SIGTERM' }],
  [137, { status: 'killed_oom', signal: 'SIGKILL' }],
  [124, { status: 'timed_out' }],
  [7, { status: 'lost', reason: 'the node was reinstalled' }],
]

it.each(ends)('exits with %i for %j', async (expected, end) => {
  const host = await startHost()
  host.add({ id: '5' })
  host.end('5', end)
  const { code, out } = await run(host, ['wait', '5'])
  expect(code).toBe(expected)
  expect(out).toContain(`5  ${end.status}`)
  expect(await run(host, ['wait', '--exit-status', 'never', '-q', '5'])).toEqual({
    code: 0,
    out: '',
    err: '',
  })
})

it('learns of the end from the event stream, without asking in between', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const running = start(host, ['wait', '5'])
  const looks = () => host.seen.filter(({ path }) => path.endsWith('/tasks/5')).length
  await waitFor('somebody to listen', () => host.count('listeners') > 0)
  // before the stream is opened, and once it is
  await waitFor('the first looks', () => looks() === 2)
  host.end('5', { status: 'failed', exitCode: 9 })
  expect(await running.ended).toBe(9)
  expect(looks()).toBe(3)
})

it('of several tasks exits with 0 only where all completed', async () => {
  const host = await startHost()
  for (const id of ['5', '6']) host.add({ id })
  host.end('5', { status: 'completed', exitCode: 0 })
  host.end('6', { status: 'completed', exitCode: 0 })
  expect((await run(host, ['wait', '5', '6'])).code).toBe(0)
  host.add({ id: '7' })
  host.end('7', { status: 'failed', exitCode: 42 })
  expect((await run(host, ['wait', '--batch', '900'])).code).toBe(1)
})

it('gives up with exit code 6', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const { code, err } = await run(host, ['wait', '--timeout', '50ms', '5'])
  expect(code).toBe(6)
  expect(err).toContain('hakuriver: not ended within the time given: task 5')
})

it('lets go of the task on Ctrl-C', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const running = start(host, ['wait', '5'])
  await waitFor('somebody to listen', () => host.count('listeners') > 0)
  running.interrupt()
  expect(await running.ended).toBe(130)
  expect(running.err()).toContain('Let go of task 5: it goes on.')
})

it('misses no end that came while the host was away', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const running = start(host, ['wait', '5'])
  await waitFor('somebody to listen', () => host.count('listeners') > 0)
  await host.stop()
  await waitFor('the loss to be told', () => running.err().includes('lost the host'))
  host.end('5', { status: 'failed', exitCode: 11 }, false)
  await host.start()
  expect(await running.ended).toBe(11)
  expect(running.err()).toBe('hakuriver: lost the host; trying again …\nhakuriver: the host is back\n')
})

it('resumes the stream after the last event it saw', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.add({ id: '6' })
  const running = start(host, ['wait', '5', '6'])
  await waitFor('somebody to listen', () => host.count('listeners') > 0)
  host.end('5', { status: 'completed', exitCode: 0 })
  await waitFor('the first end to be told', () => running.out().includes('5  completed'))
  host.cut()
  await waitFor('somebody to listen again', () => host.count('listeners') > 0)
  const again = host.seen.filter(({ path }) => path === '/api/v1/events').at(-1)
  expect(again?.headers['last-event-id']).toBe('1')
  host.end('6', { status: 'completed', exitCode: 0 })
  expect(await running.ended).toBe(0)
})

it('prints one line of JSON for each end', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  host.end('5', { status: 'lost' })
  const { code, out } = await run(host, ['wait', '--json', '5'])
  expect(code).toBe(7)
  expect(JSON.parse(out)).toMatchObject({ id: '5', status: 'lost' })
})

it.each([
  [['wait'], 2, 'there is nothing to wait for'],
  [['wait', 'x1'], 2, '"x1" is not the id of a task'],
  [['wait', '404'], 3, 'there is no task 404'],
  [['wait', 'last'], 3, 'there is no task yet'],
])('refuses %j', async (words, code, sentence) => {
  const ran = await run(await startHost(), words)
  expect(ran.code).toBe(code)
  expect(ran.err).toContain(sentence)
})
