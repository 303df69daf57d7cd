/** A launcher within the test's own process, behind a real socket, with any executor in it. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usualUidMin } from '../../core/local-user.ts'
import { ownUserName } from '../../platform/own-user.ts'
import type { Executor, ExecutorDeps, LaunchSpec } from '../executors/executor.ts'
import { findUser } from '../users.ts'
import type { LauncherConfig } from './config.ts'
import { Places } from './places.ts'
import { RemoteExecutor } from './remote-executor.ts'
import { serve } from './serve.ts'
import { LauncherServer } from './server.ts'

export type MakeExecutor = (deps: ExecutorDeps) => Executor | Promise<Executor>

export interface TestLauncherOptions {
  root: string
  make: MakeExecutor
  /** Of the API user `admin`; default: the test's own. */
  user?: string
  config?: Partial<LauncherConfig>
  runnerId?: string
  bootId: string
}

let lastSocket = 0

/** It may end and start again on the same socket, as the service does. */
export class TestLauncher {
  readonly socketPath: string
  readonly places: Places
  readonly config: LauncherConfig
  readonly logged: string[] = []
  private readonly options: TestLauncherOptions
  private server: Server | null = null
  private readonly connections = new Set<Socket>()
  private readonly served = new Set<Promise<void>>()

  constructor(options: TestLauncherOptions) {
    const { root, user = ownUserName(), runnerId = 'runner-1' } = options
    this.options = options
    lastSocket += 1
    // the path of a socket is short (unix(7)), that of a test's directory may not be
    this.socketPath = join(tmpdir(), `hr-launcher-${process.pid}-${lastSocket}`)
    this.places = placesOf(root, runnerId)
    this.config = {
      ...{ nodeName: 'n1', runnerUser: 'hakuriver', stateDir: join(root, 'state'), sharedDir: null },
      ...{ localTempDir: join(root, 'work'), numactlPath: '', users: { admin: user }, taskUser: null },
      ...{ privateTmp: true, tasksMax: 1_000, logLimitBytes: null, ...options.config },
    }
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => this.accept(socket))
    this.server = server
    await new Promise<void>((resolve) => server.listen(this.socketPath, resolve))
  }

  /** As at a crash: nothing is said any more. */
  async stop(): Promise<void> {
    const { server } = this
    this.server = null
    for (const connection of this.connections) connection.destroy()
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())))
    await Promise.all(this.served)
    rmSync(this.socketPath, { force: true })
  }

  private accept(socket: Socket): void {
    this.connections.add(socket)
    const served = serve({
      stream: socket,
      log: (message) => this.logged.push(message),
      open: (send) => this.open(send),
    })
      .catch((error: unknown) => void this.logged.push(String(error)))
      .finally(() => {
        this.connections.delete(socket)
        this.served.delete(served)
      })
    this.served.add(served)
  }

  private open(send: (line: string) => void): Promise<LauncherServer> {
    const isRoot = process.getuid?.() === 0
    return LauncherServer.open({
      ...{ config: this.config, places: this.places, send, now: Date.now, bootId: this.options.bootId },
      rights: {
        ...{ node: 'n1', ownUser: ownUserName(), canSwitch: isRoot, deniesRest: true },
        ...{ uidMin: usualUidMin, find: findUser, keptUser: 'hakuriver' },
      },
      launcherId: this.options.runnerId ?? 'runner-1',
      openExecutor: async (deps) => this.options.make(deps),
    })
  }
}

function placesOf(root: string, runnerId: string): Places {
  const base = join(root, `of-${runnerId}`)
  mkdirSync(base, { recursive: true })
  chmodSync(base, 0o755)
  const gid = process.getgid?.() ?? 0
  return new Places({ runDir: join(base, 'run'), stateDir: join(base, 'state'), sharedDir: null, gid })
}

/** For the suite of executors: each runner with a launcher of its own. */
export function throughLauncher(
  make: MakeExecutor,
  rootOf: () => string,
  user?: string,
): (deps: ExecutorDeps) => Promise<Executor> {
  return async (deps) => {
    const { runnerId, bootId } = deps
    const launcher = new TestLauncher({
      root: rootOf(),
      make,
      runnerId,
      bootId,
      ...(user !== undefined && { user }),
    })
    await launcher.listen()
    const executor = await RemoteExecutor.open({ socketPath: launcher.socketPath }, deps)
    const close = executor.close.bind(executor)
    executor.close = async () => {
      await close()
      await launcher.stop()
    }
    return executor
  }
}

/** Where a launch has its logs when the launcher makes them. */
export function placedByLauncher(launch: LaunchSpec, root: string, runnerId: string): LaunchSpec {
  const places = placesOf(root, runnerId)
  const { taskId } = launch
  return {
    ...launch,
    taskDir: places.attemptDir(launch),
    stdoutPath: places.logPath('stdout', taskId),
    stderrPath: places.logPath('stderr', taskId),
  }
}
