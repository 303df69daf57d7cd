/** The command line of hakurun: its options stand before the target, everything from the target on is the target's. */
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { duration, text, whole } from '../platform/option-types.ts'
import { version } from '../platform/version.ts'

export interface HakurunOptions {
  /** How many at once; 0: as many as there are cores. */
  parallel: number
  zip: boolean
  outputDir: string | null
  failFast: boolean
  /** How often a failure is tried again. */
  retry: number
  /** Milliseconds for one try; null: no limit. */
  timeout: number | null
  dryRun: boolean
  resume: boolean
  json: boolean
  quiet: boolean
  progress: boolean
  python: string | null
}

/** Makes the command; `run` is handed the target with its arguments, and the options. */
export function createCommand(run: (words: string[], options: HakurunOptions) => Promise<void>): Command {
  return new Command('hakurun')
    .description('Run a command here with every combination of the values that its spans stand for.')
    .usage('[options] target [argument...]')
    .argument(
      '<command...>',
      'a program, a Python module (mymod) or function (mymod:myfunc), and its arguments',
    )
    .passThroughOptions()
    .addHelpText('before', examples)
    .addHelpText('after', spans)
    .addOption(
      new Option('--parallel [number]', 'so many at once; without a number as many as there are cores')
        .default(1)
        .argParser(readParallel),
    )
    .option('--zip', 'pair the spans: first with first, second with second', false)
    .addOption(text('--output-dir <directory>', 'keep the output there, a file for each, and results.jsonl'))
    .option('--resume', 'skip what has succeeded according to --output-dir', false)
    .option('--fail-fast', 'end everything at the first failure', false)
    .addOption(whole('--retry <number>', 'try again what fails, so often', 0, 0))
    .addOption(duration('--timeout <time>', 'end what takes longer, like 90s or 1h30m'))
    .option('--dry-run', 'print the commands, and run none', false)
    .addOption(
      text(
        '--python <path>',
        'the Python for modules and functions (else HAKURIVER_PYTHON, else that of your environment)',
      ),
    )
    .option('--json', 'print the results as JSON at the end; output goes to standard error', false)
    .option('-q, --quiet', 'say nothing but failures', false)
    .option('--no-progress', 'no progress bar')
    .version(`hakurun ${version}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .configureHelp({ optionDescription: ({ description }) => description })
    .action((words: string[], options: HakurunOptions) => run(words, options))
}

/**
 * `--parallel` takes a number or none: commander would take the target for it. Options with values that stand
 * before it are passed over with their values.
 */
export function settleParallel(words: readonly string[], command: Command): string[] {
  const takesNext = (word: string) =>
    command.options.some(({ long, short, required }) => required && (word === long || word === short))
  const settled: string[] = []
  let at = 0
  for (; at < words.length && (words[at] ?? '').startsWith('-') && words[at] !== '--'; at += 1) {
    const word = words[at] ?? ''
    if (word !== '--parallel') {
      settled.push(word)
      if (takesNext(word)) {
        settled.push(...words.slice(at + 1, at + 2))
        at += 1
      }
      continue
    }
    const isCounted = /^\d+$/.test(words[at + 1] ?? '')
    settled.push(`--parallel=${isCounted ? words[at + 1] : '0'}`)
    if (isCounted) at += 1
  }
  return [...settled, ...words.slice(at)]
}

function readParallel(value: string): number {
  if (!/^\d{1,4}$/.test(value)) throw new InvalidArgumentError('Write a whole number, or none.')
  return Number(value)
}

export interface Parallelism {
  count: number
  /** Why it is less than was asked for; null: it is not. */
  note: string | null
}

/** How many may run at once. Inside a task of the cluster no more than the task has cores. */
export function parallelism(asked: number, env: Readonly<Record<string, string | undefined>>): Parallelism {
  const given = /^[1-9]\d{0,5}$/.test(env.HAKURIVER_CORES ?? '') ? Number(env.HAKURIVER_CORES) : null
  const wanted = asked === 0 ? Math.min(availableParallelism(), given ?? Infinity) : asked
  if (given === null || wanted <= given) return { count: wanted, note: null }
  return {
    count: given,
    note: `this task has ${given} core${given === 1 ? '' : 's'}: ${given} at once, not ${wanted}`,
  }
}

const examples = `Examples:
  hakurun python train.py --lr 'span:[0.1,0.01]' --seed 'span:{1..5}'     10 runs, one after the other
  hakurun --parallel --output-dir runs ./job.sh 'span:{A..Z}'             as many at once as there are cores
  hakurun --parallel 4 --zip mymod:myfunc 'span:{1..3}' 'span:[a,b,c]'    a Python function, with pairs
  hakurun --output-dir runs --resume ./job.sh 'span:@inputs.txt'          only what has not succeeded yet
`

const spans = `
Spans, in any argument, also in a part of one:
  span:{1..10}  span:{10..0..2}  span:{01..10}  span:{0.1..0.5..0.1}  span:{A..Z}
  span:[a,b]    span:["a, b",""] with quotes around what has commas, spaces at its ends, or nothing
  span:@file    a value a line
  span::        a plain "span:"
Quote them ('span:{1..3}'): shells expand braces, and some also brackets, by themselves.
`
