/**
 * Requests to the host over node:http, the lightest client that a cold process can load.
 * One request, one connection: a command makes few, and none may keep the process alive.
 */
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import { AppError, type ErrorCode, errorTable } from '../core/errors.ts'
import { isUntrusted, networkReason } from '../platform/network-reason.ts'
import { createClient, type HostClient, type Transport } from '../protocol/client.ts'
import type { HostAddress } from './host-address.ts'

/** A request that is answered by bytes that may go on for long. */
export interface StreamRequest {
  path: string
  headers?: Record<string, string>
  signal: AbortSignal
  /** The connection is given up after so long without a byte; left out: TCP's keep-alive alone watches it. */
  idleMs?: number
}

/** The host, as the commands see it. */
export interface Host {
  address: HostAddress
  client: HostClient
  /** Opens a stream; a refusal is thrown as the host's own `AppError`. */
  open(request: StreamRequest): Promise<IncomingMessage>
  /** Has it answered this command once? Then its silence is a matter of the moment. */
  readonly wasReached: boolean
  /** The host's clock: ages are told by it, whatever this machine's clock says. */
  now(): number
}

const answerDeadlineMs = 30_000
/** A `Date` header has whole seconds: a smaller difference is no difference. */
const clockToleranceMs = 2_000

/** Connects to nothing yet: every call opens its own connection. */
export async function createHost(address: HostAddress, now: () => number): Promise<Host> {
  const isTls = address.url.startsWith('https:')
  const request = isTls ? (await import('node:https')).request : http.request
  const trust = isTls ? await trustIn(address) : () => ({})
  let clockDifferenceMs = 0
  let wasReached = false
  const noteClock = (answer: IncomingMessage) => {
    const difference = Date.parse(answer.headers.date ?? '') - now()
    clockDifferenceMs = Math.abs(difference) > clockToleranceMs ? difference : 0
  }

  const start = (options: RequestOptions, path: string, body: string | undefined, signal?: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const sending = request(`${address.url}${path}`, {
        ...options,
        ...trust(),
        agent: false,
        ...(signal && { signal }),
      })
      sending.on('error', (error) => reject(networkError(error, address)))
      sending.on('response', (answer) => {
        wasReached = true
        noteClock(answer)
        resolve(answer)
      })
      sending.on('socket', (socket) => socket.setKeepAlive(true, 10_000))
      sending.end(body)
    })

  const transport: Transport = async ({ method, path, body }) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const late = new AbortController()
    const timer = setTimeout(
      () =>
        late.abort(
          new AppError(
            'timeout',
            `the host at ${address.url} did not answer within ${answerDeadlineMs / 1000} s`,
          ),
        ),
      answerDeadlineMs,
    )
    try {
      const answer = await start({ method, headers: headersOf(address, text) }, path, text, late.signal)
      return readJson(await readAll(answer, address), answer.statusCode ?? 0, address)
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    address,
    client: createClient(transport),
    get wasReached() {
      return wasReached
    },
    now: () => now() + clockDifferenceMs,
    async open({ path, headers, signal, idleMs }) {
      const options = { method: 'GET', headers: { ...headersOf(address, undefined), ...headers } }
      const answer = await start(options, path, undefined, signal)
      if (answer.statusCode !== 200 && answer.statusCode !== 206) {
        readJson(await readAll(answer, address), answer.statusCode ?? 0, address)
        throw notAHost(address)
      }
      if (idleMs !== undefined) answer.setTimeout(idleMs, () => answer.destroy())
      return answer
    },
  }
}

/** No host is talked to that cannot prove who it is, whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED). */
async function trustIn({ ca }: HostAddress): Promise<() => TlsOptions> {
  const { tlsByFile } = await import('../platform/tls-pin.ts')
  return () => {
    const known = ca()
    return known === null ? { rejectUnauthorized: true } : tlsByFile(known)
  }
}

interface TlsOptions {
  ca?: string
  servername?: string
  rejectUnauthorized: true
}

function headersOf(address: HostAddress, body: string | undefined): Record<string, string> {
  return {
    accept: 'application/json',
    ...(address.token !== null && { authorization: `Bearer ${address.token}` }),
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    }),
  }
}

async function readAll(answer: IncomingMessage, address: HostAddress): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk)
  } catch (error) {
    throw networkError(error instanceof Error ? error : new Error(String(error)), address)
  }
  return Buffer.concat(chunks).toString()
}

function readJson(text: string, status: number, address: HostAddress): unknown {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw notAHost(address)
  }
  if (status >= 200 && status < 300) return body
  throw errorFromBody(body, status, address)
}

function notAHost(address: HostAddress): AppError {
  return new AppError('unavailable', `what answers at ${address.url} is not a HakuRiver host`, {
    details: { fix: `The address comes from ${address.urlFrom}.` },
  })
}

/** The host's error body as the error it was there. */
function errorFromBody(body: unknown, status: number, address: HostAddress): AppError {
  const given = typeof body === 'object' && body !== null ? body : {}
  const code = 'code' in given && isErrorCode(given.code) ? given.code : codeOfStatus(status)
  const message =
    'message' in given && typeof given.message === 'string' ? given.message : `the host answered ${status}`
  const requestId = 'requestId' in given && typeof given.requestId === 'string' ? given.requestId : undefined
  const details = 'details' in given && typeof given.details === 'object' ? given.details : {}
  return new AppError(code, message, {
    details: { ...details, ...(requestId && { requestId }), ...tokenFix(code, address) },
  })
}

function tokenFix(code: ErrorCode, address: HostAddress): { fix?: string } {
  if (code !== 'unauthenticated') return {}
  const { token, tokenNote } = address
  // none was to be shown: the answer speaks of something else, as an invitation
  if (token === null && tokenNote === null) return {}
  const why = token === null ? ` (${tokenNote})` : ''
  return {
    fix: `Log in: hakuriver login, with an invitation by an admin; or give a valid token by HAKURIVER_TOKEN or --token-file${why}.`,
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorTable, code)
}

function codeOfStatus(status: number): ErrorCode {
  const codes = Object.keys(errorTable).filter(isErrorCode)
  return (
    codes.find((code) => errorTable[code].http === status) ?? (status < 500 ? 'invalid_request' : 'internal')
  )
}

/** A failure of the network as an expected one. `details.mayHaveArrived` tells that the request may have arrived. */
export function networkError(error: Error, address: HostAddress): Error {
  if (error instanceof AppError || error.name === 'AbortError') return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const why = networkReason(error)
  if (isUntrusted(error))
    return new AppError('not_permitted', `cannot trust the host at ${address.url}: ${why}`, {
      cause: error,
      details: { fix: `Nothing was sent to it. The address comes from ${address.urlFrom}.` },
    })
  const wasCut = code === 'ECONNRESET' || code === 'EPIPE'
  return new AppError('unavailable', `cannot reach the host at ${address.url}: ${why}`, {
    cause: error,
    details: { mayHaveArrived: wasCut, fix: wasCut ? 'Is it restarting? Try again.' : fixFor(address) },
  })
}

function fixFor(address: HostAddress): string {
  if (address.urlFrom === 'the login')
    return 'Is the address right, and does the host run? Ask who sent you the line.'
  return `Start one with \`hakuriver up\`, or name another by --host or HAKURIVER_HOST_URL (this address: ${address.urlFrom}).`
}
