/** `hakuriver.runner`: the agent on a node. */
import { AppError, errorTable } from '../core/errors.ts'
import { describeFlags } from '../platform/config.ts'
import { createLog } from '../platform/log.ts'
import { closeOnSignals } from '../platform/shutdown.ts'
import { version } from '../platform/version.ts'
import { createRunner } from './app.ts'
import { loadRunnerConfig, runnerSettings } from './config.ts'

const help = `Usage: hakuriver runner [options]

Runs tasks on this machine for a host. It dials the host and listens on nothing.

Example:
  hakuriver runner --host http://cluster.example:8000 --join-token-file ./join-token

Options:
${describeFlags(runnerSettings)}
  --config VALUE  Configuration file (TOML)
`

async function main(argv: string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) return void process.stdout.write(help)
  if (argv.includes('--version')) return void process.stdout.write(`${version}\n`)
  const config = loadRunnerConfig({ argv, env: process.env })
  const log = createLog({ name: 'runner', level: config.logLevel, file: config.logFile })
  const runner = await createRunner({ config, log })
  closeOnSignals(() => runner.close(), log)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof AppError
  process.stderr.write(`hakuriver runner: ${isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(isExpected ? errorTable[error.code].exit : 1)
})
