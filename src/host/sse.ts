/** What all streams of server-sent events (html.spec.whatwg.org, "server-sent events") have in common. */
import type { FastifyReply } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { StreamRequest } from './http.ts'

const keepAliveMs = 10_000

/** The way to one listener. */
export interface EventChannel {
  /** Sends whole messages, and cuts off a listener that lets too much pile up: it comes back and resumes. */
  send(messages: string | Buffer): void
  cut(): void
  /** Resolves when all that was sent has gone out, or the listener has. */
  drained(): Promise<void>
}

/** Begins the answer. The listener hears at once that it is heard, and then every ten seconds. */
export function openChannel(reply: FastifyReply, signal: AbortSignal, maxUnsentBytes: number): EventChannel {
  const { raw } = reply
  reply.hijack()
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  })
  const channel = new Channel(raw, signal, maxUnsentBytes)
  // said at once, so that a listener knows that it will miss nothing from here on
  channel.send(': listening\n\n')
  const alive = setInterval(() => channel.send(': alive\n\n'), keepAliveMs)
  signal.addEventListener('abort', () => clearInterval(alive))
  return channel
}

/** So much of one listener's is given to the network at a time; then others have their turn. */
const pieceBytes = 64 * 1024
/** So long listeners are written to in one go; then the host does something else. */
const turnMs = 8

/** Listeners for which something waits and that take it. They have turns: one is no reason for others to wait. */
const ready = new Set<Channel>()
let isWriting = false

function writeSoon(): void {
  if (isWriting) return
  isWriting = true
  setImmediate(() => {
    isWriting = false
    const endMs = performance.now() + turnMs
    for (const channel of ready) {
      if (performance.now() > endMs) break
      ready.delete(channel)
      if (channel.writePiece()) ready.add(channel)
    }
    if (ready.size > 0) writeSoon()
  })
}

class Channel implements EventChannel {
  private readonly raw: FastifyReply['raw']
  private readonly signal: AbortSignal
  private readonly maxUnsentBytes: number
  /** What is to be written; the first of them from a byte on. */
  private readonly waiting: Buffer[] = []
  private from = 0
  private waitingBytes = 0
  private readonly onEmpty = new Set<() => void>()

  constructor(raw: FastifyReply['raw'], signal: AbortSignal, maxUnsentBytes: number) {
    this.raw = raw
    this.signal = signal
    this.maxUnsentBytes = maxUnsentBytes
    raw.on('drain', () => this.goOn())
    signal.addEventListener('abort', () => {
      ready.delete(this)
      this.waiting.length = 0
      this.tellEmpty()
    })
  }

  cut(): void {
    this.raw.destroy()
  }

  send(messages: string | Buffer): void {
    if (this.signal.aborted) return
    const bytes = typeof messages === 'string' ? Buffer.from(messages) : messages
    this.waiting.push(bytes)
    this.waitingBytes += bytes.length
    if (this.waitingBytes + this.raw.writableLength > this.maxUnsentBytes) this.cut()
    else this.goOn()
  }

  drained(): Promise<void> {
    if (this.signal.aborted || (this.waiting.length === 0 && !this.raw.writableNeedDrain))
      return Promise.resolve()
    return new Promise((resolve) => this.onEmpty.add(resolve))
  }

  /** Writes a part of what waits. @returns is there more that can be written now? */
  writePiece(): boolean {
    const [first] = this.waiting
    if (first === undefined) return false
    const piece = first.subarray(this.from, this.from + pieceBytes)
    this.from += piece.length
    this.waitingBytes -= piece.length
    if (this.from >= first.length) {
      this.waiting.shift()
      this.from = 0
    }
    const takesMore = this.raw.write(piece)
    if (this.waiting.length === 0 && takesMore) this.tellEmpty()
    return takesMore && this.waiting.length > 0
  }

  private goOn(): void {
    if (this.waiting.length === 0) return this.tellEmpty()
    if (this.raw.writableNeedDrain || ready.has(this)) return
    // mostly that is all of it
    if (!this.writePiece()) return
    ready.add(this)
    writeSoon()
  }

  private tellEmpty(): void {
    for (const tell of this.onEmpty) tell()
    this.onEmpty.clear()
  }
}

/** Bounds how many listen at a time. */
export class ListenerLimit {
  private readonly max: number
  private readonly what: string
  private count = 0

  /** `what`: what is listened to, for the refusal. */
  constructor(max: number, what: string) {
    this.max = max
    this.what = what
  }

  /** Takes a listener in until its signal aborts. @throws AppError `too_many` */
  take(signal: AbortSignal): void {
    if (this.count >= this.max)
      throw new AppError('too_many', `too many listen to ${this.what}: try again later`)
    this.count += 1
    signal.addEventListener('abort', () => {
      this.count -= 1
    })
  }
}

/** `Last-Event-ID` of a listener that comes back, or `?after=`; null: from now on. */
export function resumePoint(request: StreamRequest): number | null {
  const header = request.headers['last-event-id']
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  const { after } = request.query as { after?: number } // checked against the route's query
  return after ?? null
}

/** Resolves when what was written has gone out, or the listener has. */
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
