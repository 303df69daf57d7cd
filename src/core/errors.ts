/**
 * The one table of errors: what can go wrong on purpose, and how each is told over HTTP and by the CLI.
 * Nobody matches on a message; programs read `code`.
 */

/** HTTP status and CLI exit code of each error code. Exit codes are documented in docs/exit-codes.md. */
export const errorTable = {
  invalid_request: { http: 400, exit: 2 },
  unauthenticated: { http: 401, exit: 4 },
  not_permitted: { http: 403, exit: 4 },
  not_found: { http: 404, exit: 3 },
  conflict: { http: 409, exit: 1 },
  too_large: { http: 413, exit: 2 },
  wrong_host: { http: 421, exit: 4 },
  unsatisfiable: { http: 422, exit: 2 },
  too_many: { http: 429, exit: 1 },
  internal: { http: 500, exit: 1 },
  unavailable: { http: 503, exit: 5 },
  timeout: { http: 504, exit: 6 },
  store_full: { http: 507, exit: 1 },
} as const satisfies Record<string, { http: number; exit: number }>

export type ErrorCode = keyof typeof errorTable

/** CLI exit codes that no error code stands for. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notPermitted: 4,
  hostUnreachable: 5,
  timeout: 6,
  lost: 7,
} as const

/**
 * An expected failure: its message is one sentence for a person ("cannot kill task 12: it has ended"),
 * its code is for programs. A broken invariant is a plain `Error` instead.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
  }
}

/** Ends a `switch` over a union: a member that is not handled does not compile. */
export function unreachable(value: never): never {
  throw new Error(`not handled: ${JSON.stringify(value)}`)
}
