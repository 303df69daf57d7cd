/** Has the runner's program join: the CLI knows nothing of a runner's identity. */
import { AppError, type ErrorCode, errorTable } from '../core/errors.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { noAnswer } from '../platform/wait.ts'
import { programFile } from './sibling.ts'
import type { Account } from './system-account.ts'

const deadlineMs = 60_000

/** As the runner's program prints it. */
export interface Joined {
  node: string
  nodeId: string
  url: string
  stateDir: string
}

/**
 * The invitation goes through a pipe, where no other user of this machine can see it. `as`: who is to own what it makes.
 * @throws AppError as the runner's program tells it
 */
export async function joinByRunner(
  invitation: string,
  words: readonly string[],
  env: Record<string, string | undefined>,
  ownFile: string,
  as?: Account,
): Promise<Joined> {
  const command = [process.execPath, programFile('runner', ownFile), '--join', '-', ...words]
  const run = await runBriefly(command, deadlineMs, {
    env,
    input: `${invitation}\n`,
    ...(as === undefined ? { cwd: process.cwd() } : { as }),
  })
  if (run.code === 0) return JSON.parse(run.stdout) as Joined // of this very installation
  if (run.isLate) throw new AppError('timeout', `the runner's program: ${noAnswer(deadlineMs)}`)
  const [first = '', ...rest] = run.stderr.trim().split('\n')
  const message = first.replace(/^hakuriver runner: /, '') || `the runner's program ended with ${run.code}`
  throw new AppError(codeOf(run.code), message, { details: { fix: rest.join(' ').trim() || undefined } })
}

/** The first of the table with that exit code: the program prints no more of it. */
function codeOf(exit: number | null): ErrorCode {
  const codes = Object.keys(errorTable) as ErrorCode[]
  return codes.find((code) => errorTable[code].exit === exit) ?? 'conflict'
}
