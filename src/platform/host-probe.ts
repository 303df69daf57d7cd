/**
 * Goes to a host step by step, and tells how far it came: name, connection, program, token, what the host says.
 * For who looks for what is wrong; ordinary calls go through the client of the contract.
 */
import http, { type Agent, type IncomingMessage, type RequestOptions } from 'node:http'
import { isIP, type LookupFunction } from 'node:net'
import { fillPath } from '../protocol/client.ts'
import { routes } from '../protocol/routes.ts'
import type { HostCheck, SharedFileCheck } from '../protocol/schemas.ts'
import { lookUp } from './look-up.ts'
import { networkReason } from './network-reason.ts'
import { noAnswer } from './wait.ts'

export interface ProbeOptions {
  /** `http://host:port`. */
  url: string
  token: string | null
  /** By what the host is known, and what is shown to it; left out: as this machine has it. */
  tls?: { ca: string; servername?: string; cert?: string; key?: string } | null
  deadlineMs: number
  /** Milliseconds since the epoch. */
  now?: () => number
}

/** How far it came. */
export type Reach =
  | 'ok'
  | 'bad_url'
  | 'unknown_name'
  | 'no_connection'
  /** Something answers, but no HakuRiver host. */
  | 'no_host'
  /** The host refuses to be addressed by this name. */
  | 'wrong_name'

export interface HostProbe {
  url: string
  /** What the name in the URL stands for. */
  addresses: string[]
  reach: Reach
  /** Why it came no further; null where it did. */
  why: string | null
  /** Can it take work? null: that was not told in time. */
  isReady: boolean | null
  /** What the host said to the token; `unknown`: it was not reached, or is too old to be asked. */
  token: 'accepted' | 'refused' | 'missing' | 'unknown'
  /** Why it refused, in its own words; left out: it did not. */
  refusal?: string
  answer: HostCheck | null
  clock: ClockDifference | null
}

/** The host's clock less this machine's: the truth lies within half the round trip of it. */
export interface ClockDifference {
  differenceMs: number
  roundTripMs: number
}

/** Tries to reach a host; asks it about a node where one is given. Never rejects, nor takes longer than the deadline. */
export async function probeHost(options: ProbeOptions, node: string | null): Promise<HostProbe> {
  const facts: HostProbe = {
    url: options.url,
    addresses: [],
    reach: 'bad_url',
    why: null,
    isReady: null,
    token: 'unknown',
    answer: null,
    clock: null,
  }
  const line = await openLine(options)
  if (!('ask' in line)) return { ...facts, ...line }
  facts.addresses = line.addresses
  try {
    const health = await line.ask(routes.health.method, routes.health.path)
    Object.assign(facts, reachOf(health))
    if (facts.reach !== 'ok') return facts
    const query = { query: { node: node ?? undefined } }
    takeCheck(facts, await line.ask('GET', fillPath(routes.checkHost.path, query)), options.token)
    facts.isReady = (await line.ask('GET', routes.ready.path)).status === 200
  } catch (error) {
    if (facts.reach === 'ok') return facts
    return { ...facts, reach: 'no_connection', why: whyOf(error, options.deadlineMs) }
  } finally {
    line.close()
  }
  return facts
}

/** Asks whether the host sees a file of the shared directory; null and the reason where it does not say. */
export async function askForSharedFile(
  options: ProbeOptions,
  name: string,
): Promise<{ answer: SharedFileCheck | null; why: string | null }> {
  const line = await openLine(options)
  if (!('ask' in line)) return { answer: null, why: line.why }
  try {
    const { method, path } = routes.checkSharedFile
    const { status, body } = await line.ask(method, path, { name })
    if (status === 200) return { answer: body as SharedFileCheck, why: null } // the host keeps to the contract
    return { answer: null, why: messageOf(body) ?? `the host answered ${status}` }
  } catch (error) {
    return { answer: null, why: whyOf(error, options.deadlineMs) }
  } finally {
    line.close()
  }
}

interface Answer {
  status: number
  body: unknown
  /** When the request was sent and its answer was there, in milliseconds since the epoch. */
  sentMs: number
  receivedMs: number
}

interface Line {
  addresses: string[]
  ask(method: string, path: string, body?: unknown): Promise<Answer>
  close(): void
}

type NoLine = Pick<HostProbe, 'reach' | 'why' | 'addresses'>

/** One connection for all questions, so that the clock is asked over one that is open. */
async function openLine({
  url,
  token,
  tls,
  deadlineMs,
  now = Date.now,
}: ProbeOptions): Promise<Line | NoLine> {
  if (!URL.canParse(url) || !/^https?:/.test(url))
    return { reach: 'bad_url', why: `"${url}" is not the URL of a host`, addresses: [] }
  const base = new URL(url)
  const signal = AbortSignal.timeout(Math.ceil(deadlineMs))
  const name = base.hostname.replace(/^\[(.*)\]$/, '$1')
  const found = isIP(name) ? { addresses: [name], why: null } : await lookUp(name, deadlineMs)
  const { addresses } = found
  if (found.why !== null) return { reach: 'unknown_name', why: found.why, addresses }
  const { Agent, request } = base.protocol === 'https:' ? await import('node:https') : http
  const agent: Agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: true, ...tls })
  const shared: RequestOptions = { agent, signal, lookup: knownAddresses(addresses) }
  return {
    addresses,
    close: () => agent.destroy(),
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body)
        const headers = {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        }
        const target = `${base.origin}${base.pathname.replace(/\/+$/, '')}${path}`
        const sending = request(target, { ...shared, method, headers })
        const sentMs = now()
        sending.on('error', reject)
        sending.on('response', (response) => {
          const receivedMs = now()
          const status = response.statusCode ?? 0
          readJson(response).then((read) => resolve({ status, body: read, sentMs, receivedMs }), reject)
        })
        sending.end(text)
      }),
  }
}

/** Node's own lookup is not asked again: it could hang, and the end of the process would wait for it. */
function knownAddresses(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_, options, callback) => {
    if (options.all === true) callback(null, all)
    else callback(null, all[0]?.address ?? '', all[0]?.family)
  }
}

const answerBytes = 1024 * 1024

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > answerBytes) return null
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    // whoever it is, no host of ours
    return null
  }
}

function reachOf({ status, body }: Answer): Pick<HostProbe, 'reach' | 'why'> {
  if (status === 421) return { reach: 'wrong_name', why: messageOf(body) }
  if (status === 200 && typeof body === 'object' && body !== null && 'ok' in body)
    return { reach: 'ok', why: null }
  return { reach: 'no_host', why: `its answer to /healthz is ${status}, and not a host's` }
}

function takeCheck(
  facts: HostProbe,
  { status, body, sentMs, receivedMs }: Answer,
  token: string | null,
): void {
  if (status === 401 || status === 403) {
    facts.token = token === null ? 'missing' : 'refused'
    const refusal = messageOf(body)
    if (refusal !== null) facts.refusal = refusal
  }
  if (status !== 200) return
  const answer = body as HostCheck // the host keeps to the contract
  facts.token = 'accepted'
  facts.answer = answer
  const hostMs = Date.parse(answer.time)
  const roundTripMs = Math.max(0, receivedMs - sentMs)
  facts.clock = { differenceMs: Math.round(hostMs - (sentMs + roundTripMs / 2)), roundTripMs }
}

function messageOf(body: unknown): string | null {
  const given = typeof body === 'object' && body !== null && 'message' in body ? body.message : null
  return typeof given === 'string' ? given : null
}

function whyOf(error: unknown, deadlineMs: number): string {
  if (!(error instanceof Error)) return String(error)
  const isLate = error.name === 'AbortError' || error.name === 'TimeoutError'
  return isLate ? noAnswer(deadlineMs) : networkReason(error)
}
