import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { logPath } from '../platform/log-paths.ts'
import { waitFor } from '../platform/wait.ts'
import type { FromHost } from '../protocol/link.ts'
import type { LogLines } from '../protocol/schemas.ts'
import { TestHost, type TestRunner } from './host.suite.ts'

let host: TestHost
afterEach(() => host.close())

type Lines = Parameters<TestHost['client']['readLogLines']>[0]['query']
type Search = Parameters<TestHost['client']['searchLog']>[0]['query']
const lines = (id: string, query: Lines) =>
  host.client.readLogLines({ params: { id, stream: 'stdout' }, query })
const search = (id: string, query: Search) =>
  host.client.searchLog({ params: { id, stream: 'stdout' }, query })
const texts = ({ items }: { items: { text: string }[] }) => items.map(({ text }) => text)

const submit = async () => {
  const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
  return tasks[0]?.taskId ?? ''
}

const download = (id: string, query = '') =>
  fetch(`${host.host.url}/api/v1/tasks/${id}/logs/stdout?download=true${query}`, {
    headers: { authorization: `Bearer ${host.token('admin')}` },
  })

async function shared() {
  host = await TestHost.start()
  const sharedDir = join(host.dir, 'shared')
  await host.restart('--shared-dir', sharedDir)
  const runner = await host.link()
  const id = await submit()
  await runner.heard('start')
  const path = logPath(sharedDir, 'stdout', Number(id))
  mkdirSync(dirname(path), { recursive: true })
  const end = async () => {
    runner.exited(id)
    await runner.heard('ack')
  }
  return { runner, id, path, end }
}

type LogRead = Extract<FromHost, { type: 'log_read' }>

/** Answers every log read as a runner does that has this log, which does not grow. */
function serve(runner: TestRunner, log: Buffer, isEnded = () => true): void {
  runner.socket.on('message', (text) => {
    const message = JSON.parse(String(text)) as FromHost
    if (message.type !== 'log_read') return
    const { requestId, offset, limit } = message as LogRead
    const data = log.subarray(offset, offset + limit)
    const size = log.length
    const ended = isEnded() && offset + data.length >= size
    runner.send({
      type: 'log_chunk',
      requestId,
      offset,
      size,
      data: data.toString('base64'),
      ended,
      error: null,
    })
  })
}

const many = (count: number) => Array.from({ length: count }, (_, at) => `line ${at + 1}\n`).join('')

describe('lines of a log in the shared directory', () => {
  it('are read from any place while it grows, and searched', async () => {
    const { id, path, end } = await shared()
    writeFileSync(path, many(10_000))
    const first = await lines(id, { from: 5_000, count: 2 })
    expect(first).toMatchObject({ firstLine: 5_000, isEnded: false, missingBytes: 0 })
    expect(texts(first)).toEqual(['line 5000', 'line 5001'])
    const last = await lines(id, { tail: true, count: 1 })
    expect(last).toMatchObject({ items: [{ text: 'line 10000' }], firstLine: 10_000, lineCount: 10_000 })
    const following = lines(id, { offset: last.nextOffset, seen: last.size, waitMs: 9_000 })
    writeFileSync(path, 'more', { flag: 'a' })
    const more = await following
    expect([texts(more), more.firstLine, more.nextOffset]).toEqual([['more'], 10_001, last.size])
    const found = await search(id, { q: 'LINE 9999' })
    expect(found).toMatchObject({ items: [{ line: 9_999, text: 'line 9999' }], next: null, size: more.size })
    expect((await search(id, { q: 'LINE', matchCase: true })).items).toEqual([])
    const atTheEnd = lines(id, { offset: more.nextOffset, seen: more.size, waitMs: 9_000 })
    await end()
    expect(await atTheEnd).toMatchObject({ isEnded: true, nextOffset: more.size })
  })

  it('are cut where the log was', async () => {
    const { id, path } = await shared()
    writeFileSync(path, 'one\ntwo\nthree\n')
    writeFileSync(`${path}.cut`, '8 1000\n')
    const page = await lines(id, {})
    expect([texts(page), page.size, page.missingBytes]).toEqual([['one', 'two'], 8, 1_000])
  })

  it('are refused at two places, of no task, and over a line break', async () => {
    const { id } = await shared()
    await expect(lines(id, { from: 1, tail: true })).rejects.toMatchObject({ code: 'invalid_request' })
    await expect(lines('99999', {})).rejects.toMatchObject({ code: 'not_found' })
    await expect(search('99999', { q: 'a' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(search(id, { q: 'a\nb' })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('that nobody waits for any more are not read', async () => {
    const { id, path } = await shared()
    writeFileSync(path, 'a')
    const gone = new AbortController()
    const url = `${host.host.url}/api/v1/tasks/${id}/logs/stdout/lines?offset=0&seen=1&waitMs=25000`
    const headers = { authorization: `Bearer ${host.token('admin')}` }
    const waiting = fetch(url, { headers, signal: gone.signal })
    const aborted = expect(waiting).rejects.toThrow('abort')
    await expect(lines(id, { tail: true })).resolves.toMatchObject({ items: [{ text: 'a' }] })
    gone.abort()
    await aborted
    // a host that waited for it would not stop within the time of this test
    await host.restart()
  })
})

describe('lines of a log on a node', () => {
  it('are read through the link, and searched', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    serve(runner, Buffer.from(many(200_000)))
    const last = await lines(id, { tail: true, count: 2 })
    // the host has not heard of the end
    expect([texts(last), last.isEnded]).toEqual([['line 199999', 'line 200000'], false])
    runner.exited(id)
    await runner.heard('ack')
    const page = await lines(id, { from: 150_000, count: 1 })
    expect(page).toMatchObject({ items: [{ text: 'line 150000' }], firstLine: 150_000, isEnded: true })
    // one call searches for a bounded time: on a busy computer it takes several
    let found = await search(id, { q: 'line 199998' })
    while (found.items.length === 0 && found.next !== null)
      found = await search(id, { q: 'line 199998', offset: found.next })
    expect(found).toMatchObject({ items: [{ text: 'line 199998' }] })
  })

  describe('whose runner tells them itself', () => {
    const empty = {
      items: [],
      firstLine: null,
      nextOffset: 4,
      lineCount: 1,
      countedBytes: 4,
      size: 4,
      missingBytes: 0,
    }
    const one = { ...empty, items: [{ offset: 0, bytes: 3, text: 'one' }], firstLine: 1 }

    async function able() {
      host = await TestHost.start()
      const runner = await host.dial()
      runner.logViews = true
      runner.hello()
      const id = await submit()
      await runner.heard('start')
      const tell = async (count: number, isEnded: boolean, from: Omit<LogLines, 'isEnded'> = one) => {
        const { requestId, query } = await runner.heard('log_lines', count)
        runner.send({ type: 'log_view', requestId, lines: { ...from, isEnded } })
        return query
      }
      return { runner, id, tell }
    }

    it('are asked of it, and searched there', async () => {
      const { runner, id, tell } = await able()
      const reading = lines(id, { from: 1, count: 3 })
      expect(await tell(1, false)).toEqual({ from: 1, count: 3, waitMs: 0 })
      expect(await reading).toEqual({ ...one, isEnded: false })
      const searching = search(id, { q: 'one', matchCase: true })
      const { requestId, query } = await runner.heard('log_search')
      expect(query).toEqual({ q: 'one', matchCase: true })
      const found = { items: [], next: 77, size: 100 }
      runner.send({ type: 'log_view', requestId, search: found })
      expect(await searching).toEqual(found)
      expect(runner.all('log_read')).toEqual([])
      await expect(lines(id, { from: 1, tail: true })).rejects.toMatchObject({ code: 'invalid_request' })
    })

    it('do not end before the host knows that the task has', async () => {
      const { runner, id, tell } = await able()
      const reading = lines(id, { offset: 4, waitMs: 9_000 })
      expect(await tell(1, true, empty)).toMatchObject({ offset: 4 })
      runner.exited(id)
      await tell(2, true, empty)
      expect(await reading).toMatchObject({ isEnded: true, items: [] })
      const again = lines(id, { offset: 0 })
      await tell(3, true)
      expect(await again).toEqual({ ...one, isEnded: true })
    })

    it('that cannot be told are told to be so, and what is not wanted any more is let go', async () => {
      const { runner, id } = await able()
      const failures = [
        { code: 'too_many', wanted: 'too_many' },
        { code: 'internal', wanted: 'unavailable' },
      ]
      for (const [at, { code, wanted }] of failures.entries()) {
        const reading = expect(lines(id, {})).rejects.toMatchObject({ code: wanted })
        const { requestId } = await runner.heard('log_lines', at + 1)
        runner.send({ type: 'log_view', requestId, error: { code, message: 'it cannot' } })
        await reading
      }
      const mixed = expect(lines(id, {})).rejects.toMatchObject({ code: 'unavailable' })
      const asked = await runner.heard('log_lines', 3)
      const chunk = { offset: 0, size: 0, data: '', ended: false, error: null }
      runner.send({ type: 'log_chunk', requestId: asked.requestId, ...chunk })
      await mixed
      const gone = new AbortController()
      const url = `${host.host.url}/api/v1/tasks/${id}/logs/stdout/lines?offset=0&waitMs=25000`
      const headers = { authorization: `Bearer ${host.token('admin')}` }
      const aborted = expect(fetch(url, { headers, signal: gone.signal })).rejects.toThrow('abort')
      const { requestId } = await runner.heard('log_lines', 4)
      gone.abort()
      await aborted
      expect(await runner.heard('log_cancel')).toEqual({ type: 'log_cancel', requestId })
    })
  })

  it('that is away are said to be there', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    runner.cut()
    await waitFor('it is told', async () => {
      const told = await lines(id, { tail: true }).catch((error: unknown) => error)
      return told instanceof Error && 'code' in told && told.code === 'unavailable'
    })
  })
})

describe('a download', () => {
  it('is all that there is when it begins, also of a task that goes on', async () => {
    const { id, path } = await shared()
    const text = many(500_000)
    writeFileSync(path, text)
    const answer = await download(id)
    writeFileSync(path, 'more', { flag: 'a' })
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${id}.out.log"`)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-length')).toBe(String(text.length))
    expect((await answer.text()) === text).toBe(true)
  })

  it('of an empty log is empty', async () => {
    const { id, path } = await shared()
    writeFileSync(path, '')
    const answer = await download(id)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('comes through the link as well', async () => {
    host = await TestHost.start()
    const runner = await host.link()
    const id = await submit()
    await runner.heard('start')
    const text = many(300_000)
    serve(runner, Buffer.from(text), () => false)
    expect((await (await download(id)).text()) === text).toBe(true)
  })

  it('breaks off where the log has become shorter', async () => {
    const { id, path } = await shared()
    writeFileSync(path, many(2_000_000))
    const answer = await download(id)
    writeFileSync(path, 'short')
    await expect(answer.text()).rejects.toThrow()
  })

  it('is not mixed with what reads a part', async () => {
    const { id } = await shared()
    for (const query of ['&follow=true', '&offset=5', '&limit=5'])
      expect((await download(id, query)).status).toBe(400)
  })
})
