import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { logPath } from '../platform/log-paths.ts'
import { waitFor } from '../platform/wait.ts'
import { logHeaders } from '../protocol/routes.ts'
import { TestHost, type TestRunner } from './host.suite.ts'

let host: TestHost
afterEach(() => host.close())

const submit = async () => {
  const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
  return tasks[0]?.taskId ?? ''
}

const open = (id: string, query = '') =>
  fetch(`${host.host.url}/api/v1/tasks/${id}/logs/stdout${query}`, {
    headers: { authorization: `Bearer ${host.token('admin')}` },
  })

/** Reads on its own; `end`: whether the host said that all was sent. */
async function follow(id: string, query = '') {
  const answer = await open(id, `?follow=true${query}`)
  const state: { text: string; end: 'clean' | 'cut' | null } = { text: '', end: null }
  const read = async () => {
    for await (const chunk of answer.body ?? []) state.text += Buffer.from(chunk).toString()
  }
  void read().then(
    () => {
      state.end = 'clean'
    },
    () => {
      state.end = 'cut'
    },
  )
  return state
}

/** Answers the runner's `count`th log read. */
async function answer(
  runner: TestRunner,
  count: number,
  text: string,
  rest: { size?: number; ended?: boolean } = {},
) {
  const { requestId, offset, ...query } = await runner.heard('log_read', count)
  const { size = offset + text.length, ended = false } = rest
  const data = Buffer.from(text).toString('base64')
  runner.send({ type: 'log_chunk', requestId, offset, size, data, ended, error: null })
  return { offset, ...query }
}

describe('a log on a node', () => {
  it('is read through the link, byte by byte', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const reading = open(id, '?offset=3&limit=5')
    const asked = await answer(runner, 1, 'hello', { size: 20 })
    expect(asked).toMatchObject({ taskId: id, attempt: 1, stream: 'stdout', offset: 3, limit: 5, waitMs: 0 })
    const got = await reading
    expect([got.status, await got.text()]).toEqual([200, 'hello'])
    expect(
      [logHeaders.offset, logHeaders.size, logHeaders.ended].map((name) => got.headers.get(name)),
    ).toEqual(['3', '20', 'false'])
  })

  it('is read from its end without asking the link for what it does not know', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const reading = open(id, '?offset=-5')
    await answer(runner, 1, 'x', { size: 20 })
    expect(await answer(runner, 2, 'tail!', { size: 20 })).toMatchObject({ offset: 15 })
    const got = await reading
    expect([got.headers.get(logHeaders.offset), await got.text()]).toEqual(['15', 'tail!'])
    const short = open(id, '?offset=-500')
    await answer(runner, 3, 'x', { size: 20 })
    expect(await answer(runner, 4, 'all of it', { size: 20 })).toMatchObject({ offset: 0 })
    expect((await short).status).toBe(200)
    for (const { offset } of runner.all('log_read')) expect(offset).toBeGreaterThanOrEqual(0)
  })

  it('that cannot be read there is told, and the link goes on', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const reading = open(id, '?offset=-5')
    const { requestId, offset } = await runner.heard('log_read')
    const rest = { size: 0, data: '', ended: false, error: 'ELOOP' }
    runner.send({ type: 'log_chunk', requestId, offset, ...rest })
    expect((await reading).status).toBe(503)
    runner.exited(id)
    await runner.heard('ack')
  })

  it('that is away is said to be', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const asked = open(id)
    await runner.heard('log_read')
    runner.cut()
    expect((await asked).status).toBe(503)
    const got = await open(id)
    expect([got.status, await got.json()]).toMatchObject([503, { message: expect.stringContaining('n1') }])
  })
})

describe('a follow', () => {
  it('begins before the task does, and ends when that is over', async () => {
    host = await TestHost.start()
    const id = await submit()
    const following = await follow(id)
    const runner = await host.link()
    expect(await answer(runner, 1, 'one ')).toMatchObject({ taskId: id, offset: 0 })
    await waitFor('the first bytes', () => following.text === 'one ')
    await runner.heard('log_read', 2)
    runner.exited(id)
    expect(await answer(runner, 2, 'two', { ended: true })).toMatchObject({ offset: 4 })
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: 'one two', end: 'clean' })
  })

  it('of a task that is killed before it was placed ends', async () => {
    host = await TestHost.start()
    const id = await submit()
    const following = await follow(id)
    await host.client.killTask({ params: { id }, body: {} })
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: '', end: 'clean' })
    expect((await open(id)).headers.get(logHeaders.ended)).toBe('true')
  })

  it('does not end because a runner has not got the start yet', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const opening = follow(id)
    await answer(runner, 1, '', { ended: true })
    const following = await opening
    await answer(runner, 2, '', { ended: true })
    await answer(runner, 3, 'late')
    await waitFor('its bytes', () => following.text === 'late')
    await runner.heard('log_read', 4)
    runner.exited(id)
    await runner.heard('ack')
    await answer(runner, 4, '', { ended: true })
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: 'late', end: 'clean' })
  })

  it('that nobody reads any more lets go of its place on the node', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const gone = new AbortController()
    const headers = { authorization: `Bearer ${host.token('admin')}` }
    const url = `${host.host.url}/api/v1/tasks/${id}/logs/stdout?follow=true`
    const opening = fetch(url, { headers, signal: gone.signal })
    await answer(runner, 1, 'some')
    await opening
    const { requestId } = await runner.heard('log_read', 2)
    gone.abort()
    expect(await runner.heard('log_cancel')).toEqual({ type: 'log_cancel', requestId })
  })

  it('breaks off, and does not end, when the link is cut', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const opening = follow(id)
    await answer(runner, 1, 'some')
    const following = await opening
    await runner.heard('log_read', 2)
    runner.cut()
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: 'some', end: 'cut' })
  })
})

describe('a log in the shared directory', () => {
  async function shared() {
    host = await TestHost.start()
    const sharedDir = join(host.dir, 'shared')
    await host.restart('--shared-dir', sharedDir)
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const path = logPath(sharedDir, 'stdout', Number(id))
    mkdirSync(dirname(path), { recursive: true })
    return { runner, id, path }
  }

  it('is read there, also from its end', async () => {
    const { runner, id, path } = await shared()
    writeFileSync(path, '0123456789')
    expect(await (await open(id, '?offset=2&limit=3')).text()).toBe('234')
    expect(await (await open(id, '?offset=-4')).text()).toBe('6789')
    expect(await (await open(id, '?offset=-400')).text()).toBe('0123456789')
    expect(await (await open(id, '?offset=400')).text()).toBe('')
    expect(runner.all('log_read')).toEqual([])
  })

  it('is followed until the task has ended, also one that was truncated', async () => {
    const { runner, id, path } = await shared()
    writeFileSync(path, '0123456789')
    const following = await follow(id)
    await waitFor('the first bytes', () => following.text === '0123456789')
    truncateSync(path, 3)
    writeFileSync(path, 'abc-defghijklm')
    await waitFor('what lies beyond', () => following.text === '0123456789jklm')
    truncateSync(path, 1)
    runner.exited(id)
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: '0123456789jklm', end: 'clean' })
  })

  it('that is empty ends with its task', async () => {
    const { runner, id, path } = await shared()
    writeFileSync(path, '')
    runner.exited(id)
    await runner.heard('ack')
    const got = await open(id)
    expect([got.headers.get(logHeaders.ended), await got.text()]).toEqual(['true', ''])
    const following = await follow(id)
    await waitFor('its end', () => following.end)
    expect(following).toEqual({ text: '', end: 'clean' })
  })

  it('that is not there is asked of its node, which may share no directory', async () => {
    const { runner, id } = await shared()
    runner.exited(id)
    await runner.heard('ack')
    const reading = open(id)
    await answer(runner, 1, 'on the node', { ended: true })
    expect(await (await reading).text()).toBe('on the node')
    runner.cut()
    await waitFor('it is told that the node is away', async () => (await open(id)).status === 503)
  })

  it('is refused where a task has put a link, a pipe or a device in its place, by every way to read it', async () => {
    const { runner, id, path } = await shared()
    runner.exited(id)
    await runner.heard('ack')
    const secret = join(host.dir, 'secret')
    writeFileSync(secret, 'CANARY\n')
    const made: [string, () => unknown][] = [
      ['a symbolic link', () => symlinkSync(secret, path)],
      ['hard links', () => linkSync(secret, path)],
      ['no ordinary file', () => execFileSync('mkfifo', [path])],
      ['no ordinary file', () => mkdirSync(path)],
    ]
    for (const [why, make] of made) {
      make()
      for (const query of [
        '',
        '?follow=true',
        '?download=true',
        '/lines',
        '/lines?tail=true',
        '/search?q=CANARY',
      ]) {
        const got = await open(id, query)
        const text = await got.text()
        expect([got.status, text]).toEqual([403, expect.stringContaining(why)])
        expect(text).not.toContain('CANARY')
      }
      rmSync(path, { recursive: true })
    }
  })

  it('is there also while the task waits for its next attempt', async () => {
    host = await TestHost.start()
    const sharedDir = join(host.dir, 'shared')
    await host.restart('--shared-dir', sharedDir)
    const runner = await host.link()
    const specs = [{ command: 'true', cores: 3, requeue: 1 }]
    const { tasks } = await host.client.submitBatch({ body: { specs } })
    const id = tasks[0]?.taskId ?? ''
    await runner.heard('start')
    const path = logPath(sharedDir, 'stdout', Number(id))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, 'from the first')
    runner.started(id)
    await waitFor('it runs', async () => (await host.client.getTask({ params: { id } })).status === 'running')
    runner.cut()
    // it has rebooted, and comes back too small for it
    await host.link({ bootId: 'boot-2', cores: 1 })
    const isWaiting = async () => (await host.client.getTask({ params: { id } })).status === 'pending'
    await waitFor('it waits', isWaiting)
    expect(await (await open(id)).text()).toBe('from the first')
  })
})
