/** `hakuriver init host`: makes a machine the host of a cluster, from nothing to one that answers. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, exitCodes } from '../../core/errors.ts'
import { configText } from '../../platform/config-text.ts'
import { isErrno, writeFileNew } from '../../platform/files.ts'
import { systemConfig, systemHome } from '../../platform/system-service.ts'
import type { Context } from '../context.ts'
import { findHost } from '../host-address.ts'
import { ownAddress } from '../own-address.ts'
import { ownFile } from '../sibling.ts'
import { createHost } from '../transport.ts'

export interface InitHostOptions {
  /** As other machines call this one; null: an address of it. */
  address: string | null
  /** null: none. */
  sharedDir: string | null
}

const readyMs = 30_000
const lookMs = 100

/** @throws AppError `conflict` where a configuration is there that says something else, `timeout` */
export async function initHost(
  options: InitHostOptions,
  context: Context,
  own: string = ownFile(),
): Promise<number> {
  const { checkMayInstall, noService, service } = await import('./service.ts')
  checkMayInstall()
  const path = context.configFile ?? systemConfig
  const address = options.address ?? ownAddress()
  const isWritten = await write(path, address, options)
  const quiet = { ...context, json: false, configFile: path, print: async () => {}, note: async () => {} }
  await service({ ...noService, host: true, install: true, now: true }, quiet, own)
  const url = await whenReady(context)
  if (context.json) {
    await context.printJson({ url, config: path, stateDir: systemHome })
    return exitCodes.ok
  }
  await context.print([
    `The host answers at ${await urlForOthers(path, url)}, and starts at every boot.`,
    isWritten ? `It reads ${path}, which explains every key.` : `It reads ${path}, which was there.`,
    `Its tokens, keys and database lie in ${systemHome}; its log: journalctl -u hakuriver-host`,
    '',
    'Now',
    '  sudo hakuriver join-token --count 3    prints a line for each machine that is to run tasks',
    '  sudo hakuriver user add NAME           makes a user, and prints a line by which that person logs in',
    '  sudo hakuriver web                     prints a link that logs your browser in',
  ])
  return exitCodes.ok
}

/** @returns false: there is one, and it is to be taken as it is */
async function write(
  path: string,
  address: string,
  { address: given, sharedDir }: InitHostOptions,
): Promise<boolean> {
  if (existsSync(path) && (given !== null || sharedDir !== null))
    throw new AppError('conflict', `${path} is there already, and what you gave may not be what it says`, {
      details: { fix: 'Edit it, and leave --address and --shared-dir out.' },
    })
  const set = {
    'network.host_bind_ip': '0.0.0.0',
    'network.host_reachable_address': address,
    ...(sharedDir !== null && { 'paths.shared_dir': sharedDir }),
  }
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFileNew(path, configText({}, set), 0o644)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw new AppError('not_permitted', `cannot write ${path}: ${String(error)}`)
  }
}

/** As others are told it. */
async function urlForOthers(path: string, own: string): Promise<string> {
  const { configuredUrl } = await import('../config-file.ts')
  return (await configuredUrl(path, {}))?.url ?? own
}

/** By what the host itself has left in its directory. @throws AppError `timeout` */
async function whenReady({ io }: Context): Promise<string> {
  const env = {
    ...io.env,
    HAKURIVER_HOME: systemHome,
    HAKURIVER_HOST_URL: undefined,
    HAKURIVER_CONFIG: undefined,
  }
  const endMs = io.now() + readyMs
  for (;;) {
    const address = await findHost({}, { ...io, env })
    const isReady = await createHost(address, io.now)
      .then(({ client }) => client.ready({}))
      .then(
        () => existsSync(`${systemHome}/host.json`),
        () => false,
      )
    if (isReady) return address.url
    if (io.now() > endMs)
      throw new AppError('timeout', `the host does not answer within ${readyMs / 1000} s`, {
        details: { fix: 'Its log says why: journalctl -u hakuriver-host' },
      })
    await sleep(lookMs)
  }
}
