/**
 * The live stream of screens: what has changed is gathered, made into one text, and sent to all who listen, at most
 * twice a second (`protocol/live.ts`).
 */
import { Type } from 'typebox'
import type { Clock } from '../platform/clock.ts'
import { version } from '../platform/version.ts'
import { type LiveDigest, type LiveHello, liveEvents } from '../protocol/live.ts'
import { streamRoutes } from '../protocol/routes.ts'
import type { Cluster } from './cluster.ts'
import type { EventHub } from './event-hub.ts'
import type { StreamRoute } from './http.ts'
import { LiveChanges } from './live-changes.ts'
import { LiveLoads } from './live-load.ts'
import { type EventChannel, ListenerLimit, openChannel, resumePoint } from './sse.ts'
import type { EventRecord } from './store/rows.ts'
import type { Store } from './store/store.ts'
import { instant } from './views.ts'

/** Between two digests. */
const pauseMs = 500
const leastLoadMs = 2_000
/** Events that a listener may have missed; beyond that its screen is asked for again as a whole. */
export const maxMissed = 2_000
/** Digests that wait while a listener is shown what it has missed. */
const maxWaiting = 20
const maxUnsentBytes = 4 * 1024 * 1024
const maxListeners = 1_000

const Query = Type.Object(
  {
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'id of the last digest' })),
    load: Type.Optional(Type.Boolean({ description: 'also what each node does' })),
  },
  { additionalProperties: false },
)

export interface LiveDeps {
  hub: EventHub
  store: Pick<Store, 'eventsAfter' | 'countByStatus' | 'lastIds'>
  cluster: Cluster
  clock: Clock
  heartbeatMs: number
}

interface Listener {
  channel: EventChannel
  /** What comes before it has got its hello; null: it has. */
  waiting: Buffer[] | null
  wantsLoad: boolean
}

export class LiveFeed {
  private readonly deps: LiveDeps
  private readonly loads: LiveLoads
  private readonly listeners = new Set<Listener>()
  private changes = new LiveChanges()
  /** Of the last committed event. */
  private lastId: number
  private counted: { id: number; counts: Promise<LiveDigest['counts']> } | null = null
  private lastSentMs = Number.NEGATIVE_INFINITY
  private isSending = false
  private cancelDigest: (() => void) | null = null
  private cancelLoad: (() => void) | null = null
  private readonly unsubscribe: () => void

  private constructor(deps: LiveDeps, lastId: number) {
    this.deps = deps
    this.lastId = lastId
    this.loads = new LiveLoads(deps.cluster)
    this.unsubscribe = deps.hub.subscribe((events) => this.committed(events))
  }

  static async open(deps: LiveDeps): Promise<LiveFeed> {
    return new LiveFeed(deps, (await deps.store.lastIds()).event)
  }

  close(): void {
    this.unsubscribe()
    this.cancelDigest?.()
    this.cancelLoad?.()
  }

  /** Says hello to a listener, tells what it has missed since `from`, and keeps it until the signal aborts. */
  async join(
    channel: EventChannel,
    signal: AbortSignal,
    { from, wantsLoad }: { from: number | null; wantsLoad: boolean },
  ): Promise<void> {
    const listener: Listener = { channel, waiting: [], wantsLoad: false }
    this.listeners.add(listener)
    signal.addEventListener('abort', () => this.listeners.delete(listener))
    try {
      const lastId = this.lastId
      const missed = from === null ? [] : await this.missedSince(from)
      const changes = new LiveChanges()
      changes.add(missed ?? [])
      const time = instant(this.deps.clock.now())
      const hello: LiveHello = { time, version, isResync: missed === null }
      const digest = await this.digestOf(missed?.at(-1)?.id ?? lastId, changes)
      if (signal.aborted) return
      channel.send(`${messageOf(liveEvents.hello, JSON.stringify(hello))}${digest}`)
      if (wantsLoad) this.showLoad(listener)
      for (const text of listener.waiting ?? []) channel.send(text)
      listener.waiting = null
    } catch {
      // it comes back, and asks again
      channel.cut()
    }
  }

  /** The events behind a resume point; null: too many, or the store does not know that point. */
  private async missedSince(from: number): Promise<EventRecord[] | null> {
    if (from === this.lastId) return []
    const events = await this.deps.store.eventsAfter(Math.max(0, from - 1), maxMissed + 2)
    const isKnown = from === 0 || events[0]?.id === from
    const missed = from === 0 ? events : events.slice(1)
    return isKnown && missed.length <= maxMissed ? missed : null
  }

  private committed(events: readonly EventRecord[]): void {
    this.lastId = events.at(-1)?.id ?? this.lastId
    if (this.listeners.size === 0) return
    this.changes.add(events)
    this.schedule()
  }

  private schedule(): void {
    if (this.cancelDigest !== null || this.isSending) return
    const { clock } = this.deps
    const waitMs = Math.max(0, this.lastSentMs + pauseMs - clock.monotonic())
    this.cancelDigest = clock.after(waitMs, () => {
      this.cancelDigest = null
      void this.sendDigest()
    })
  }

  private async sendDigest(): Promise<void> {
    const { changes } = this
    this.changes = new LiveChanges()
    if (this.listeners.size === 0) return
    this.isSending = true
    try {
      this.sendAll(await this.digestOf(this.lastId, changes), () => true)
    } catch {
      for (const { channel } of this.listeners) channel.cut()
    } finally {
      this.isSending = false
      this.lastSentMs = this.deps.clock.monotonic()
    }
    if (!this.changes.isEmpty) this.schedule()
  }

  private sendAll(text: string, isFor: (listener: Listener) => boolean): void {
    // its bytes are made once, and lie in memory once however many they are on the way to
    const bytes = Buffer.from(text)
    for (const listener of this.listeners) {
      if (!isFor(listener)) continue
      const { channel, waiting } = listener
      if (waiting === null) channel.send(bytes)
      else if (waiting.length < maxWaiting) waiting.push(bytes)
      else channel.cut()
    }
  }

  private async digestOf(id: number, changes: LiveChanges): Promise<string> {
    const counts = await this.counts()
    const digest: LiveDigest = { time: instant(this.deps.clock.now()), ...changes.told(), counts }
    return `id: ${id}\n${messageOf(liveEvents.digest, JSON.stringify(digest))}`
  }

  /** Counted once for each commit that somebody is told of. */
  private counts(): Promise<LiveDigest['counts']> {
    if (this.counted?.id !== this.lastId) {
      const counts = this.deps.store.countByStatus().then((byStatus) => Object.fromEntries(byStatus))
      this.counted = { id: this.lastId, counts }
      counts.catch(() => {
        this.counted = null
      })
    }
    return this.counted.counts
  }

  /** Sends all nodes, and from then on what changes. */
  private showLoad(listener: Listener): void {
    if (this.cancelLoad === null) this.watchLoad()
    listener.channel.send(this.loadText(this.loads.all()))
    listener.wantsLoad = true
  }

  private watchLoad(): void {
    const { clock, heartbeatMs } = this.deps
    const changed = this.loads.look()
    if (changed.length > 0) this.sendAll(this.loadText(changed), ({ wantsLoad }) => wantsLoad)
    this.cancelLoad = clock.after(Math.max(heartbeatMs, leastLoadMs), () => {
      this.cancelLoad = null
      if ([...this.listeners].some(({ wantsLoad }) => wantsLoad)) this.watchLoad()
    })
  }

  private loadText(nodes: readonly string[]): string {
    const time = JSON.stringify(instant(this.deps.clock.now()))
    return messageOf(liveEvents.load, `{"time":${time},"nodes":[${nodes.join(',')}]}`)
  }
}

function messageOf(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`
}

/** The route. */
export function liveRoute(feed: LiveFeed): StreamRoute {
  const limit = new ListenerLimit(maxListeners, 'the live stream')
  return {
    path: streamRoutes.live.path,
    access: 'view',
    query: Query,
    handle: async (request, reply) => {
      const { signal } = request
      limit.take(signal)
      const { load = false } = request.query as { load?: boolean } // checked against Query
      const channel = openChannel(reply, signal, maxUnsentBytes)
      await feed.join(channel, signal, { from: resumePoint(request), wantsLoad: load })
    },
  }
}
