/**
 * `node cut-log.cjs JOB`: cuts one log. A program of its own, for a directory that may never answer: what waits for that
 * cannot be ended, and must be no thread of the runner's.
 */
import { AppError } from '../core/errors.ts'
import { type CutJob, cutLog, oddExit } from './log-cutter.ts'

// the runner's own words
cutLog(JSON.parse(process.argv[2] ?? '') as CutJob).then(
  (missing) => process.stdout.write(`${missing}\n`),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = error instanceof AppError ? oddExit : 1
  },
)
