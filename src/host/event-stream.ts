/** The stream of events: each one, in order, with resume. */
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { streamRoutes } from '../protocol/routes.ts'
import type { EventHub } from './event-hub.ts'
import type { StreamRequest, StreamRoute } from './http.ts'
import { type EventChannel, ListenerLimit, openChannel, resumePoint } from './sse.ts'
import type { EventRecord } from './store/rows.ts'
import type { Store } from './store/store.ts'
import { eventView } from './views.ts'

/** Each listener that comes back has so many in memory until it has read them. */
const replayPage = 250
/** A listener that lets so much pile up is cut off; it comes back and resumes. */
const maxBehind = 20_000
const maxUnsentBytes = 8 * 1024 * 1024
const maxListeners = 1_000

const Query = Type.Object(
  { after: Type.Optional(Type.Integer({ minimum: 0 })) },
  { additionalProperties: false },
)

/** The route. Without a resume point it begins with what comes next. */
export function eventStream(hub: EventHub, store: Store): StreamRoute {
  const listeners = new ListenerLimit(maxListeners, 'the events')
  return {
    path: streamRoutes.events.path,
    access: 'view',
    query: Query,
    handle: async (request, reply) => {
      listeners.take(request.signal)
      await stream(hub, store, request, reply)
    },
  }
}

async function stream(
  hub: EventHub,
  store: Store,
  request: StreamRequest,
  reply: FastifyReply,
): Promise<void> {
  const { signal } = request
  const from = resumePoint(request)
  let behind: EventRecord[] | null = []
  let sentId = from ?? 0
  const channel = openChannel(reply, signal, maxUnsentBytes)
  const send = (events: readonly EventRecord[]) => {
    const fresh = (events[0]?.id ?? 0) > sentId ? events : events.filter(({ id }) => id > sentId)
    sentId = fresh.at(-1)?.id ?? sentId
    if (fresh.length > 0) channel.send(textOf(fresh))
  }
  const stop = hub.subscribe((events) => {
    if (behind === null) send(events)
    else if (behind.length + events.length > maxBehind) channel.cut()
    else behind.push(...events)
  })
  signal.addEventListener('abort', stop)
  try {
    if (from !== null) await replay(store, from, signal, channel, send)
    // nothing behind it: all that comes is new, also where a restored backup has set the ids back
    if (sentId === from) sentId = 0
  } catch {
    channel.cut()
  }
  const missed = behind
  behind = null
  send(missed)
}

const texts = new WeakMap<readonly EventRecord[], Buffer>()

/** Events of one commit as bytes: made once, and in memory once, however many listeners they are on the way to. */
function textOf(events: readonly EventRecord[]): Buffer {
  let text = texts.get(events)
  if (text === undefined) {
    const messages = events.map((event) => `id: ${event.id}\ndata: ${JSON.stringify(eventView(event))}\n\n`)
    text = Buffer.from(messages.join(''))
    texts.set(events, text)
  }
  return text
}

/** What was committed since the resume point; what comes meanwhile is kept by the caller. */
async function replay(
  store: Store,
  from: number,
  signal: AbortSignal,
  channel: EventChannel,
  send: (events: readonly EventRecord[]) => void,
): Promise<void> {
  for (let after = from; !signal.aborted; ) {
    const events = await store.eventsAfter(after, replayPage)
    send(events)
    if (events.length < replayPage) return
    after = events.at(-1)?.id ?? after
    await channel.drained()
  }
}
