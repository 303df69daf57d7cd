/** One thing done to each of several that the command line names. */
import { AppError, exitCodes } from '../core/errors.ts'
import type { Context } from './context.ts'
import { tellError } from './output/error.ts'
import type { Host } from './transport.ts'

/** What became of each of them. */
interface Outcome<T> {
  name: string
  done: T | null
  error: { code: string; message: string } | null
}

/** One after the other, each answered for by itself. */
export async function each<T>(
  names: string[],
  context: Context,
  { run, tell }: { run: (name: string, host: Host) => Promise<T>; tell: (done: T) => string },
): Promise<number> {
  const host = await context.host()
  const outcomes: Outcome<T>[] = []
  let code: number = exitCodes.ok
  for (const name of names) {
    try {
      const done = await run(name, host)
      outcomes.push({ name, done, error: null })
      if (!context.json) await context.print(tell(done))
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'unavailable' || error.code === 'unauthenticated')
        throw error
      outcomes.push({ name, done: null, error: { code: error.code, message: error.message } })
      const { lines, exitCode } = tellError(error, false)
      code = code === exitCodes.ok ? exitCode : exitCodes.failed
      if (!context.json) for (const line of lines) await context.note(line)
    }
  }
  if (context.json) await context.printJson({ items: outcomes })
  return code
}
