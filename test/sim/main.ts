/**
 * `npm run sim`: many scenarios of faults, each run twice, until enough task-lives have gone by without a broken
 * promise; or one of them again, from the line that a failure prints.
 */
import { execFileSync, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setImmediate as told } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { type Scenario, scenarios } from './faults.ts'
import { runTwice } from './run.ts'

const help = `Usage: npm run sim -- [options]

Options:
  --lives N        task-lives to simulate, over all workers (default 200000)
  --seed N         of the first worker; the others take the next ones (default: from the clock)
  --tasks N        tasks of each scenario (default 100)
  --workers N      default: one for each core
  --quick          stops at the first failure, without looking for a shorter script
  --scenario JSON  runs this one alone, and prints its trace
`

/** What a worker tells when it is done. */
export interface WorkerReport {
  lives: number
  scenarios: number
  steps: number
  virtualMs: number
  /** null: nothing was broken. */
  failure: { seed: number; path: string | null; message: string; scenario: Scenario } | null
}

/** A failure is made smaller for so long. */
const shrinkMs = 60_000

interface Options {
  lives: number
  seed: number
  tasks: number
  workers: number
  isQuick: boolean
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      lives: { type: 'string', default: '200000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      tasks: { type: 'string', default: '100' },
      workers: { type: 'string', default: String(availableParallelism()) },
      scenario: { type: 'string' },
      worker: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return void process.stdout.write(help)
  if (values.scenario !== undefined) return replay(JSON.parse(values.scenario) as Scenario)
  const options: Options = {
    lives: Number(values.lives),
    seed: Number(values.seed),
    tasks: Number(values.tasks),
    workers: Number(values.workers),
    isQuick: values.quick,
  }
  if (values.worker) {
    process.send?.(await work(options))
    return
  }
  const begin = performance.now()
  const reports = await Promise.all(
    Array.from({ length: options.workers }, (_, at) =>
      startWorker({ ...options, seed: options.seed + at, lives: Math.ceil(options.lives / options.workers) }),
    ),
  )
  report(reports, (performance.now() - begin) / 1000, options)
}

/** Prints every step of one scenario. */
async function replay(scenario: Scenario): Promise<void> {
  const outcome = await runTwice(scenario, (line) => process.stdout.write(`${line}\n`))
  process.stdout.write(`${outcome.violation?.message ?? 'Nothing was broken.'}\n`)
  process.exitCode = outcome.violation === null ? 0 : 1
}

function startWorker({ lives, seed, tasks, isQuick }: Options): Promise<WorkerReport> {
  const argv = ['--worker', '--lives', String(lives), '--seed', String(seed), '--tasks', String(tasks)]
  const child = fork(fileURLToPath(import.meta.url), isQuick ? [...argv, '--quick'] : argv)
  return new Promise((resolve, reject) => {
    child.once('message', (told) => resolve(told as WorkerReport)) // of our own
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a worker ended with ${code} and told nothing`)))
  })
}

async function work({ lives, seed, tasks, isQuick }: Options): Promise<WorkerReport> {
  let shrinkUntilMs = Number.POSITIVE_INFINITY
  const done = { lives: 0, scenarios: 0, steps: 0, virtualMs: 0 }
  // what nobody awaits ends a real program, and here its scenario
  let crash: Error | null = null
  process.on('unhandledRejection', (reason) => {
    crash ??= new Error(`crash: ${reason instanceof Error ? reason.message : String(reason)}`)
  })
  // a scenario may refuse some of its tasks, so that a round more is needed at times
  for (let round = 0; done.lives < lives; round += 1) {
    const outcome = await fc.check(
      fc.asyncProperty(scenarios(tasks), async (scenario) => {
        if (performance.now() > shrinkUntilMs) return
        crash = null
        const { violation, ...rest } = await runTwice(scenario)
        await told()
        const failure = violation ?? crash
        if (failure !== null) {
          shrinkUntilMs = Math.min(shrinkUntilMs, performance.now() + shrinkMs)
          throw failure
        }
        if (shrinkUntilMs < Number.POSITIVE_INFINITY) return
        done.lives += rest.tasks
        done.scenarios += 1
        done.steps += rest.steps
        done.virtualMs += rest.virtualMs
      }),
      {
        endOnFailure: isQuick,
        seed: seed + 1_000_003 * round,
        numRuns: Math.max(1, Math.ceil((lives - done.lives) / tasks)),
      },
    )
    const [scenario] = outcome.counterexample ?? []
    if (scenario === undefined) continue
    const message = outcome.errorInstance instanceof Error ? outcome.errorInstance.message : 'it failed'
    return { ...done, failure: { seed: outcome.seed, path: outcome.counterexamplePath, message, scenario } }
  }
  return { ...done, failure: null }
}

function report(reports: readonly WorkerReport[], seconds: number, { seed }: Options): void {
  const sum = (of: (report: WorkerReport) => number) => reports.reduce((all, one) => all + of(one), 0)
  const lives = sum((one) => one.lives)
  const years = sum((one) => one.virtualMs) / 3_600_000
  process.stdout.write(
    `${lives} task-lives in ${sum((one) => one.scenarios)} scenarios (seed ${seed}), each run twice with the same trace: ` +
      `${seconds.toFixed(1)} s, ${Math.round(lives / seconds)} a second, ${sum((one) => one.steps)} steps, ${years.toFixed(1)} hours of a cluster's life\n`,
  )
  const failures = reports.flatMap(({ failure }) => (failure === null ? [] : [failure]))
  for (const { message, scenario, seed: failed, path } of failures) {
    process.stdout.write(
      `\n${message}\nseed ${failed}, path ${path}, commit ${commit()}\nAgain, step by step:\n  npm run sim -- --scenario '${JSON.stringify(scenario)}'\n`,
    )
  }
  if (failures.length === 0) process.stdout.write('No promise was broken.\n')
  process.exitCode = failures.length === 0 ? 0 : 1
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

await main()
