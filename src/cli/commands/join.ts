/** `hakuriver join INVITATION`: one paste makes a machine a node. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join as joinPath } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import { parseInvitation } from '../../core/invitation.ts'
import { printable } from '../../core/text.ts'
import { configPath, readSettings } from '../../platform/config.ts'
import { configText } from '../../platform/config-text.ts'
import { isErrno, makePrivateDir, writeFileNew } from '../../platform/files.ts'
import { fileSettings } from '../../platform/settings.ts'
import type { Context } from '../context.ts'
import { type Joined, joinByRunner } from '../run-join.ts'
import { ownFile } from '../sibling.ts'

export interface JoinOptions {
  name: string | null
  /** false: --no-service. */
  service: boolean
}

/** Joins, writes the configuration where there is none, and has systemd run the runner where root may. */
export async function join(
  given: string,
  { name, service }: JoinOptions,
  context: Context,
  own: string = ownFile(),
): Promise<number> {
  const { io, home, configFile } = context
  const invitation = given === '-' ? await readAll(process.stdin) : given
  parseInvitation(invitation)
  const config = configPath(configFile, { ...io.env, HAKURIVER_HOME: home })
  const named = config.isNamed && existsSync(config.path) ? ['--config', config.path] : []
  // one that is to be written is not there yet
  const env = { ...io.env, HAKURIVER_HOME: home, HAKURIVER_CONFIG: undefined }
  const words = [...named, ...(name === null ? [] : ['--name', name])]
  const joined = await joinByRunner(invitation, words, env, own)
  const isWritten = await writeConfig(config, joined)
  const isService = service && process.getuid?.() === 0 && existsSync('/run/systemd/system')
  if (context.json) {
    if (isService) await install({ ...context, json: false, print: async () => {} }, config.path, own)
    await context.printJson({ ...joined, config: config.path, isService })
    return exitCodes.ok
  }
  await context.print([
    `This machine is node ${printable(joined.node)} of the cluster at ${joined.url} now.`,
    `Its key and certificate lie in ${joinPath(joined.stateDir, 'identity')}; the key has not left this machine.`,
    isWritten ? `Wrote ${config.path}.` : `${config.path} was there, and was left as it is.`,
  ])
  if (!isWritten) await noteDifferences(config.path, joined, context)
  if (isService) await install(context, config.path, own)
  else
    await context.print(
      `Start its runner:  hakuriver runner${config.isNamed ? ` --config ${config.path}` : ''}`,
    )
  await context.print('See whether all is well:  hakuriver doctor runner')
  return exitCodes.ok
}

async function install(context: Context, config: string, own: string): Promise<void> {
  const { service } = await import('./service.ts')
  const options = { host: false, runner: true, install: true, now: true, force: false, user: null }
  // where this command has put what the runner needs, whatever `sudo` made of the home directory
  const io = { ...context.io, env: { ...context.io.env, HAKURIVER_HOME: context.home } }
  await service(options, { ...context, io, configFile: config }, own)
}

/** Host and name stand in it, so that a person finds them; false: there is one. */
async function writeConfig(
  { path, isNamed }: { path: string; isNamed: boolean },
  { node, url }: Joined,
): Promise<boolean> {
  const text = configText({}, { 'network.host_reachable_address': url, 'runner.name': node })
  try {
    // only a directory of our own is private
    if (isNamed) await mkdir(dirname(path), { recursive: true })
    else await makePrivateDir(dirname(path))
    await writeFileNew(path, text, 0o644)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw new AppError(
      'not_permitted',
      `this machine has joined, but ${path} cannot be written: ${String(error)}`,
    )
  }
}

const table = { name: fileSettings.nodeName, address: fileSettings.reachableAddress } as const

/** What stands in a configuration of before wins over what the join has brought. */
async function noteDifferences(path: string, { node, url }: Joined, context: Context): Promise<void> {
  const { name, address } = readSettings(table, { argv: ['--config', path], env: {} })
  if (name.origin === 'file' && name.value !== node)
    await context.note(`${name.place}: write name = ${JSON.stringify(node)}, or the runner does not start.`)
  if (address.value !== null && address.value !== url && !url.includes(`//${address.value}:`))
    await context.note(
      `${address.place}: the runner dials ${address.value}; this invitation came from ${url}.`,
    )
}

/** Longer is no invitation. */
const invitationChars = 1_000

async function readAll(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = ''
  for await (const part of input) {
    text += String(part)
    if (text.length > invitationChars) break
  }
  return text.trim()
}
