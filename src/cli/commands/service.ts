/** `hakuriver init service`: systemd units for the two daemons, so that they start at boot and after a failure. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { AppError, exitCodes } from '../../core/errors.ts'
import { configPath } from '../../platform/config.ts'
import type { Context } from '../context.ts'
import { serviceUnit, unitFileOf } from '../service-unit.ts'
import { ownFile, type ProgramName, programFile } from '../sibling.ts'

const execute = promisify(execFile)
const unitDir = '/etc/systemd/system'

export interface ServiceOptions {
  host: boolean
  runner: boolean
  install: boolean
  now: boolean
  user: string | null
}

/** Prints the units, or installs them; `own` is this program's file, the daemons lie beside it. @throws AppError `invalid_request`, `not_permitted` */
export async function service(
  options: ServiceOptions,
  context: Context,
  own: string = ownFile(),
): Promise<number> {
  const names = (['host', 'runner'] as const).filter((name) => options[name])
  if (names.length === 0) {
    throw new AppError('invalid_request', 'a service of what? Say --host, --runner, or both', {
      details: { fix: 'On the machine of the host: --host; on each machine that runs tasks: --runner.' },
    })
  }
  const units = names.map((name) => ({ file: unitFileOf(name), text: textOf(name, options, own, context) }))
  if (!options.install) {
    if (context.json) await context.printJson({ units })
    else for (const { file, text } of units) await context.print([`# ${unitDir}/${file}`, text])
    return exitCodes.ok
  }
  checkMayInstall()
  for (const { file, text } of units) await writeFile(`${unitDir}/${file}`, text, { mode: 0o644 })
  await systemctl('daemon-reload')
  await systemctl('enable', ...units.map(({ file }) => file))
  // an update of the unit counts from the next start on
  if (options.now) await systemctl('restart', ...units.map(({ file }) => file))
  if (context.json) await context.printJson({ units })
  else await tellInstalled(units, options, context)
  return exitCodes.ok
}

function textOf(
  name: ProgramName,
  options: ServiceOptions,
  own: string,
  { io, home, configFile: named }: Context,
): string {
  const { path: config, isNamed } = configPath(named, { ...io.env, HAKURIVER_HOME: home })
  const isThere = existsSync(config)
  if (isNamed && !isThere) throw new AppError('invalid_request', `there is no configuration file ${config}`)
  return serviceUnit({
    name,
    nodeFile: process.execPath,
    programFile: programFile(name, own),
    configFile: isThere ? resolve(config) : null,
    home: io.env.HAKURIVER_HOME ? resolve(home) : null,
    user: options.user,
  })
}

function checkMayInstall(): void {
  if (!existsSync('/run/systemd/system'))
    throw new AppError('conflict', 'systemd does not run this machine: there is nothing to install into')
  if (process.getuid?.() === 0) return
  throw new AppError('not_permitted', `only root can write into ${unitDir}`, {
    details: { fix: 'Run it with sudo, or leave --install out to see the units.' },
  })
}

async function systemctl(...words: string[]): Promise<void> {
  try {
    await execute('systemctl', words, { timeout: 60_000 })
  } catch (error) {
    const told = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new AppError('conflict', `systemctl ${words.join(' ')} failed: ${told}`)
  }
}

async function tellInstalled(
  units: { file: string }[],
  { host, now, user }: ServiceOptions,
  context: Context,
): Promise<void> {
  for (const { file } of units) {
    await context.print(`Installed ${unitDir}/${file}: ${now ? 'it runs, and' : 'it'} starts at every boot.`)
    if (!now) await context.print(`  start it now:  systemctl start ${file}`)
    await context.print(`  read its log:  journalctl -u ${file} -f`)
  }
  const home = user === null ? context.home : `.hakuriver in the home directory of ${user}`
  if (host) await context.print(`Its first start makes admin-token and join-token in ${home}.`)
}
