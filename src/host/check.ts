/** `hakuriver.host --check`: what a host would find on this machine, as facts in JSON. It starts nothing. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { HostFacts, StateDirFacts } from '../platform/check-facts.ts'
import { urlOfHost } from '../platform/config.ts'
import { checkDirectory, type DirectoryFacts } from '../platform/directory-check.ts'
import { readTextIfThere } from '../platform/files.ts'
import { type HostProbe, probeHost } from '../platform/host-probe.ts'
import { isLocked } from '../platform/instance-lock.ts'
import { ownUserName } from '../platform/own-user.ts'
import { pinnedTls } from '../platform/tls-pin.ts'
import { version } from '../platform/version.ts'
import { listenRefusal } from './app.ts'
import { type HostConfig, loadHostConfig } from './config.ts'
import { keyFile } from './vault.ts'

/** What is not known by then is not waited for. */
const budgetMs = 3_000

/** Looks at everything at once. Never rejects. */
export async function checkHost(
  argv: readonly string[],
  env: Record<string, string | undefined>,
): Promise<HostFacts> {
  const { config, error } = readConfig(argv, env)
  if (config === null) return { ...nothing, configError: error }
  const isRunning = await isLocked(config.stateDir, 'host')
  const isHere = isRunning || existsSync(config.databaseFile)
  const [databaseDir, sharedDir, portProblem, reachable] = await Promise.all([
    tryDirectory(dirname(config.databaseFile)),
    config.sharedDir === null ? null : tryDirectory(config.sharedDir),
    isRunning ? null : findPortProblem(config),
    isRunning ? tryReachable(config) : null,
  ])
  const { bindAddress, port, reachableAddress, isTls, stateDir, databaseFile } = config
  return {
    version,
    configError: null,
    isHere,
    config: { bindAddress, port, reachableAddress, isTls, stateDir, databaseFile },
    isRunning,
    runningUrl: isRunning ? readRunningUrl(stateDir) : null,
    portProblem,
    stateDir: lookAtStateDir(config),
    databaseDir,
    sharedDir,
    reachable,
  }
}

const nothing: HostFacts = {
  version,
  configError: null,
  isHere: false,
  config: null,
  isRunning: false,
  runningUrl: null,
  portProblem: null,
  stateDir: null,
  databaseDir: null,
  sharedDir: null,
  reachable: null,
}

function readConfig(argv: readonly string[], env: Record<string, string | undefined>) {
  try {
    return { config: loadHostConfig({ argv, env }), error: null }
  } catch (error) {
    if (error instanceof AppError) return { config: null, error: error.message }
    throw error
  }
}

function tryDirectory(path: string): Promise<DirectoryFacts> {
  return checkDirectory(path, { as: { user: ownUserName(), words: [] }, deadlineMs: budgetMs })
}

/** Tries to listen where the host would. */
async function findPortProblem(config: HostConfig): Promise<string | null> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: config.bindAddress, port: config.port }, resolve)
    })
    return null
  } catch (error) {
    return listenRefusal(error, config)?.message ?? String(error)
  } finally {
    server.close()
  }
}

/** Goes to the host by the address that others are told. */
async function tryReachable({
  reachableAddress,
  port,
  isTls,
  stateDir,
}: HostConfig): Promise<HostProbe | null> {
  if (reachableAddress === null) return null
  const url = urlOfHost(reachableAddress, port, isTls)
  const ca = isTls ? await readTextIfThere(join(stateDir, 'ca', 'ca.pem')) : null
  const tls = ca === null ? null : pinnedTls(ca)
  return probeHost({ url, token: null, tls, deadlineMs: budgetMs }, null)
}

function readRunningUrl(stateDir: string): string | null {
  try {
    const known: unknown = JSON.parse(readFileSync(join(stateDir, 'host.json'), 'utf8'))
    const url = typeof known === 'object' && known !== null && 'url' in known ? known.url : null
    return typeof url === 'string' ? url : null
  } catch {
    // it has just begun, or somebody removed the file
    return null
  }
}

const others = 0o077

function lookAtStateDir({ stateDir, databaseFile }: HostConfig): StateDirFacts {
  const found = statSync(stateDir, { throwIfNoEntry: false })
  const secrets = ['admin-token', 'join-token', keyFile].map((name) => join(stateDir, name))
  const ca = join(stateDir, 'ca')
  if (existsSync(ca))
    secrets.push(...readdirSync(ca).flatMap((name) => (name.endsWith('.key') ? join(ca, name) : [])))
  // what is in the state directory is closed by it
  if (dirname(databaseFile) !== stateDir) secrets.push(databaseFile)
  return {
    path: stateDir,
    exists: found !== undefined,
    isOwn: found?.uid === process.getuid?.(),
    mode: found === undefined ? null : found.mode & 0o7777,
    openFiles: secrets.filter((path) => ((modeOf(path) ?? 0) & others) !== 0),
  }
}

function modeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mode ?? null
}
