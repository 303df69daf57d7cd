/** `hakuriver join INVITATION`: one paste makes a machine a node. */
import { chownSync, existsSync, mkdirSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, join as joinPath } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import { parseInvitation } from '../../core/invitation.ts'
import { everybodyElse } from '../../core/local-user.ts'
import { printable } from '../../core/text.ts'
import { configPath, readSettings } from '../../platform/config.ts'
import { configText } from '../../platform/config-text.ts'
import { isErrno, makePrivateDir, writeFileNew } from '../../platform/files.ts'
import { fileSettings, fileTables } from '../../platform/settings.ts'
import { systemConfig, systemHome, tasksUser } from '../../platform/system-service.ts'
import type { Context } from '../context.ts'
import { type Joined, joinByRunner } from '../run-join.ts'
import { ownFile } from '../sibling.ts'
import type { Account } from '../system-account.ts'

export interface JoinOptions {
  name: string | null
  /** Local user that tasks run as, `=` for that of the same name; null: the one made for them. */
  taskUser: string | null
  /** null: none. */
  sharedDir: string | null
  /** false: --no-service. */
  service: boolean
}

/** Where what the runner needs is put. */
interface Place {
  home: string
  config: { path: string; isNamed: boolean }
  /** Whom the runner runs as; undefined: whoever types this. */
  as?: Account
  /** Local user that tasks run as; null: the configuration says nothing of that. */
  taskUser: string | null
  sharedDir: string | null
}

/** Joins, writes the configuration where there is none, and has systemd run the runner where root may. */
export async function join(
  given: string,
  options: JoinOptions,
  context: Context,
  own: string = ownFile(),
): Promise<number> {
  const invitation =
    given === '-'
      ? Buffer.from(await context.io.readStdin(invitationBytes))
          .toString()
          .trim()
      : given
  parseInvitation(invitation)
  const isService = options.service && process.getuid?.() === 0 && existsSync('/run/systemd/system')
  const place = isService ? await systemPlace(options, context, own) : ownPlace(options, context)
  const { home, config, as } = place
  const named = config.isNamed && existsSync(config.path) ? ['--config', config.path] : []
  // one that is to be written is not there yet
  const env = { ...context.io.env, HAKURIVER_HOME: home, HAKURIVER_CONFIG: undefined }
  const words = [...named, ...(options.name === null ? [] : ['--name', options.name])]
  const joined = await joinByRunner(invitation, words, env, own, as)
  const isWritten = await writeConfig(place, joined)
  const hasUsers = isWritten || place.taskUser === null || !(await addUsers(place))
  if (context.json) {
    if (isService) await install({ ...context, json: false, print: async () => {} }, config.path, own)
    await context.printJson({ ...joined, config: config.path, isService })
    return exitCodes.ok
  }
  await context.print([
    `This machine is node ${printable(joined.node)} of the cluster at ${joined.url} now.`,
    `Its key and certificate lie in ${joinPath(joined.stateDir, 'identity')}; the key has not left this machine.`,
    isWritten
      ? `Wrote ${config.path}.`
      : hasUsers
        ? `${config.path} was there, and was left as it is.`
        : `Added to ${config.path}, at its end, whom tasks run as.`,
  ])
  if (!isWritten) await noteDifferences(place, joined, context)
  if (isService) await install(context, config.path, own)
  else
    await context.print(
      `Start its runner:  hakuriver runner${config.isNamed ? ` --config ${config.path}` : ''}`,
    )
  const which = config.isNamed && config.path !== systemConfig ? ` --config ${config.path}` : ''
  await context.print(`See whether all is well:  ${isService ? 'sudo ' : ''}hakuriver doctor runner${which}`)
  return exitCodes.ok
}

/** Longer is no invitation. */
const invitationBytes = 1_000

function ownPlace({ taskUser, sharedDir }: JoinOptions, { io, home, configFile }: Context): Place {
  const config = configPath(configFile, { ...io.env, HAKURIVER_HOME: home })
  return { home, config, taskUser, sharedDir }
}

/** For a runner of the whole machine: its users, and the directory that is the runner's own. */
async function systemPlace(options: JoinOptions, { configFile }: Context, own: string): Promise<Place> {
  const [{ prepareSystem, systemConfigFile }, { accountOf, makeSystemUser, makeTasksUser }] =
    await Promise.all([import('../system-install.ts'), import('../system-account.ts')])
  const path = configFile ?? systemConfig
  const isThere = existsSync(path)
  await prepareSystem(['runner'], {
    configFile: isThere ? systemConfigFile(path) : null,
    own,
    systemdVersion: null,
  })
  const as = await makeSystemUser()
  if (mkdirSync(systemHome, { recursive: true, mode: 0o700 }) !== undefined)
    chownSync(systemHome, as.uid, as.gid)
  const { taskUser, sharedDir } = options
  if (taskUser !== null && taskUser !== '=' && (await accountOf(taskUser)) === null)
    throw new AppError('invalid_request', `there is no user "${taskUser}" on this machine`, {
      details: { fix: `Make it (useradd --create-home ${taskUser}), or leave --task-user out.` },
    })
  if (taskUser === null) await makeTasksUser()
  return { home: systemHome, config: { path, isNamed: true }, as, taskUser: taskUser ?? tasksUser, sharedDir }
}

async function install(context: Context, config: string, own: string): Promise<void> {
  const { noService, service } = await import('./service.ts')
  const what = { ...noService, runner: true, install: true, now: true }
  await service(what, { ...context, configFile: config }, own)
}

/** Host, name and whom tasks run as stand in it, so that a person finds them; false: there is one. */
async function writeConfig(
  { config: { path, isNamed }, taskUser, sharedDir }: Place,
  { node, url }: Joined,
): Promise<boolean> {
  const set = {
    'network.host_reachable_address': url,
    'runner.name': node,
    ...(sharedDir !== null && { 'paths.shared_dir': sharedDir }),
  }
  const users = taskUser === null ? {} : { users: { [everybodyElse]: taskUser } }
  try {
    // only a directory of our own is private
    if (isNamed) await mkdir(dirname(path), { recursive: true })
    else await makePrivateDir(dirname(path))
    await writeFileNew(path, configText({}, set, users), 0o644)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw new AppError(
      'not_permitted',
      `this machine has joined, but ${path} cannot be written: ${String(error)}`,
    )
  }
}

const userRules = { users: fileTables.users, taskUser: fileSettings.taskUser } as const

/**
 * To a configuration that says of nobody whom tasks run as, such as that of a host: without it the node runs nothing.
 * @returns false: it says so already
 */
async function addUsers({ config: { path }, taskUser }: Place): Promise<boolean> {
  const { users, taskUser: all } = readSettings(userRules, { argv: ['--config', path], env: {} })
  if (users.value !== null || all.value !== null || taskUser === null) return false
  await appendFile(
    path,
    `\n# Written by hakuriver join: whom the tasks of everybody run as.\n[users]\n"*" = ${JSON.stringify(taskUser)}\n`,
  )
  return true
}

const table = {
  name: fileSettings.nodeName,
  address: fileSettings.reachableAddress,
  shared: fileSettings.sharedDir,
} as const

/** What stands in a configuration of before wins over what the join has brought. */
async function noteDifferences(
  { config: { path }, sharedDir }: Place,
  { node, url }: Joined,
  context: Context,
): Promise<void> {
  const { name, address, shared } = readSettings(table, { argv: ['--config', path], env: {} })
  if (name.origin === 'file' && name.value !== node)
    await context.note(`${name.place}: write name = ${JSON.stringify(node)}, or the runner does not start.`)
  if (address.value !== null && address.value !== url && !url.includes(`//${address.value}:`))
    await context.note(
      `${address.place}: the runner dials ${address.value}; this invitation came from ${url}.`,
    )
  if (sharedDir !== null && shared.value !== sharedDir)
    await context.note(
      `${path}: write shared_dir = ${JSON.stringify(sharedDir)}, and start the runner again.`,
    )
}
