/** `hakuriver.runner`: the agent on a node. */
import { AppError, errorTable } from '../core/errors.ts'
import { describeFlags } from '../platform/config.ts'
import { createLog } from '../platform/log.ts'
import { runnerSettings } from '../platform/settings.ts'
import { closeOnSignals } from '../platform/shutdown.ts'
import { version } from '../platform/version.ts'
import { createRunner } from './app.ts'
import { loadRunnerConfig } from './config.ts'

const help = `Usage: hakuriver runner [options]

Runs tasks on this machine for a host. It dials the host and listens on nothing.

Example:
  hakuriver runner --config /etc/hakuriver/config.toml      a machine that has joined (hakuriver join)

Options:
${describeFlags(runnerSettings)}
  --config VALUE  Configuration file (TOML)
  --join VALUE    Make this machine a node by an invitation, or - to read that from standard input, and end
  --check         Print what it finds on this machine as JSON, and end; hakuriver doctor judges it
`

async function main(argv: string[]): Promise<void> {
  if (argv[0] === '__complete') return completeFlags(argv.slice(1))
  if (argv.includes('--help') || argv.includes('-h')) return void process.stdout.write(help)
  if (argv.includes('--version')) return void process.stdout.write(`${version}\n`)
  if (argv.includes('--join')) return join(argv)
  if (argv.includes('--check')) return check(argv.filter((word) => word !== '--check'))
  const config = loadRunnerConfig({ argv, env: process.env })
  const log = createLog({ name: 'runner', level: config.logLevel, file: config.logFile })
  const runner = await createRunner({ config, log })
  closeOnSignals(() => runner.close(), log)
}

/** For the completion of a shell. */
async function completeFlags(words: string[]): Promise<void> {
  const { completeByShape } = await import('../platform/completion.ts')
  const { shapeOfSettings } = await import('../platform/command-shape.ts')
  process.stdout.write(completeByShape(shapeOfSettings('hakuriver runner', '', runnerSettings), words))
}

/** Tells what it has come to as JSON: hakuriver join puts it in words. */
async function join(argv: string[]): Promise<void> {
  const at = argv.indexOf('--join')
  const given = argv[at + 1]
  if (given === undefined)
    throw new AppError('invalid_request', '--join needs an invitation, or - to read it')
  const { joinByInvitation, readInvitation } = await import('./join.ts')
  const sources = { argv: argv.toSpliced(at, 2), env: process.env }
  const joined = await joinByInvitation(given === '-' ? await readInvitation(process.stdin) : given, sources)
  process.stdout.write(`${JSON.stringify(joined)}\n`)
}

async function check(argv: string[]): Promise<never> {
  const { checkRunner } = await import('./check.ts')
  const facts = await checkRunner(argv, process.env)
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(facts)}\n`, resolve))
  // what hangs is not waited for
  process.exit(0)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof AppError
  process.stderr.write(`hakuriver runner: ${isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(isExpected ? errorTable[error.code].exit : 1)
})
