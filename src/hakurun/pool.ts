/** Runs the combinations of a sweep, so many at once, and keeps count. Only those that run are held. */
import type { Combination, Sweep } from '../core/sweep.ts'
import { combinationsOf } from '../core/sweep.ts'
import { type ChildEnd, runChild } from './child.ts'
import { keyOf, type OutputDir, type Result } from './results.ts'
import type { Screen } from './screen.ts'
import type { Target } from './target.ts'

export interface PoolOptions {
  sweep: Sweep
  target: Target
  parallel: number
  retry: number
  timeoutMs: number | null
  failFast: boolean
  outputDir: OutputDir | null
  /** Commands that are not run again, by `keyOf`. */
  skip: ReadonlySet<string>
  screen: Screen
  /** Aborted: what runs is ended, and nothing more is started. */
  signal: AbortSignal
  samplesMemory: boolean
  onResult: (result: Result) => void
}

export interface Tally {
  succeeded: number
  failed: number
  skipped: number
  /** Ended because everything was to end. */
  stopped: number
  wallMs: number
}

const graceMs = 5_000

/** Resolves when nothing runs any more. */
export async function runPool(options: PoolOptions): Promise<Tally> {
  const { sweep, screen, skip, failFast } = options
  const startedMs = performance.now()
  const tally: Tally = { succeeded: 0, failed: 0, skipped: 0, stopped: 0, wallMs: 0 }
  const failure = new AbortController()
  const signal = AbortSignal.any([options.signal, failure.signal])
  let running = 0
  let index = -1
  const combinations = combinationsOf(sweep)
  const show = () => {
    const { succeeded, failed, skipped } = tally
    const elapsedMs = performance.now() - startedMs
    screen.show({ total: sweep.count - skipped, succeeded, failed, running, elapsedMs })
  }
  const worker = async () => {
    for (const combination of combinations) {
      index += 1
      const own = index
      if (skip.has(keyOf(combination.words.map(({ text }) => text)))) {
        tally.skipped += 1
        continue
      }
      running += 1
      show()
      const result = await runOne(own, combination, options, signal).finally(() => {
        running -= 1
      })
      if (result === null) tally.stopped += 1
      else {
        tally[result.ok ? 'succeeded' : 'failed'] += 1
        options.onResult(result)
        if (!result.ok && failFast) failure.abort()
      }
      show()
      if (signal.aborted) return
    }
  }
  const workers = Array.from({ length: Math.min(options.parallel, sweep.count) }, () =>
    worker().catch((error: unknown) => {
      // nobody reads any more, or a disk is full: the others end as they do for an interrupt
      failure.abort()
      throw error
    }),
  )
  const broken = (await Promise.allSettled(workers)).find((each) => each.status === 'rejected')
  if (broken !== undefined) throw broken.reason
  tally.wallMs = Math.round(performance.now() - startedMs)
  return tally
}

/** null: it was ended because everything was to end. */
async function runOne(
  index: number,
  combination: Combination,
  options: PoolOptions,
  signal: AbortSignal,
): Promise<Result | null> {
  const { outputDir, sweep, retry } = options
  const startedAt = new Date().toISOString()
  const file = outputDir?.open(index, sweep.count, combination.values) ?? null
  try {
    for (let tries = 1; ; tries += 1) {
      const end = await runTry(index, combination, options, signal, file?.descriptor ?? null)
      const ok = end.exitCode === 0 && !end.timedOut
      if (!ok && signal.aborted) return null
      if (!ok && tries <= retry) continue
      const command = combination.words.map(({ text }) => text)
      const result = { index, parameters: combination.parameters, command, ok, startedAt, ...end, tries }
      const kept: Result = { ...result, output: file?.name ?? null }
      outputDir?.add(kept)
      return kept
    }
  } finally {
    file?.close()
  }
}

async function runTry(
  index: number,
  { words, values }: Combination,
  options: PoolOptions,
  signal: AbortSignal,
  descriptor: number | null,
): Promise<ChildEnd> {
  const { screen, target, timeoutMs, samplesMemory, sweep } = options
  const common = { ...target(words), timeoutMs, graceMs, signal, samplesMemory }
  if (descriptor !== null) return runChild({ ...common, output: descriptor })
  if (sweep.count === 1) return runChild({ ...common, output: 'inherit' })
  const lines = screen.linesOf(index, values)
  const end = await runChild({ ...common, output: 'pipe', onData: lines.push })
  await lines.finish()
  return end
}
