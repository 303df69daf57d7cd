/** What all streams of server-sent events (html.spec.whatwg.org, "server-sent events") have in common. */
import type { FastifyReply } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { StreamRequest } from './http.ts'

const keepAliveMs = 10_000

/** The way to one listener. */
export interface EventChannel {
  raw: FastifyReply['raw']
  /** Sends whole messages, and cuts off a listener that lets too much pile up: it comes back and resumes. */
  send(messages: string | Buffer): void
  cut(): void
}

/** Begins the answer. The listener hears at once that it is heard, and then every ten seconds. */
export function openChannel(reply: FastifyReply, signal: AbortSignal, maxUnsentBytes: number): EventChannel {
  const { raw } = reply
  const cut = () => raw.destroy()
  reply.hijack()
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  })
  // said at once, so that a listener knows that it will miss nothing from here on
  raw.write(': listening\n\n')
  const alive = setInterval(() => raw.write(': alive\n\n'), keepAliveMs)
  signal.addEventListener('abort', () => clearInterval(alive))
  return {
    raw,
    cut,
    send: (messages) => {
      raw.write(messages)
      if (raw.writableLength > maxUnsentBytes) cut()
    },
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
