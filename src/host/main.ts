/** `hakuriver.host`: keeps nodes and tasks, and serves the API. */
import { AppError, errorTable } from '../core/errors.ts'
import { describeFlags } from '../platform/config.ts'
import { createLog } from '../platform/log.ts'
import { hostSettings } from '../platform/settings.ts'
import { closeOnSignals } from '../platform/shutdown.ts'
import { version } from '../platform/version.ts'
import { createHost } from './app.ts'
import { loadHostConfig } from './config.ts'
import { keyFile } from './vault.ts'
import { webDirOf } from './web-files.ts'

const help = `Usage: hakuriver host [options]

Keeps the cluster's nodes and tasks, and serves clients and runners.
At the first start it makes in its state directory the token of the admin and, where it speaks TLS, an authority
for certificates: machines join by what hakuriver join-token prints. On loopback, or with
tls = "off", it makes a join token instead.

Example:
  hakuriver host --bind 0.0.0.0 --port 8000

Options:
${describeFlags(hostSettings)}
  --config VALUE  Configuration file (TOML)
  --check         Print what it finds on this machine as JSON, and end; hakuriver doctor judges it
  --restore FILE  Put a backup in the place of the database, and end; the host has to be stopped
`

async function main(argv: string[]): Promise<void> {
  if (argv[0] === '__complete') return completeFlags(argv.slice(1))
  if (argv.includes('--help') || argv.includes('-h')) return void process.stdout.write(help)
  if (argv.includes('--version')) return void process.stdout.write(`${version}\n`)
  if (argv.includes('--check')) return check(argv.filter((word) => word !== '--check'))
  if (argv.includes('--restore')) return putBack(argv)
  const config = loadHostConfig({ argv, env: process.env })
  const log = createLog({ name: 'host', level: config.logLevel, file: config.logFile })
  const host = await createHost({ config, log, webDir: webDirOf(process.argv[1] ?? '') })
  closeOnSignals(() => host.close(), log)
}

/** For the completion of a shell. */
async function completeFlags(words: string[]): Promise<void> {
  const { completeByShape } = await import('../platform/completion.ts')
  const { shapeOfSettings } = await import('../platform/command-shape.ts')
  process.stdout.write(completeByShape(shapeOfSettings('hakuriver host', '', hostSettings), words))
}

async function putBack(argv: string[]): Promise<void> {
  const at = argv.indexOf('--restore')
  const file = argv[at + 1]
  if (file === undefined) throw new AppError('invalid_request', '--restore needs the file of a backup')
  const config = loadHostConfig({ argv: argv.toSpliced(at, 2), env: process.env })
  const { restore } = await import('./store/restore.ts')
  const { becomeOwner } = await import('./store/become-owner.ts')
  const { tasks, keptAside, hasSecrets } = await restore(becomeOwner(file, config), config, Date.now())
  const aside = keptAside === null ? '' : `What was there is kept as ${keptAside}.\n`
  const secrets = hasSecrets
    ? `Its secrets need the file ${keyFile} of the host that made it, in ${config.stateDir}: without it tasks with secrets do not start.\n`
    : ''
  process.stdout.write(
    `Restored ${file} with ${tasks} tasks to ${config.databaseFile}.\n${aside}${secrets}` +
      'Start the host again. What nodes run that it does not know any more is shown by hakuriver node, and left alone.\n',
  )
}

async function check(argv: string[]): Promise<never> {
  const { checkHost } = await import('./check.ts')
  const facts = await checkHost(argv, process.env)
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(facts)}\n`, resolve))
  // what hangs is not waited for
  process.exit(0)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof AppError
  process.stderr.write(`hakuriver host: ${isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(isExpected ? errorTable[error.code].exit : 1)
})
