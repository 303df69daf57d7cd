import { expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, start, startHost } from './cli.suite.ts'
import type { FakeHost } from './fake-host.suite.ts'

/** A batch of four: one runs, one completed, two did not. */
async function mixedHost(): Promise<FakeHost> {
  const host = await startHost()
  for (const id of ['1', '2', '3', '4']) host.add({ id, arguments: [id] })
  host.end('2', { status: 'completed', exitCode: 0 })
  host.end('3', { status: 'failed', exitCode: 3 })
  host.end('4', { status: 'lost' })
  return host
}

const namedIds = (host: FakeHost) =>
  host.seen.flatMap(({ path, body }) =>
    path === '/api/v1/tasks/rerun' ? (body as { ids: string[] }).ids : [],
  )

it('prints the ids of the new tasks', async () => {
  const host = await mixedHost()
  expect(await run(host, ['rerun', '3', '2', '3'])).toEqual({ code: 0, out: '1001\n1002\n', err: '' })
  expect(namedIds(host)).toEqual(['3', '2'])
  expect((await run(host, ['show', '1001'])).out).toContain('a rerun of task 3')
})

it.each([
  [
    ['rerun', '--batch', '900'],
    ['2', '3', '4'],
  ],
  [
    ['rerun', 'batch:last', '--failed'],
    ['3', '4'],
  ],
  [
    ['batch', 'rerun', '900', '--failed'],
    ['3', '4'],
  ],
  [
    ['rerun', '--batch', '900', 'last'],
    ['4', '2', '3'],
  ],
])('%j names those of a batch that have ended, oldest first', async (words, ids) => {
  const host = await mixedHost()
  expect((await run(host, words)).code).toBe(0)
  expect(namedIds(host)).toEqual(ids)
})

it('tells which were not run again, and ends with their code', async () => {
  const host = await mixedHost()
  expect(await run(host, ['rerun', '3', '1'])).toEqual({
    code: 1,
    out: '1001\n',
    err: 'hakuriver: task 1 was not run again: cannot run task 1 again: it has not ended\n',
  })
  expect((await run(host, ['rerun', '404'])).code).toBe(3)
})

it.each([
  [['rerun'], 2, 'there is nothing to run again'],
  [['rerun', '--failed', '3'], 2, '--failed chooses among the tasks of a batch'],
  [['rerun', 'x'], 2, '"x" is not the id of a task'],
  [['rerun', '--batch', '17'], 3, 'no task of it has ended'],
])('%j is refused: %i', async (words, code, message) => {
  const answer = await run(await mixedHost(), words)
  expect(answer).toMatchObject({ code, out: '' })
  expect(answer.err).toContain(message)
})

it('waits, and ends with the code of the one task', async () => {
  const host = await mixedHost()
  const running = start(host, ['rerun', '3', '--wait'])
  await waitFor('it was made', () => host.tasks.get('1001'))
  host.end('1001', { status: 'failed', exitCode: 7 })
  expect(await running.ended).toBe(7)
  expect(running.out()).toBe('1001\n')
})

it('asks again for the same rerun where the answer was lost', async () => {
  const host = await mixedHost()
  let cuts = 0
  host.intercept = ({ path, body }, _, socket) => {
    if (path !== '/api/v1/tasks/rerun' || cuts === 2) return false
    cuts += 1
    // the first arrives and is carried out: only its answer is lost
    if (cuts === 1) host.rerun(body as Parameters<typeof host.rerun>[0])
    socket.resetAndDestroy()
    return true
  }
  expect(await run(host, ['rerun', '3'])).toMatchObject({ code: 0, out: '1001\n' })
  expect([...host.tasks.keys()]).toEqual(['1', '2', '3', '4', '1001'])
})

it('ps --search lists what was found, as far as it was asked for', async () => {
  const host = await startHost()
  for (const id of ['1', '2', '3']) host.add({ id, arguments: [id === '2' ? 'other' : 'wanted'] })
  expect((await run(host, ['ps', '-q', '--search', 'wanted'])).out).toBe('3\n1\n')
  expect((await run(host, ['ps', '-q', '--search', 'wanted', '-n', '1'])).out).toBe('3\n')
  expect(JSON.parse((await run(host, ['ps', '--search', 'none', '--json'])).out)).toEqual({
    items: [],
    total: null,
  })
})
