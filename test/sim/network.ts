/**
 * The network between runners and the host: connections that keep their order as TCP does (RFC 9293), over paths that
 * are slow, cut in one direction or both, or reset. What was on its way when a connection broke may be lost from any
 * point on, and what comes late comes also after a newer connection's beginning.
 */
import type { DialEvents, DialOptions, Wire, WireEvents } from '../../src/platform/wire.ts'
import type { Chance, Life, Timeline } from './timeline.ts'

/** The way from a node to the host and back. */
export interface Path {
  isCutToHost: boolean
  isCutToNode: boolean
  /** Longest time that a message takes. */
  latencyMs: number
}

/** Who takes connections in; null: nothing listens. */
export interface Listener {
  life: Life
  take: (connect: (events: WireEvents) => Wire) => void
}

type Item = { kind: 'text'; text: string } | { kind: 'ping' } | { kind: 'pong' } | { kind: 'close' }

/** One direction of a connection. */
interface Flow {
  from: End
  to: End
  path: Path
  isCut: () => boolean
  /** When the last item arrives: what comes behind is not sooner. */
  lastAtMs: number
  waiting: { item: Item; atMs: number }[]
  isMoving: boolean
}

/** One end of a connection as a program has it. */
class End implements Wire {
  readonly life: Life
  events: WireEvents | null = null
  isOpen = true
  isClosed = false
  readonly waitingBytes = 0
  /** null: the dial has not come to an end. */
  out: Flow | null = null
  private readonly net: Network

  constructor(net: Network, life: Life) {
    this.net = net
    this.life = life
  }

  send(text: string): void {
    this.put({ kind: 'text', text })
  }

  ping(): void {
    this.put({ kind: 'ping' })
  }

  close(): void {
    if (this.out === null) return this.cut()
    if (!this.isOpen) return
    this.put({ kind: 'close' })
    this.isOpen = false
  }

  cut(): void {
    if (this.isClosed || !this.life.calls()) return
    if (this.out !== null) this.net.break(this.out, null)
    this.finish(null, 0)
  }

  put(item: Item): void {
    if (this.isOpen && this.out !== null && this.life.calls()) this.net.carry(this.out, item)
  }

  /** Nothing comes here any more. */
  finish(problem: string | null, delayMs: number): void {
    if (this.isClosed) return
    this.isOpen = false
    this.life.after(delayMs, () => {
      if (this.isClosed) return
      this.isClosed = true
      this.events?.onClosed(problem)
    })
  }
}

export class Network {
  readonly paths = new Map<string, Path>()
  listener: Listener | null = null
  /** Told of everything that arrives. */
  onArrival: (what: string) => void = () => {}
  private readonly timeline: Timeline
  private readonly chance: Chance
  private readonly flows = new Map<string, Set<Flow>>()

  constructor(timeline: Timeline, chance: Chance) {
    this.timeline = timeline
    this.chance = chance
  }

  addNode(name: string): Path {
    const path = { isCutToHost: false, isCutToNode: false, latencyMs: 2 }
    this.paths.set(name, path)
    this.flows.set(name, new Set())
    return path
  }

  /** A dial from a node, by a program that lives there. */
  dial(node: string, life: Life, { deadlineMs }: DialOptions, events: DialEvents): Wire {
    const here = new End(this, life)
    here.events = events
    here.isOpen = false
    const path = this.pathOf(node)
    const tryMs = this.chance.between(0.1, path.latencyMs)
    if (!life.calls()) return here
    life.after(path.isCutToHost || path.isCutToNode ? deadlineMs : tryMs, () => {
      const { listener } = this
      if (here.isClosed) return // given up
      if (path.isCutToHost || path.isCutToNode) return failDial(here, events, 'timed out')
      if (listener === null || listener.life.isOver) return failDial(here, events, 'ECONNREFUSED')
      this.connect(node, here, listener, events)
    })
    return here
  }

  /** Breaks every connection of a node, as a firewall or a restarted switch does. */
  reset(node: string): void {
    for (const flow of this.flowsOf(node)) {
      this.lose(flow)
      flow.to.finish('ECONNRESET', 0)
      flow.from.finish('ECONNRESET', 0)
    }
    this.flowsOf(node).clear()
  }

  /** A path works again: what waited goes on. */
  wake(node: string): void {
    for (const flow of this.flowsOf(node)) this.move(flow)
  }

  /** A program is gone; the machine tells its peers, where it still can. */
  endOfLife(life: Life, canTell: boolean): void {
    for (const flows of this.flows.values()) {
      for (const flow of flows) {
        if (flow.from.life !== life) continue
        flow.from.isOpen = false
        flow.from.isClosed = true
        if (canTell) this.break(flow, 'ECONNRESET')
      }
    }
  }

  /** Sends an item on its way. */
  carry(flow: Flow, item: Item): void {
    const { latencyMs } = flow.path
    const atMs = Math.max(flow.lastAtMs, this.timeline.nowMs + this.chance.between(0.05, latencyMs))
    flow.lastAtMs = atMs
    flow.waiting.push({ item, atMs })
    this.move(flow)
  }

  /** The sender's end is gone: what is on its way arrives from here on, or up to some point, and then the break. */
  break(flow: Flow, problem: string | null): void {
    this.lose(flow)
    const { to } = flow
    const tell = () => {
      if (flow.isCut()) {
        // the other end finds out when it sends into the void: as soon as the path is back
        this.timeline.after(200, tell)
        return
      }
      to.finish(problem, 0)
    }
    this.timeline.after(Math.max(0, flow.lastAtMs - this.timeline.nowMs) + 0.1, tell)
  }

  private connect(node: string, here: End, listener: Listener, events: DialEvents): void {
    const path = this.pathOf(node)
    const there = new End(this, listener.life)
    const flow = (from: End, to: End, isCut: () => boolean): Flow => {
      return { from, to, path, isCut, lastAtMs: 0, waiting: [], isMoving: false }
    }
    const up = flow(here, there, () => path.isCutToHost)
    const down = flow(there, here, () => path.isCutToNode)
    here.out = up
    there.out = down
    here.isOpen = true
    const flows = this.flowsOf(node)
    for (const old of flows) if (old.to.isClosed && old.from.isClosed) flows.delete(old)
    flows.add(up).add(down)
    listener.life.after(0, () =>
      listener.take((taken) => {
        there.events = taken
        return there
      }),
    )
    events.onOpen()
  }

  /** Some of what is on its way, from a point on, never arrives. */
  private lose(flow: Flow): void {
    flow.waiting.splice(this.chance.below(flow.waiting.length + 1))
  }

  private move(flow: Flow): void {
    if (flow.isMoving) return
    const first = flow.waiting[0]
    if (first === undefined) return
    flow.isMoving = true
    this.timeline.after(first.atMs - this.timeline.nowMs, () => {
      flow.isMoving = false
      if (flow.isCut()) return // it is sent again until the path is back
      const next = flow.waiting[0]
      if (next === undefined) return
      flow.waiting.shift()
      flow.to.life.run(() => this.arrive(flow, next.item))
      this.move(flow)
    })
  }

  private arrive(flow: Flow, item: Item): void {
    const { to } = flow
    if (to.isClosed || to.events === null) return
    this.onArrival(`${flow.from.life.name} > ${to.life.name} ${item.kind === 'text' ? item.text : item.kind}`)
    switch (item.kind) {
      case 'text':
        return to.events.onText(item.text)
      case 'ping':
        to.put({ kind: 'pong' })
        return to.events.onSign()
      case 'pong':
        return to.events.onSign()
      case 'close':
        // the goodbye is answered, and both ends are done
        to.finish(null, 0)
        flow.from.finish(null, flow.path.latencyMs)
    }
  }

  private pathOf(node: string): Path {
    const path = this.paths.get(node)
    if (path === undefined) throw new Error(`there is no path to ${node}`)
    return path
  }

  private flowsOf(node: string): Set<Flow> {
    const flows = this.flows.get(node)
    if (flows === undefined) throw new Error(`there is no node ${node}`)
    return flows
  }
}

function failDial(here: End, events: DialEvents, problem: string): void {
  events.onProblem(problem)
  here.finish(problem, 0)
}
