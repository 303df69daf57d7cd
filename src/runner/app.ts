/** Puts a runner on this machine: its directories and lock, its identity, and what it uses of the system. */
import { chmodSync, mkdirSync } from 'node:fs'
import type { Capacity } from '../core/node.ts'
import { systemClock } from '../platform/clock.ts'
import { systemDisk } from '../platform/disk.ts'
import { lockDirectory } from '../platform/instance-lock.ts'
import type { Log } from '../platform/log.ts'
import { logFolder } from '../platform/log-paths.ts'
import { boundedReader, readLogPart } from '../platform/log-reader.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { dialWebSocket } from '../platform/wire.ts'
import { logStreams } from '../protocol/routes.ts'
import { startAgent } from './agent.ts'
import { chooseExecutor, usesLauncher } from './choose-executor.ts'
import { currentJoinToken, type RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { detectCapacity, LoadMeter, readBootId } from './hardware.ts'
import { dialTls, readRunnerId } from './identity.ts'
import { LogLimit } from './log-limit.ts'
import { RunnerLogs } from './logs.ts'
import { attemptsDir } from './paths.ts'
import { Renewal } from './renewal.ts'
import { taskUserFor } from './task-user.ts'

/** How long the shared directory may take to answer. */
const sharedMs = 5_000
/** Of the four threads that wait for all files of this process (libuv), so many may wait for that directory. */
const sharedReads = 2

export interface RunnerOptions {
  config: RunnerConfig
  log: Log
  /** What the node has; default: what is found on this machine. */
  capacity?: Capacity
  /** Builds the executor; tests hand in their own. */
  makeExecutor?: (config: RunnerConfig, deps: ExecutorDeps) => Promise<Executor>
}

export interface Runner {
  nodeName: string
  executor: Executor['info']
  isLinked: () => boolean
  /** Stops; tasks go on. */
  close(): Promise<void>
}

/** @throws AppError when another runner uses the state directory, or no executor works here */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const { config, log } = options
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 })
  if (!usesLauncher(config)) await makeTaskDirectories(config, log)
  const lock = await lockDirectory(config.stateDir, 'runner')
  const identity = { runnerId: await readRunnerId(config.stateDir), bootId: readBootId() }
  const meter = new LoadMeter()
  const read = config.sharedDir === null ? readLogPart : boundedReader(sharedReads, sharedMs)
  // there is none before the agent, and none is asked for before that has linked
  let onRenew = () => {}
  let logs: RunnerLogs | null = null // the executor says where they lie
  const logsOf = () => {
    if (logs === null) throw new Error('there is no executor yet')
    return logs
  }
  const agent = await startAgent({
    config,
    joinToken: () => currentJoinToken(config),
    tls: () => dialTls(config),
    onRenew: () => onRenew(),
    identity,
    attemptsDir: attemptsDir(config.stateDir, identity.runnerId),
    taskUserFor: (owner, executor) => taskUserFor(owner, config, executor),
    clock: systemClock,
    disk: systemDisk,
    dial: dialWebSocket,
    random: Math.random,
    log,
    makeExecutor: async (deps) => {
      const executor = await (options.makeExecutor ?? chooseExecutor)(config, deps)
      logs = new RunnerLogs(config.sharedDir ?? executor.logs?.logsDir ?? config.stateDir, read)
      return executor
    },
    detectCapacity: async () => options.capacity ?? (await detectCapacity(config.numactlPath)),
    measureLoad: ({ numaNodes }) => meter.measure(numaNodes),
    makeLogLimit: ({ logs: owner }) =>
      new LogLimit({
        ...{ limitBytes: config.logLimitBytes, isShared: config.sharedDir !== null, log },
        ...(owner !== undefined && { owner }),
      }),
    readLog: (request, attempts, signal) => logsOf().read(request, attempts, signal),
    viewLog: (request, attempts, signal) => logsOf().view(request, attempts, signal),
  })
  const { stateDir, hostUrl } = config
  const renewal = new Renewal({ stateDir, hostUrl, clock: systemClock, log, onRenewed: () => agent.redial() })
  onRenew = () => renewal.renew()
  renewal.start()
  return {
    nodeName: config.nodeName,
    executor: agent.executor,
    isLinked: agent.isLinked,
    close: async () => {
      await renewal.close()
      await agent.close()
      await logs?.close()
      await lock.release()
    },
  }
}

/** What tasks work in and write to; where the launcher starts them, it makes these. */
async function makeTaskDirectories({ localTempDir, sharedDir }: RunnerConfig, log: Log): Promise<void> {
  // chmod(2) beside it: the umask has no say here, as tasks of any user work in it
  if (mkdirSync(localTempDir, { recursive: true }) !== undefined) chmodSync(localTempDir, 0o1777)
  if (sharedDir !== null) await makeSharedFolders(sharedDir, log)
}

/** By programs, as none of our own threads may wait for that directory. */
async function makeSharedFolders(sharedDir: string, log: Log): Promise<void> {
  const folders = logStreams.map((stream) => logFolder(sharedDir, stream))
  const { code, stderr, isLate } = await runBriefly(['mkdir', '-p', '-m', '755', '--', ...folders], sharedMs)
  if (code !== 0) {
    const why = isLate ? 'it does not answer' : stderr.trim()
    log.error({ sharedDir, why }, 'Cannot make the folders for output in the shared directory')
    return
  }
  const looked = await runBriefly(['stat', '-c', '%f %n', '--', sharedDir, ...folders], sharedMs)
  for (const line of looked.stdout.split('\n').filter((line) => line !== '')) {
    const [mode = '', path = ''] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
    const problem = folderProblem(Number.parseInt(mode, 16), path, path === sharedDir)
    if (problem !== null) log.warn({ path }, problem)
  }
}

const modeBits = { kind: 0o170000, directory: 0o040000, link: 0o120000, sticky: 0o1000, others: 0o022 }

/**
 * What is wrong with the mode (inode(7)) of the shared directory, or of a folder for output in it: a task that may
 * rename what is in it can put its own files in the place of logs. null: nothing.
 */
export function folderProblem(mode: number, path: string, isShared: boolean): string | null {
  const kind = mode & modeBits.kind
  if (kind === modeBits.link && isShared) return null
  if (kind !== modeBits.directory)
    return `${path} is no directory of its own, so no output can be read there: make it one, or mount what you want there`
  if ((mode & modeBits.others) === 0) return null
  if (isShared && (mode & modeBits.sticky) !== 0) return null
  const fix = isShared ? `chmod +t ${path}` : `chmod 755 ${path}`
  return `others may write in ${path}, so a task can put something else in the place of logs: type ${fix}`
}
