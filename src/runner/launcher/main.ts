/**
 * `hakuriver.launcher`: the small part of a runner that is root. systemd starts one for each connection to its socket
 * (systemd.socket(5), Accept=yes), with the connection as standard input, and names it by whom the kernel says is at
 * the other end. It ends with the connection; tasks go on.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { AppError, errorTable } from '../../core/errors.ts'
import type { RunnerRights } from '../../core/local-user.ts'
import { logFolder } from '../../platform/log-paths.ts'
import { runBriefly } from '../../platform/run-briefly.ts'
import { version } from '../../platform/version.ts'
import { logStreams } from '../../protocol/routes.ts'
import { hasNumactl, readBootId } from '../hardware.ts'
import { openSystemExecutor, systemInfo } from '../system-executor.ts'
import { findUser, readUidMin } from '../users.ts'
import { checkConfigFile, type LauncherConfig, loadLauncherConfig } from './config.ts'
import { throughLauncher } from './messages.ts'
import { uidOfPeer } from './peer.ts'
import { checkRootsAlone, Places } from './places.ts'
import { serve } from './serve.ts'
import { LauncherServer } from './server.ts'

const help = `Usage: hakuriver.launcher --peer INSTANCE [--config FILE]

Starts tasks as units of systemd for a runner that is not root. systemd starts it, for each connection to
hakuriver-launcher.socket; \`hakuriver init service --runner\` sets that up.
`

const runDir = '/run/hakuriver'
/** How long the shared directory may take to answer. */
const sharedMs = 5_000

async function main(argv: string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) return void process.stdout.write(help)
  if (argv.includes('--version')) return void process.stdout.write(`${version}\n`)
  const { peer, rest } = peerOf(argv)
  if (process.getuid?.() !== 0)
    throw new AppError('not_permitted', 'the launcher has to be root: systemd starts it')
  checkConfigFile(rest[0] === '--config' ? (rest[1] ?? null) : null, process.env)
  const config = loadLauncherConfig({ argv: rest, env: process.env })
  const runner = findUser(config.runnerUser)
  if (runner === null)
    throw new AppError('not_found', `there is no user ${config.runnerUser} (runner.user) on this machine`)
  if (uidOfPeer(peer) !== runner.uid)
    throw new AppError('not_permitted', `only ${runner.name} may ask the launcher, and the peer is ${peer}`)
  // start scripts are for users to find, and what is kept from others lies in directories that are closed
  process.umask(0o022)
  await makeDirectories(config)
  const places = new Places({
    runDir,
    stateDir: process.env.STATE_DIRECTORY ?? '/var/lib/hakuriver-launcher',
    sharedDir: config.sharedDir,
    gid: runner.gid,
  })
  const stream = new Socket({ fd: 0, readable: true, writable: true })
  await serve({
    stream,
    log,
    open: (send) =>
      LauncherServer.open({
        ...{ config, places, send, now: Date.now, bootId: readBootId() },
        rights: rightsOf(config),
        launcherId: launcherId(places),
        openExecutor: async (deps) => {
          const info = systemInfo(throughLauncher, true, await hasNumactl(config.numactlPath))
          return openSystemExecutor(config, deps, info, places.scripts)
        },
      }),
  })
}

/** systemd's name of the instance; what is left is for the table of settings. */
function peerOf(argv: readonly string[]): { peer: string; rest: string[] } {
  const at = argv.indexOf('--peer')
  const peer = at < 0 ? undefined : argv[at + 1]
  if (peer === undefined)
    throw new AppError(
      'invalid_request',
      'whom does the launcher serve? systemd starts it with --peer, by its socket',
    )
  return { peer, rest: argv.toSpliced(at, 2) }
}

function rightsOf({ nodeName, runnerUser }: LauncherConfig): RunnerRights {
  return {
    node: nodeName,
    ownUser: 'root',
    canSwitch: true,
    deniesRest: true,
    keptUser: runnerUser,
    uidMin: readUidMin(),
    find: findUser,
  }
}

/** Those that are not the launcher's own alone. */
/** Below /tmp anybody may have been first: tasks of all begin in it, and a link would take their own /tmp from them. */
function refuseForeign(localTempDir: string): void {
  const isOpen = (statSync(dirname(localTempDir)).mode & 0o002) !== 0
  const found = lstatSync(localTempDir)
  if (!isOpen || (found.isDirectory() && found.uid === 0)) return
  throw new AppError(
    'not_permitted',
    `${localTempDir} was made by somebody else than root: remove it, or set local_temp_dir to another directory`,
  )
}

async function makeDirectories({ localTempDir, sharedDir }: LauncherConfig): Promise<void> {
  // chmod(2) beside it: the umask has no say here, as tasks of any user work in it
  if (mkdirSync(localTempDir, { recursive: true, mode: 0o755 }) !== undefined) chmodSync(localTempDir, 0o1777)
  refuseForeign(localTempDir)
  if (sharedDir === null) return
  // by programs, as none of our own threads may wait for that directory
  const folders = logStreams.map((stream) => logFolder(sharedDir, stream))
  const { code, stderr, isLate } = await runBriefly(['mkdir', '-p', '-m', '755', '--', ...folders], sharedMs)
  if (code !== 0)
    throw new AppError(
      'unavailable',
      `cannot make folders for output in ${sharedDir}: ${isLate ? 'it does not answer' : stderr.trim()}`,
    )
  for (const folder of folders) checkRootsAlone(folder)
}

/** Of one boot: what it marks does not outlive that either. */
function launcherId(places: Places): string {
  const path = join(places.attempts, 'id')
  try {
    const known = readFileSync(path, 'utf8').trim()
    if (known !== '') return known
  } catch {
    // the first of this boot
  }
  const made = randomUUID()
  writeFileSync(path, `${made}\n`, { mode: 0o600 })
  return made
}

function log(message: string, fields: Record<string, unknown> = {}): void {
  process.stderr.write(`${message} ${JSON.stringify(fields)}\n`)
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    const isExpected = error instanceof AppError
    process.stderr.write(`hakuriver launcher: ${isExpected ? error.message : (error as Error).stack}\n`)
    process.exit(isExpected ? errorTable[error.code].exit : 1)
  },
)
