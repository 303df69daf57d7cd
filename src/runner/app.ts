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
import { chooseExecutor } from './choose-executor.ts'
import { currentJoinToken, type RunnerConfig } from './config.ts'
import type { Executor, ExecutorDeps } from './executors/executor.ts'
import { detectCapacity, LoadMeter, readBootId } from './hardware.ts'
import { dialTls, readRunnerId } from './identity.ts'
import { LogLimit } from './log-limit.ts'
import { RunnerLogs } from './logs.ts'
import { attemptsDir } from './paths.ts'
import { Renewal } from './renewal.ts'

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
  // chmod(2) beside it: the umask has no say here, as tasks of any user work in it
  if (mkdirSync(config.localTempDir, { recursive: true }) !== undefined)
    chmodSync(config.localTempDir, 0o1777)
  if (config.sharedDir !== null) await makeSharedFolders(config.sharedDir, log)
  const lock = await lockDirectory(config.stateDir, 'runner')
  const identity = { runnerId: await readRunnerId(config.stateDir), bootId: readBootId() }
  const meter = new LoadMeter()
  const read = config.sharedDir === null ? readLogPart : boundedReader(sharedReads, sharedMs)
  const logs = new RunnerLogs(config.sharedDir ?? config.stateDir, read)
  // there is none before the agent, and none is asked for before that has linked
  let onRenew = () => {}
  const agent = await startAgent({
    config,
    joinToken: () => currentJoinToken(config),
    tls: () => dialTls(config),
    onRenew: () => onRenew(),
    identity,
    attemptsDir: attemptsDir(config.stateDir, identity.runnerId),
    taskUser: config.taskUser ?? (process.getuid?.() === 0 ? 'nobody' : null),
    clock: systemClock,
    disk: systemDisk,
    dial: dialWebSocket,
    random: Math.random,
    log,
    makeExecutor: (deps) => (options.makeExecutor ?? chooseExecutor)(config, deps),
    detectCapacity: async () => options.capacity ?? (await detectCapacity(config.numactlPath)),
    measureLoad: ({ numaNodes }) => meter.measure(numaNodes),
    logLimit: new LogLimit({ limitBytes: config.logLimitBytes, isShared: config.sharedDir !== null, log }),
    readLog: (request, attempts, signal) => logs.read(request, attempts, signal),
    viewLog: (request, attempts, signal) => logs.view(request, attempts, signal),
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
      await logs.close()
      await lock.release()
    },
  }
}

/** By mkdir(1), as none of our own threads may wait for that directory. */
async function makeSharedFolders(sharedDir: string, log: Log): Promise<void> {
  const folders = logStreams.map((stream) => logFolder(sharedDir, stream))
  const { code, stderr, isLate } = await runBriefly(['mkdir', '-p', '-m', '755', '--', ...folders], sharedMs)
  if (code === 0) return
  const why = isLate ? 'it does not answer' : stderr.trim()
  log.error({ sharedDir, why }, 'Cannot make the folders for output in the shared directory')
}
