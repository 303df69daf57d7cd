/** `hakuriver.host`: keeps nodes and tasks, and serves the API. */
import { AppError, errorTable } from '../core/errors.ts'
import { describeFlags } from '../platform/config.ts'
import { createLog } from '../platform/log.ts'
import { closeOnSignals } from '../platform/shutdown.ts'
import { version } from '../platform/version.ts'
import { createHost } from './app.ts'
import { hostSettings, loadHostConfig } from './config.ts'

const help = `Usage: hakuriver host [options]

Keeps the cluster's nodes and tasks, and serves clients and runners.
At the first start it makes two tokens, admin-token and join-token, in its state directory.

Example:
  hakuriver host --bind 0.0.0.0 --port 8000

Options:
${describeFlags(hostSettings)}
  --config VALUE  Configuration file (TOML)
`

async function main(argv: string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) return void process.stdout.write(help)
  if (argv.includes('--version')) return void process.stdout.write(`${version}\n`)
  const config = loadHostConfig({ argv, env: process.env })
  const log = createLog({ name: 'host', level: config.logLevel, file: config.logFile })
  const host = await createHost({ config, log })
  closeOnSignals(() => host.close(), log)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof AppError
  process.stderr.write(`hakuriver host: ${isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(isExpected ? errorTable[error.code].exit : 1)
})
