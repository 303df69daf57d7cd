/** The live event stream: server-sent events (html.spec.whatwg.org, "server-sent events") with resume. */
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../core/errors.ts'
import { streamRoutes } from '../protocol/routes.ts'
import type { EventHub } from './event-hub.ts'
import type { StreamRequest, StreamRoute } from './http.ts'
import type { EventRecord } from './store/rows.ts'
import type { Store } from './store/store.ts'
import { eventView } from './views.ts'

const keepAliveMs = 10_000
const replayPage = 1_000
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
  let listeners = 0
  return {
    path: streamRoutes.events.path,
    access: 'view',
    query: Query,
    handle: async (request, reply) => {
      if (listeners >= maxListeners)
        throw new AppError('too_many', 'too many listen to the events: try again later')
      listeners += 1
      request.signal.addEventListener('abort', () => {
        listeners -= 1
      })
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
  const { raw } = reply
  const cut = () => raw.destroy()
  const send = (events: readonly EventRecord[]) => {
    const text = events.flatMap((event) => {
      if (event.id <= sentId) return []
      sentId = event.id
      return [`id: ${event.id}\ndata: ${JSON.stringify(eventView(event))}\n\n`]
    })
    if (text.length > 0) raw.write(text.join(''))
    if (raw.writableLength > maxUnsentBytes) cut()
  }
  const stop = hub.subscribe((events) => {
    if (behind === null) send(events)
    else if (behind.length + events.length > maxBehind) cut()
    else behind.push(...events)
  })
  signal.addEventListener('abort', stop)
  reply.hijack()
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  // said at once, so that a listener knows that it will miss nothing from here on
  raw.write(': listening\n\n')
  const alive = setInterval(() => raw.write(': alive\n\n'), keepAliveMs)
  signal.addEventListener('abort', () => clearInterval(alive))
  try {
    if (from !== null) await replay(store, from, signal, raw, send)
    // nothing behind it: all that comes is new, also where a restored backup has set the ids back
    if (sentId === from) sentId = 0
  } catch {
    cut()
  }
  const missed = behind
  behind = null
  send(missed)
}

/** What was committed since the resume point; what comes meanwhile is kept by the caller. */
async function replay(
  store: Store,
  from: number,
  signal: AbortSignal,
  raw: FastifyReply['raw'],
  send: (events: readonly EventRecord[]) => void,
): Promise<void> {
  for (let after = from; !signal.aborted; ) {
    const events = await store.eventsAfter(after, replayPage)
    send(events)
    if (events.length < replayPage) return
    after = events.at(-1)?.id ?? after
    if (raw.writableNeedDrain) await drained(raw, signal)
  }
}

export function drained(raw: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) return resolve()
    raw.once('drain', done)
    signal.addEventListener('abort', done)
  })
}

/** `Last-Event-ID` of a listener that comes back, or `?after=`; null: from now on. */
function resumePoint(request: StreamRequest): number | null {
  const header = request.headers['last-event-id']
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  const { after } = request.query as { after?: number } // checked against Query
  return after ?? null
}
