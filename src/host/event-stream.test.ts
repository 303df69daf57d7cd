import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { anybody } from './caller.ts'
import { EventHub } from './event-hub.ts'
import { eventStream } from './event-stream.ts'
import { TestHost } from './host.suite.ts'
import type { EventRecord } from './store/rows.ts'
import type { Store } from './store/store.ts'

const nodeEvent = (id: number, reason: string | null = null): EventRecord => ({
  kind: 'node',
  id,
  atMs: 1,
  node: 'n1',
  type: 'a test',
  reason,
})

/** Ids in a text of server-sent events. */
const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

/** One listener of a stream that is served without a network. */
function listen(hub: EventHub, store: Partial<Store>, headers: Record<string, string> = {}) {
  const gone = new AbortController()
  const raw = Object.assign(new PassThrough(), { writeHead() {} })
  raw.on('close', () => gone.abort())
  const reply = { raw, hijack() {} } as unknown as FastifyReply
  const request = { params: {}, query: {}, headers, caller: anybody, signal: gone.signal }
  const handled = eventStream(hub, store as Store).handle(request, reply)
  return { raw, handled, ids: () => idsIn(String(raw.read() ?? '')) }
}

describe('replay and live', () => {
  it('meet without a gap, a doubling or a change of order', async () => {
    const hub = new EventHub()
    const pages = Promise.withResolvers<void>()
    const stored = [1, 2, 3, 4, 5].map((id) => nodeEvent(id))
    const eventsAfter = async (after: number) => {
      await pages.promise
      return stored.filter(({ id }) => id > after)
    }
    const { handled, ids, raw } = listen(hub, { eventsAfter }, { 'last-event-id': '2' })
    hub.publish([nodeEvent(4), nodeEvent(5)]) // in the page as well
    hub.publish([nodeEvent(6)])
    pages.resolve()
    await handled
    hub.publish([nodeEvent(7)])
    expect(ids()).toEqual([3, 4, 5, 6, 7])
    raw.destroy()
  })

  it('go on from a point that a restored backup has not reached yet', async () => {
    const hub = new EventHub()
    const { handled, ids, raw } = listen(hub, { eventsAfter: async () => [] }, { 'last-event-id': '900' })
    await handled
    hub.publish([nodeEvent(41)])
    hub.publish([nodeEvent(42)])
    expect(ids()).toEqual([41, 42])
    raw.destroy()
  })

  it('break off where the store cannot be read', async () => {
    const eventsAfter = () => Promise.reject(new Error('no disk'))
    const { handled, raw } = listen(new EventHub(), { eventsAfter }, { 'last-event-id': '2' })
    await handled
    expect(raw.destroyed).toBe(true)
  })
})

describe('a listener that does not read', () => {
  it('is cut off, and the others go on', async () => {
    const hub = new EventHub()
    const [slow, quick] = [listen(hub, {}), listen(hub, {})]
    const closed = once(slow.raw, 'close')
    const reason = 'x'.repeat(100_000)
    let read = ''
    for (let id = 1; id <= 100; id += 1) {
      hub.publish([nodeEvent(id, reason)])
      await waitFor(
        'it is read',
        () => {
          read += String(quick.raw.read() ?? '')
          return idsIn(read).length === id && read.endsWith('\n\n')
        },
        { everyMs: 0 },
      )
    }
    await closed
    expect([slow.raw.destroyed, quick.raw.destroyed]).toEqual([true, false])
    quick.raw.destroy()
  })

  it('is cut off when too much comes while it is shown the past', async () => {
    const hub = new EventHub()
    const never = new Promise<EventRecord[]>(() => {})
    const { raw } = listen(hub, { eventsAfter: () => never }, { 'last-event-id': '1' })
    for (let i = 0; i < 21; i += 1)
      hub.publish(Array.from({ length: 1_000 }, (_, at) => nodeEvent(i * 1_000 + at + 2)))
    expect(raw.destroyed).toBe(true)
  })
})

describe('over the network', () => {
  let host: TestHost
  afterEach(() => host.close())

  /** Listens until the test ends; the text so far. */
  async function open(query = '', headers: Record<string, string> = {}): Promise<() => string> {
    const answer = await fetch(`${host.host.url}/api/v1/events${query}`, {
      headers: { authorization: `Bearer ${host.token('admin')}`, ...headers },
    })
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    let text = ''
    const read = async () => {
      for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString()
    }
    read().catch(() => {}) // the host cuts it when it stops
    await waitFor('it listens', () => text.includes(': listening'))
    return () => text
  }

  it('everybody gets every event once, in order, from where they asked', async () => {
    host = await TestHost.start()
    const submit = () =>
      host.client.submitBatch({ body: { specs: [{ command: 'true' }], targets: ['any', 'any'] } })
    await submit()
    const fresh = await open()
    const listeners: { from: number; text: () => string }[] = []
    for (let round = 0; round < 10; round += 1) {
      const after = round % 3
      const [text] = await Promise.all([
        round % 2 === 0 ? open(`?after=${after}`) : open('', { 'last-event-id': String(after) }),
        submit(),
      ])
      listeners.push({ from: after, text })
    }
    const all = (await host.store.eventsAfter(0, 1_000)).map(({ id }) => id)
    const last = all.at(-1) ?? 0
    for (const { from, text } of [{ from: 2, text: fresh }, ...listeners]) {
      const ids = await waitFor('it has come to the last', () => {
        const found = idsIn(text())
        return found.includes(last) && found
      })
      expect(ids).toEqual(all.filter((id) => id > from))
    }
  })

  it('resumes over a restart of the host', async () => {
    host = await TestHost.start()
    const submit = () => host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    await submit()
    await host.host.close()
    await host.boot()
    await submit()
    const text = await open('?after=1')
    await waitFor('the second submit', () => idsIn(text()).includes(2))
    expect(idsIn(text())).toEqual([2])
  })
})
