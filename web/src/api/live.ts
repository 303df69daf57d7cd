/**
 * The one live stream of the tab: says what has changed, and which of the answers on the screen have to be asked for
 * again. Nothing is believed from the stream itself but counts and load. A cut leaves everything as it is, with its age.
 */
import type { Query, QueryClient } from '@tanstack/vue-query'
import { computed, reactive, readonly } from 'vue'
import type { StatusCounts } from '../../../src/core/batch.ts'
import type { LiveDigest, LiveHello, LiveLoad } from '../../../src/protocol/live.ts'
import { streamRoutes } from '../../../src/protocol/routes.ts'
import { keys } from './queries.ts'

type Change = (digest: LiveDigest) => void

interface LiveState {
  /** `off`: the tab is hidden or nobody is logged in. */
  link: 'off' | 'connecting' | 'live' | 'cut'
  /** When something last came, by this machine's clock. */
  heardAtMs: number
  /** The host's clock less this machine's. */
  skewMs: number
  counts: StatusCounts | null
  version: string | null
}

const state = reactive<LiveState>({
  link: 'off',
  heardAtMs: Date.now(),
  skewMs: 0,
  counts: null,
  version: null,
})
/** The newest load of each node, by name. */
const loads = reactive(new Map<string, LiveLoad['nodes'][number]>())
const changes = new Set<Change>()

export const live = readonly(state)
export const liveLoads = readonly(loads)
export const isLive = computed(() => state.link === 'live')

/** Calls back for every digest. Returns how to stop that. */
export function onChange(listener: Change): () => void {
  changes.add(listener)
  return () => changes.delete(listener)
}

/** Now, by the host's clock: ages are told by it. */
export function hostNow(): number {
  return Date.now() + state.skewMs
}

/** No answer or sign of life for so long: the stream is as good as cut (the host says something every 10 s). */
const silenceMs = 25_000
const firstPauseMs = 500
const longestPauseMs = 10_000
/** A tab that was hidden for longer than this lets its stream go. */
const hiddenMs = 60_000
/** Answers are asked for again at most so often, however much happens. */
const refreshMs = 400
/** The list of all nodes takes its time where there are thousands: so much more for each, and their load comes by itself. */
const refreshNodeMs = 5

/** Opens the stream and keeps it, for as long as the page lives. */
export function startLive(queries: QueryClient): { restart: () => void; stop: () => void } {
  let source: EventSource | null = null
  let lastId: string | null = null
  let pauseMs = firstPauseMs
  let retry = 0
  let hiddenTimer = 0
  let isWanted = true
  const stale = new Stale(queries)

  const heard = (time?: string) => {
    state.heardAtMs = Date.now()
    if (time !== undefined) state.skewMs = Date.parse(time) - Date.now()
  }
  const close = () => {
    source?.close()
    source = null
    clearTimeout(retry)
  }
  const connect = () => {
    close()
    if (!isWanted || document.hidden) return
    state.link = state.link === 'cut' ? 'cut' : 'connecting'
    const query = new URLSearchParams({ load: 'true', ...(lastId === null ? {} : { after: lastId }) })
    const opened = new EventSource(`${streamRoutes.live.path}?${query}`)
    source = opened
    opened.addEventListener('hello', ({ data }) => {
      const hello = JSON.parse(data) as LiveHello // our own host's words, as are the others
      heard(hello.time)
      state.version = hello.version
      // what was missed before the first connection was asked for at about the same time
      if (state.link === 'cut' || hello.isResync) stale.all()
      state.link = 'live'
      pauseMs = firstPauseMs
    })
    opened.addEventListener('digest', ({ data, lastEventId }) => {
      const digest = JSON.parse(data) as LiveDigest
      if (lastEventId !== '') lastId = lastEventId
      heard(digest.time)
      state.counts = digest.counts as StatusCounts
      stale.digest(digest)
      for (const listener of changes) listener(digest)
    })
    opened.addEventListener('load', ({ data }) => {
      const load = JSON.parse(data) as LiveLoad
      heard(load.time)
      for (const node of load.nodes) loads.set(node.name, node)
    })
    opened.onerror = () => {
      // ours, with a back-off of its own: the browser gives up for good on an answer that is no stream
      close()
      state.link = 'cut'
      // it may be that nobody is logged in any more: a stream does not tell why it was refused
      void queries.invalidateQueries({ queryKey: keys.session })
      retry = window.setTimeout(connect, pauseMs * (0.75 + Math.random() / 2))
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }
  const watch = window.setInterval(() => {
    if (state.link === 'live' && Date.now() - state.heardAtMs > silenceMs) {
      state.link = 'cut'
      connect()
    }
  }, 5_000)
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer)
    if (document.hidden) {
      hiddenTimer = window.setTimeout(() => {
        if (watchers.size > 0) return
        close()
        state.link = 'off'
      }, hiddenMs)
    } else if (source === null && isWanted) {
      // the tab shows what it had, and asks for all of it again
      state.link = 'cut'
      connect()
    }
  })
  window.addEventListener('online', connect)
  connect()
  return {
    restart: () => {
      isWanted = true
      lastId = null
      connect()
    },
    stop: () => {
      isWanted = false
      clearInterval(watch)
      close()
      state.link = 'off'
    },
  }
}

/** Those for whom the stream stays open also while the tab is hidden (notices). */
const watchers = new Set<symbol>()

/** Keeps the stream open in a hidden tab. Returns how to let it go. */
export function keepOpen(): () => void {
  const watcher = Symbol('watcher')
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

/** Marks answers as old, in bursts: many digests become one round of questions. */
class Stale {
  private readonly queries: QueryClient
  private readonly tasks = new Set<string>()
  private readonly batches = new Set<string>()
  private readonly nodes = new Set<string>()
  private readonly again = new Set<readonly unknown[]>()
  private isAll = false
  /** More tasks have changed than were named. */
  private isMany = false
  private nodesAskedMs = 0
  private timer = 0
  private lastMs = 0

  constructor(queries: QueryClient) {
    this.queries = queries
  }

  all(): void {
    this.isAll = true
    this.soon()
  }

  digest(digest: LiveDigest): void {
    for (const { id, batchId, node } of digest.tasks) {
      this.tasks.add(id)
      this.batches.add(batchId)
      if (node !== null) this.nodes.add(node)
    }
    for (const node of digest.nodes) this.nodes.add(node)
    if (digest.hasMore) this.isMany = true
    this.soon()
  }

  private soon(): void {
    if (this.timer !== 0) return
    const waitMs = Math.max(0, this.lastMs + refreshMs - Date.now())
    this.timer = window.setTimeout(() => this.flush(), waitMs)
  }

  private flush(): void {
    this.timer = 0
    this.lastMs = Date.now()
    const again = [...this.again]
    this.again.clear()
    for (const queryKey of again) {
      if (queryKey[0] === keys.nodeLists[0]) this.askNodes()
      else this.ask(queryKey)
    }
    if (this.isAll) this.ask([])
    else if (this.isMany)
      for (const kind of ['tasks', 'task', 'batches', 'batch', 'overview', 'node']) this.ask([kind])
    else {
      if (this.tasks.size > 0) this.ask(keys.taskLists)
      for (const id of this.tasks) this.ask(keys.task(id))
      if (this.batches.size > 0) this.ask(keys.batchLists)
      for (const id of this.batches) this.ask(keys.batch(id))
      if (this.nodes.size > 0 || this.tasks.size > 0) this.ask(keys.overview)
      for (const name of this.nodes) this.ask(keys.node(name))
    }
    if (this.nodes.size > 0 && !this.isAll) this.askNodes()
    this.isAll = false
    this.isMany = false
    this.tasks.clear()
    this.batches.clear()
    this.nodes.clear()
    if (this.again.size > 0) this.soon()
  }

  private askNodes(): void {
    const isSoon = Date.now() - this.nodesAskedMs < refreshNodeMs * loads.size
    if (isSoon) this.again.add(keys.nodeLists)
    else {
      this.nodesAskedMs = Date.now()
      this.ask(keys.nodeLists)
    }
  }

  /** What is under way is not cut off, or over a slow line it would never come: it is asked for again afterwards. */
  private ask(queryKey: readonly unknown[]): void {
    const isUnderWay = ({ state }: Query) => state.fetchStatus === 'fetching'
    const underWay = this.queries.getQueryCache().findAll({ queryKey, predicate: isUnderWay })
    for (const query of underWay) this.again.add(query.queryKey)
    void this.queries.invalidateQueries({ queryKey, predicate: (query) => !isUnderWay(query) })
  }
}
