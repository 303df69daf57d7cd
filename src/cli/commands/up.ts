/** `hakuriver up`: a cluster on this machine, in the foreground or in the background. */
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isLoopback } from '../../core/address.ts'
import { AppError, exitCodes } from '../../core/errors.ts'
import { count, printable } from '../../core/text.ts'
import { formatBytes } from '../../core/units.ts'
import { urlOfHost } from '../../platform/config.ts'
import { makePrivateDir } from '../../platform/files.ts'
import { type InstanceLock, lockDirectory } from '../../platform/instance-lock.ts'
import type { NodeView } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { makeLoginLink } from '../login-link.ts'
import { ownAddress } from '../own-address.ts'
import { ownFile } from '../sibling.ts'
import type { Host } from '../transport.ts'
import { ownHost, startCluster } from '../up/cluster.ts'
import { startDetached } from '../up/detach.ts'
import { readUpSettings, taskUserOf, type UpSettings, weakestUser } from '../up/settings.ts'
import { isAlive, readUpState, type UpState } from '../up/state.ts'

export interface UpOptions {
  /** null: what the configuration says. */
  port: number | null
  detach: boolean
}

/** A cluster that works. */
interface Up {
  host: Host
  url: string
  pid: number
  node: NodeView
}

/** Another `up` that is just starting is waited for. */
const otherDeadlineMs = 75_000
const lookMs = 50

/** Starts a cluster unless one runs. `own` is this program's file: host and runner lie beside it. */
export async function up(options: UpOptions, given: Context, own: string = ownFile()): Promise<number> {
  const context = withConfigFile(given)
  const { home, io } = context
  const settings = readUpSettings(io, home)
  await makePrivateDir(home)
  const interrupt = new AbortController()
  const stopListening = io.onInterrupt(() => interrupt.abort())
  try {
    const lock = await takeLock(home)
    if (lock === null) return await tellRunning(await otherUp(home, interrupt.signal), context)
    if (!options.detach) return await runHere(options, settings, own, lock, interrupt.signal, context)
    await lock.release()
    const words = options.port === null ? [] : ['--port', String(options.port)]
    const state = await startDetached({ home, ownFile: own, words, env: io.env, signal: interrupt.signal })
    const host = await ownHost(home, io)
    const node = await host.client.getNode({ params: { name: state.node } })
    await tellUp({ host, url: state.url ?? '', pid: state.up.pid, node }, settings, true, context)
    return exitCodes.ok
  } finally {
    stopListening()
  }
}

/** A file that was named by flag is handed on to host and runner, and to the `up` in the background. */
function withConfigFile(context: Context): Context {
  const { configFile, io } = context
  if (configFile === null) return context
  return { ...context, io: { ...io, env: { ...io.env, HAKURIVER_CONFIG: resolve(configFile) } } }
}

/** null: another `up` has it. The kernel lets go of it with the process, however that ends. */
async function takeLock(home: string): Promise<InstanceLock | null> {
  try {
    return await lockDirectory(home, 'up')
  } catch (error) {
    if (error instanceof AppError && error.code === 'conflict') return null
    throw error
  }
}

async function runHere(
  options: UpOptions,
  settings: UpSettings,
  own: string,
  lock: InstanceLock,
  signal: AbortSignal,
  context: Context,
): Promise<number> {
  const { home, io } = context
  // Nobody may be there to read it any more: that must not end the cluster.
  const say = (line: string) => void context.note(line).catch(() => {})
  try {
    const cluster = await startCluster({
      io,
      home,
      ownFile: own,
      port: options.port,
      node: settings.node,
      taskUser: taskUserOf(settings),
      say,
      signal,
    })
    try {
      await tellUp(
        { host: cluster.host, url: cluster.host.address.url, pid: process.pid, node: cluster.node },
        settings,
        false,
        context,
      )
      if (!signal.aborted)
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        )
      say('\nStopping …')
    } finally {
      await cluster.stop()
    }
    say('Stopped. What was running goes on, and is found again by the next `hakuriver up`.')
  } catch (error) {
    if (!signal.aborted) throw error
    say('\nStopped before the cluster was up.')
  } finally {
    await lock.release()
  }
  return exitCodes.ok
}

/** The state of the other `up`, once its cluster works. */
async function otherUp(home: string, signal: AbortSignal): Promise<UpState> {
  for (const end = performance.now() + otherDeadlineMs; performance.now() < end && !signal.aborted; ) {
    const state = await readUpState(home)
    if (state !== null && state.url !== null && isAlive(state.up)) return state
    await sleep(lookMs, undefined, { signal }).catch(() => {})
  }
  throw new AppError(
    'conflict',
    `another \`hakuriver up\` is starting in ${home}, but its cluster does not come up`,
    {
      details: { fix: 'Stop it with `hakuriver down`, then look into its logs.' },
    },
  )
}

async function tellRunning(state: UpState, context: Context): Promise<number> {
  const { url, node, up } = state
  if (context.json) await context.printJson({ url, pid: up.pid, node, home: context.home })
  else
    await context.print(`HakuRiver is up already at ${url} (process ${up.pid}); \`hakuriver down\` stops it.`)
  return exitCodes.ok
}

async function tellUp(
  running: Up,
  settings: UpSettings,
  isDetached: boolean,
  context: Context,
): Promise<void> {
  const { url, pid, node } = running
  if (context.json) return context.printJson({ url, pid, node: node.name, home: context.home })
  const { colors, io } = context
  await context.print([
    `${colors.bold('HakuRiver is up')} at ${colors.cyan(url)}`,
    '',
    ...nodeLines(node, context),
    ...(taskUserOf(settings) === null
      ? []
      : [`  tasks     run as ${weakestUser}; name others under [users] in config.toml`]),
    '',
    isDetached ? 'Now type:' : 'Now type, in another terminal:',
    '  hakuriver submit -- echo hello',
    '  hakuriver logs -f last',
    '  hakuriver ps',
    '',
    ...joinLines(url, settings, context),
    '',
    ...(await webLines(running, context)),
    '',
    isDetached
      ? 'It goes on in the background; `hakuriver down` stops it.'
      : 'Ctrl-C stops it; tasks that run go on.',
  ])
  const elsewhere = io.env.HAKURIVER_HOST_URL
  if (elsewhere && elsewhere.replace(/\/+$/, '') !== url) {
    await context.note(
      colors.yellow(
        `HAKURIVER_HOST_URL is set to ${printable(elsewhere)}: commands in this shell go there, not here.`,
      ),
    )
  }
}

async function webLines({ host, url }: Up, { colors }: Context): Promise<string[]> {
  try {
    const link = await makeLoginLink(host)
    return [
      `Web: ${colors.cyan(link.url)}`,
      'This link logs one browser in, within five minutes; `hakuriver web` prints another.',
    ]
  } catch {
    // a cluster that works is not given up for this
    return [`Web: ${colors.cyan(url)}`, '`hakuriver web` prints a link that logs a browser in.']
  }
}

function nodeLines(node: NodeView, { colors }: Context): string[] {
  const { name, why, enforcesLimits } = node.executor
  const lines = [
    `  node      ${printable(node.name)}: ${count(node.cores, 'core')}, ${formatBytes(node.memoryBytes)}`,
    `  executor  ${name}: ${printable(why)}`,
  ]
  if (enforcesLimits) return lines
  return [
    ...lines,
    colors.yellow('  limits    not enforced: a task can take more cores and memory than it asked for'),
  ]
}

/** A host that only this machine can reach has to be started anew before others can join. */
function joinLines(url: string, { bindAddress }: UpSettings, { home }: Context): string[] {
  if (isLoopback(bindAddress)) {
    return [
      'To add machines, let them reach it; `hakuriver join-token` then prints what to paste there:',
      '  hakuriver down && HAKURIVER_HOST_BIND_IP=0.0.0.0 hakuriver up --detach',
    ]
  }
  if (url.startsWith('https:'))
    return ['To add a machine, type this here, and paste what it prints there:', '  hakuriver join-token']
  const { port } = new URL(url)
  const address = bindAddress === '0.0.0.0' || bindAddress === '::' ? ownAddress() : bindAddress
  return [
    `To add a machine, copy ${join(home, 'join-token')} to it, and type there:`,
    `  hakuriver runner --host ${urlOfHost(address, Number(port || 80))} --join-token-file join-token`,
  ]
}
