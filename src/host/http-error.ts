/** Failures of a request as the one error type. */
import { AppError } from '../core/errors.ts'
import { limits } from '../protocol/limits.ts'

/** What fastify itself refuses, in our words; everything else is a fault of ours. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new AppError(
      'too_large',
      `the body is larger than what is taken here, at most ${limits.bodyBytes} bytes: send it in parts`,
    )
  }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status >= 400 && status < 500) {
    return new AppError(
      'invalid_request',
      `cannot read the request: ${error instanceof Error ? error.message : status}`,
    )
  }
  return new AppError('internal', 'the host failed at this request; its log says more under the request id', {
    cause: error,
  })
}
