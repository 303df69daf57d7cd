/** Waiting, always with a deadline. */
import { AppError } from '../core/errors.ts'

/** The promise's outcome, or an `AppError` `timeout` that names what was waited for. */
export async function withDeadline<T>(
  promise: Promise<T>,
  deadlineMs: number,
  what: string,
  later: typeof after = after,
): Promise<T> {
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = later(deadlineMs, () =>
      reject(new AppError('timeout', `${what} took longer than ${deadlineMs / 1000} s`)),
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}

/** The longest that one timer can wait (Node's documentation of setTimeout): a longer one would be over at once. */
const longestTimerMs = 2 ** 31 - 1

/** Calls back after that long, however long it is. Returns how to stop that. */
export function after(ms: number, run: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (left: number) => {
    timer = setTimeout(
      () => (left > longestTimerMs ? wait(left - longestTimerMs) : run()),
      Math.min(left, longestTimerMs),
    )
  }
  wait(ms)
  return () => clearTimeout(timer)
}

/** In words: that nothing came within so long. */
export function noAnswer(deadlineMs: number): string {
  return `no answer within ${Math.round(deadlineMs / 100) / 10} s`
}

/** The promise's outcome, or `late` where it comes too late or fails. */
export function inTime<T, L>(promise: Promise<T>, deadlineMs: number, late: L): Promise<T | L> {
  return withDeadline(promise, deadlineMs, '').catch(() => late)
}

/** Asks again until the probe gives something other than null, undefined or false. For tests and scripts. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  options: { deadlineMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? 10_000
  const end = Date.now() + deadlineMs
  for (;;) {
    const found = await probe()
    if (found !== null && found !== undefined && found !== false) return found
    if (Date.now() >= end) throw new AppError('timeout', `${what}: not within ${deadlineMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20))
  }
}
