/** One request with a JSON answer over a connection of its own, for programs that make few. */
import http, { type IncomingMessage } from 'node:http'
import type { RequestOptions as HttpsOptions } from 'node:https'
import { AppError, type ErrorCode, errorTable } from '../core/errors.ts'
import { isUntrusted, networkReason } from './network-reason.ts'

const answerBytes = 1024 * 1024

export interface PostOptions {
  deadlineMs: number
  /** Gives it up. */
  signal?: AbortSignal
  /** By what the host is known, and what is shown to it; left out: as the machine has it. */
  tls?: { ca: string; servername: string; cert?: string; key?: string } | undefined
}

/**
 * Posts JSON to a host of ours and gives its answer.
 * @throws AppError the host's own, `unavailable`, or `not_permitted` where the host cannot prove who it is
 */
export async function postJson(
  url: string,
  path: string,
  body: unknown,
  { deadlineMs, signal, tls }: PostOptions,
): Promise<unknown> {
  const request = url.startsWith('https:') ? (await import('node:https')).request : http.request
  const text = JSON.stringify(body)
  const options: HttpsOptions = {
    method: 'POST',
    agent: false,
    signal: AbortSignal.any([AbortSignal.timeout(deadlineMs), ...(signal === undefined ? [] : [signal])]),
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
    rejectUnauthorized: true,
    ...tls,
  }
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sending = request(`${url}${path}`, options)
      sending.on('error', reject)
      sending.on('response', resolve)
      sending.end(text)
    })
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer) {
      bytes += chunk.length
      if (bytes > answerBytes) throw notOurs(url)
      chunks.push(chunk)
    }
    return readAnswer(Buffer.concat(chunks).toString(), answer.statusCode ?? 0, url)
  } catch (error) {
    throw asAppError(error, url)
  }
}

function readAnswer(text: string, status: number, url: string): unknown {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw notOurs(url)
  }
  if (status >= 200 && status < 300) return body
  const given = typeof body === 'object' && body !== null ? body : {}
  const message =
    'message' in given && typeof given.message === 'string' ? given.message : `it answered ${status}`
  const code = 'code' in given && isErrorCode(given.code) ? given.code : 'unavailable'
  throw new AppError(code, message)
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorTable, code)
}

function notOurs(url: string): AppError {
  return new AppError('unavailable', `what answers at ${url} is not a HakuRiver host`)
}

function asAppError(error: unknown, url: string): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error
  if (isUntrusted(error))
    return new AppError('not_permitted', `cannot trust what answers at ${url}: ${networkReason(error)}`, {
      cause: error,
    })
  const isLate = error.name === 'TimeoutError' || error.name === 'AbortError'
  const why = isLate ? 'no answer' : networkReason(error)
  return new AppError('unavailable', `cannot reach the host at ${url}: ${why}`, { cause: error })
}
