/** `hakuriver init service`: systemd units for the two daemons, so that they start at boot and after a failure. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { AppError, exitCodes } from '../../core/errors.ts'
import { readSettings } from '../../platform/config.ts'
import { readTextIfThere, writeFileAtomic } from '../../platform/files.ts'
import { hostSettings, runnerSettings } from '../../platform/settings.ts'
import { systemConfig, systemHome, systemUser, unitDir } from '../../platform/system-service.ts'
import { systemdVersion } from '../../platform/systemd-version.ts'
import type { Context } from '../context.ts'
import { ownerOf, type ServiceOwner } from '../service-owner.ts'
import { serviceUnit, unitFileOf, unitMark } from '../service-unit.ts'
import { ownFile, programFile } from '../sibling.ts'
import { prepareSystem, systemConfigFile, systemUnits, type UnitText } from '../system-install.ts'

const execute = promisify(execFile)

export interface ServiceOptions {
  host: boolean
  runner: boolean
  install: boolean
  now: boolean
  force: boolean
  user: string | null
  /** As root, with root's own state and configuration. */
  root: boolean
}

/** Nothing is asked for yet. */
export const noService: ServiceOptions = {
  host: false,
  runner: false,
  install: false,
  now: false,
  force: false,
  user: null,
  root: false,
}

type Unit = UnitText

/**
 * Prints the units, or installs them; `own` is this program's file, the daemons lie beside it.
 * @throws AppError `invalid_request` also for a wrong configuration, `not_permitted`, `conflict`
 */
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
  if (options.install) checkMayInstall()
  else if (options.now)
    throw new AppError('invalid_request', '--now starts what --install has installed: say both')
  if (options.root && options.user !== null)
    throw new AppError('invalid_request', '--root and --user say two things: take one of them')
  const version = await systemdVersion().catch(() => null) // the unit may be meant for another machine
  const isForMachine = !options.root && options.user === null
  const owner = isForMachine ? systemOwner(context) : await ownerOf(options.user ?? 'root', context)
  const system = { configFile: owner.configFile, own, systemdVersion: version }
  const units = isForMachine
    ? systemUnits(names, system)
    : names.map((name) => ({ file: unitFileOf(name), text: textOf(name, owner, own, version, context) }))
  if (options.install) {
    if (isForMachine) await prepareSystem(names, system)
    await install(units, options)
  }
  if (context.json) await context.printJson({ units })
  else if (options.install) await tellInstalled(units, options, owner, context)
  else for (const { file, text } of units) await context.print([`# ${join(unitDir, file)}`, text])
  if (!context.json) await tellOtherConfig(owner, options, context)
  return exitCodes.ok
}

/** Of the whole machine: nothing of whoever types it. */
function systemOwner({ configFile: named }: Context): ServiceOwner {
  if (named !== null && !existsSync(named))
    throw new AppError('invalid_request', `there is no configuration file ${named}`)
  const found = systemConfigFile(named)
  return { user: systemUser, home: systemHome, configFile: found === null ? null : resolve(found) }
}

function textOf(
  name: 'host' | 'runner',
  owner: ServiceOwner,
  own: string,
  version: number | null,
  { io }: Context,
): string {
  // what it will read is read now: a unit that cannot start is of no use
  const argv = ['--config', owner.configFile ?? '/dev/null']
  const sources = { argv, env: { HAKURIVER_HOME: owner.home, HOME: io.env.HOME } }
  const executor = name === 'host' ? null : readSettings(runnerSettings, sources).executor.value
  if (name === 'host') readSettings(hostSettings, sources)
  const isOfSystemd = owner.user === null && (executor === 'auto' || executor === 'systemd')
  return serviceUnit({
    ...owner,
    name,
    nodeFile: process.execPath,
    programFile: programFile(name, own),
    isApart: name === 'host' || isOfSystemd,
    systemdVersion: version,
  })
}

/** @throws AppError where nothing can be installed here, or not by this user */
export function checkMayInstall(): void {
  if (!existsSync('/run/systemd/system'))
    throw new AppError('conflict', 'systemd does not run this machine: there is nothing to install into')
  if (process.getuid?.() === 0) return
  throw new AppError('not_permitted', `only root can write into ${unitDir}`, {
    details: { fix: 'Run it with sudo, or leave --install out to see the units.' },
  })
}

async function install(units: Unit[], { now, force }: ServiceOptions): Promise<void> {
  const files = units.map(({ file }) => file)
  for (const file of files) {
    const there = await readTextIfThere(join(unitDir, file))
    if (there === null || there.startsWith(unitMark) || force) continue
    throw new AppError('conflict', `${join(unitDir, file)} is there already, and is not of this command`, {
      details: { fix: 'Look at it; --force writes it anew.' },
    })
  }
  for (const { file, text } of units)
    await writeFileAtomic(join(unitDir, file), text, { mode: 0o644, sync: true })
  await systemctl('daemon-reload')
  const enabled = files.filter((file) => !file.includes('@'))
  await systemctl('enable', ...enabled)
  // an update of the unit counts from the next start on; sockets first, as a running launcher would keep the old one
  const sockets = enabled.filter((file) => file.endsWith('.socket'))
  if (now) await systemctl('restart', ...sockets, ...enabled.filter((file) => !sockets.includes(file)))
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
  units: Unit[],
  { host, runner, now }: ServiceOptions,
  { user, home, configFile }: ServiceOwner,
  context: Context,
): Promise<void> {
  for (const { file } of units.filter(({ file: name }) => name.endsWith('.service') && !name.includes('@'))) {
    await context.print(
      `Installed ${join(unitDir, file)}: ${now ? 'it runs, and' : 'it'} starts at every boot.`,
    )
    if (!now) await context.print(`  start it now:  systemctl start ${file}`)
    await context.print(`  read its log:  journalctl -u ${file} -f`)
  }
  const own = user === systemUser ? systemConfig : join(home, 'config.toml')
  const read = configFile ?? `no configuration file (${own} is not there)`
  await context.print(`It runs as ${user ?? 'root'}, and reads ${read}.`)
  if (runner && user === systemUser) await context.print(usersLines(configFile))
  if (host)
    await context.print(`Its first start makes admin-token in ${home}, and keys and certificates for TLS.`)
}

/** Whom tasks run as, or what is missing for any to run. */
function usersLines(configFile: string | null): string[] {
  const sources = { argv: ['--config', configFile ?? '/dev/null'], env: {} }
  const { users, taskUser } = readSettings(runnerSettings, sources)
  const rules = [
    ...Object.entries(users.value ?? {}),
    ...(taskUser.value === null ? [] : [['*', taskUser.value]]),
  ]
  if (rules.length === 0)
    return [
      'It runs nothing yet: write into that file whom tasks run as, and start it again.',
      '  [users]',
      '  "*" = "LOCAL USER"',
    ]
  const words = rules.map(([owner, local]) => {
    const whose = owner === '*' ? 'everybody' : owner
    return `those of ${whose} ${local === '=' ? 'as the local user of the same name' : `as ${local}`}`
  })
  return [
    `Its launcher runs tasks: ${words.slice(0, 5).join(', ')}${words.length > 5 ? ', …' : ''} ([users] in that file).`,
  ]
}

/** Whoever types `sudo` may well have meant the configuration of before it. */
async function tellOtherConfig(
  { configFile, home }: ServiceOwner,
  { user }: ServiceOptions,
  context: Context,
): Promise<void> {
  const { SUDO_USER: other } = context.io.env
  if (configFile !== null || user !== null || !other || other === 'root') return
  const { configFile: theirs } = await ownerOf(other, context)
  if (theirs === null) return
  await context.note(
    `There is ${theirs}, but none in ${home}: say --user ${other} to run it as ${other}, or --config ${theirs}.`,
  )
}
