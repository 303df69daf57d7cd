/** The typed client over fetch: the session's cookie goes along, errors come out as `AppError`. */
import { AppError, type ErrorCode, errorTable } from '../../../src/core/errors.ts'
import { createClient, type Transport } from '../../../src/protocol/client.ts'
import type { ErrorBody } from '../../../src/protocol/schemas.ts'

const deadlineMs = 30_000

/** Told once for each answer that says that nobody is logged in, or that his rights do not reach. */
const refused = new Set<() => void>()

/** Calls back when the host does not know us any more, or not as who we were. */
export function onRefused(listener: () => void): void {
  refused.add(listener)
}

/** @throws AppError with the host's code, or `unavailable` where it did not answer */
export const transport: Transport = async ({ method, path, body }) => {
  const answer = await open(path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(deadlineMs),
  })
  return answer.json()
}

export const api = createClient(transport)

/** One request of ours, as it is. @throws AppError */
export async function open(path: string, init: RequestInit): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(path, { ...init, credentials: 'same-origin', cache: 'no-store' })
  } catch (error) {
    if (
      init.signal?.aborted &&
      !(init.signal.reason instanceof DOMException && init.signal.reason.name === 'TimeoutError')
    )
      throw error
    throw new AppError('unavailable', 'the host does not answer; what is on the screen may be old', {
      cause: error,
    })
  }
  if (answer.ok) return answer
  const error = await errorOf(answer)
  if (error.code === 'unauthenticated' || error.code === 'not_permitted')
    for (const listener of refused) listener()
  throw error
}

async function errorOf(answer: Response): Promise<AppError> {
  const body = (await answer.json().catch(() => null)) as Partial<ErrorBody> | null // the host's one error shape
  const code = body?.code !== undefined && body.code in errorTable ? (body.code as ErrorCode) : 'internal'
  const message = body?.message ?? `the host answered ${answer.status}`
  return new AppError(code, message, {
    details: { ...body?.details, ...(body?.requestId === undefined ? {} : { requestId: body.requestId }) },
  })
}

/** The sentence for a person, whatever was thrown. */
export function sentenceOfError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** The host's id of the request that failed, to be found in its log; null where there is none. */
export function requestIdOf(error: unknown): string | null {
  const id = error instanceof AppError ? error.details?.requestId : undefined
  return typeof id === 'string' ? id : null
}

/** Names one submit: sent twice, it is done once. */
export function newSubmissionId(): string {
  return `web-${crypto.getRandomValues(new BigUint64Array(2)).join('-')}`
}
