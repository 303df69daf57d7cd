/** The host's event stream: server-sent events parsed from any chunks, and resumed when the host was away. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'
import { fillPath } from '../protocol/client.ts'
import { streamRoutes } from '../protocol/routes.ts'
import type { ClusterEvent } from '../protocol/schemas.ts'
import type { Host } from './transport.ts'

/** One server-sent event. */
export interface SseMessage {
  event: string
  data: string
  /** The last id seen so far; empty where there was none. */
  id: string
}

/** Bound on one event: a stream without line ends is not ours. */
const eventBytes = 1024 * 1024

/**
 * Reads server-sent events (HTML living standard, section 9.2) from text in any chunks.
 * @throws AppError `unavailable` where one event is larger than 1 MiB
 */
export function createSseParser(): { push(text: string): SseMessage[] } {
  let rest = ''
  let data: string[] = []
  let event = ''
  let id = ''

  const takeLine = (line: string): SseMessage | null => {
    if (line === '') {
      const message = data.length === 0 ? null : { event: event || 'message', data: data.join('\n'), id }
      data = []
      event = ''
      return message
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) id = value
    return null
  }

  return {
    push(text) {
      const messages: SseMessage[] = []
      rest += text
      // A CR at the very end may be the first half of a CRLF: it waits for the next chunk.
      const end = /\r\n|\n|\r(?!$)/g
      let from = 0
      for (let match = end.exec(rest); match !== null; match = end.exec(rest)) {
        const message = takeLine(rest.slice(from, match.index))
        if (message !== null) messages.push(message)
        from = end.lastIndex
      }
      rest = rest.slice(from)
      if (rest.length > eventBytes)
        throw new AppError('unavailable', 'the event stream of the host cannot be read')
      return messages
    },
  }
}

/** What a follower gets: `open` after each (re)connect, when what is known should be read again. */
export type Followed =
  | { kind: 'open' }
  | { kind: 'event'; event: ClusterEvent }
  | { kind: 'cut'; error: AppError }

export interface FollowOptions {
  signal: AbortSignal
  /** First pause before a reconnect; doubles up to 2 s. */
  backoffMs?: number
}

const silenceMs = 60_000

/**
 * Follows the cluster's events until the signal, over any number of reconnects, each resumed after the last
 * event seen. A host that this command has never reached, or that refuses us, is thrown.
 */
export async function* followEvents(host: Host, options: FollowOptions): AsyncGenerator<Followed> {
  let lastId = ''
  let pauseMs = options.backoffMs ?? 100
  while (!options.signal.aborted) {
    try {
      for await (const step of oneConnection(host, lastId, options.signal)) {
        pauseMs = options.backoffMs ?? 100
        if (step.kind === 'event') lastId = String(step.event.id)
        yield step
      }
    } catch (error) {
      if (options.signal.aborted) return
      if (!host.wasReached || !isPassing(error)) throw error
      yield { kind: 'cut', error }
    }
    await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => {})
    pauseMs = Math.min(pauseMs * 2, 2_000)
  }
}

/** Is this a failure of the moment, so that trying again may help? */
export function isPassing(error: unknown): error is AppError {
  return (
    error instanceof AppError &&
    (error.code === 'unavailable' || error.code === 'timeout' || error.code === 'internal')
  )
}

/** The answer of a call, tried again for as long as only the moment is against it. The signal ends the trying. */
export async function untilAnswered<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await call()
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error
    }
    await sleep(pauseMs, undefined, { signal })
  }
}

async function* oneConnection(host: Host, lastId: string, signal: AbortSignal): AsyncGenerator<Followed> {
  const headers = { accept: 'text/event-stream', ...(lastId !== '' && { 'last-event-id': lastId }) }
  const answer = await host.open({
    path: fillPath(streamRoutes.events.path, {}),
    headers,
    signal,
    idleMs: silenceMs,
  })
  yield { kind: 'open' }
  const parser = createSseParser()
  answer.setEncoding('utf8')
  try {
    for await (const chunk of answer) {
      for (const message of parser.push(chunk)) {
        const event = readEvent(message)
        if (event !== null) yield { kind: 'event', event }
      }
    }
  } catch (error) {
    if (error instanceof AppError || signal.aborted) throw error
    throw new AppError('unavailable', `the connection to the host at ${host.address.url} was cut`, {
      cause: error,
    })
  } finally {
    answer.destroy()
  }
}

/** The event in a message; null for a message of another kind (a later host may send some). */
function readEvent(message: SseMessage): ClusterEvent | null {
  try {
    const parsed: unknown = JSON.parse(message.data)
    return isEvent(parsed) ? parsed : null
  } catch {
    return null
  }
}

function isEvent(value: unknown): value is ClusterEvent {
  return typeof value === 'object' && value !== null && 'kind' in value && 'type' in value && 'id' in value
}
