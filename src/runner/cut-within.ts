/** Cuts a log within a time, also where its directory may never answer. */
import { realpathSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { withDeadline } from '../platform/wait.ts'
import { type CutJob, cutLog, oddExit } from './log-cutter.ts'

const deadlineMs = 5_000

/**
 * `isShared`: it lies in a directory that others serve. `program`: `cut-log`; default: that beside our own.
 * @returns how many bytes are missing by now @throws as `cutLog`; Error where it takes too long
 */
export function cutWithin(job: CutJob, isShared: boolean, program = ownCutter): Promise<number> {
  if (isShared) return cutByProgram(job, program())
  return withDeadline(cutLog(job), deadlineMs, `cutting ${job.path}`)
}

/** By a program of its own, as none of our own threads may wait for that directory. */
async function cutByProgram(job: CutJob, program: string): Promise<number> {
  const { code, stdout, stderr, isLate } = await runBriefly(
    [process.execPath, program, JSON.stringify(job)],
    deadlineMs,
  )
  if (code === 0) return Number(stdout)
  const why = isLate ? 'no answer' : (stderr.trim().split('\n').at(-1) ?? '')
  if (code === oddExit) throw new AppError('not_permitted', why)
  throw new Error(`cannot cut ${job.path}: ${why}`)
}

/** The program that cuts lies beside our own: `cut-log.cjs` beside a bundle, `cut-log.ts` from source. */
function ownCutter(): string {
  const own = realpathSync(process.argv[1] ?? '')
  return join(dirname(own), `cut-log${extname(own)}`)
}
