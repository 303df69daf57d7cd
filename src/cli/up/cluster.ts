/** A cluster of one: host and runner of this machine as two supervised children. */
import { closeSync, openSync, renameSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import { makePrivateDir } from '../../platform/files.ts'
import type { NodeView } from '../../protocol/schemas.ts'
import { findHost } from '../host-address.ts'
import type { Io } from '../io.ts'
import { programFile } from '../sibling.ts'
import { createHost, type Host } from '../transport.ts'
import { identify, isAlive, type ProcessId, readUpState, writeUpState } from './state.ts'
import { type Supervised, supervise } from './supervise.ts'

export interface ClusterOptions {
  io: Io
  home: string
  /** This program's own file: the others lie beside it. */
  ownFile: string
  /** null: what the configuration says. */
  port: number | null
  say: (line: string) => void
}

export interface Cluster {
  host: Host
  node: NodeView
  stop(): Promise<void>
}

const readyDeadlineMs = 30_000
const stopGraceMs = 10_000
const probeMs = 50
const largestLogBytes = 10 * 1024 * 1024

/**
 * Starts host and runner and resolves when the node is online.
 * @throws AppError with the last lines of the log where one of them does not come up
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { home } = options
  await stopOrphans(home, options.say)
  const logs = join(home, 'logs')
  await makePrivateDir(logs)
  const parts = new Parts(options, logs)
  try {
    const before = fileStamp(join(home, 'host.json'))
    let url: string | null = null
    parts.add('host', () => ['--state-dir', home, ...portFlag(url, options.port)])
    const host = await parts.until('host', () => hostWhenReady(options, before))
    url = host.address.url
    const hostUrl = url
    parts.add('runner', () => ['--host', hostUrl, '--join-token-file', join(home, 'join-token'), '--state-dir', join(home, 'runner')])
    const node = await parts.until('runner', () => onlineNode(host))
    return { host, node, stop: () => parts.stop() }
  } catch (error) {
    await parts.stop()
    throw error
  }
}

/** A host that comes back after a death takes the port that the runner knows. */
function portFlag(url: string | null, port: number | null): string[] {
  if (url !== null) return ['--port', new URL(url).port]
  return port === null ? [] : ['--port', String(port)]
}

/** The children and their logs. */
class Parts {
  private readonly options: ClusterOptions
  private readonly logs: string
  private readonly children: { name: string; child: Supervised; fd: number }[] = []
  private readonly pids = new Map<string, ProcessId>()

  constructor(options: ClusterOptions, logs: string) {
    this.options = options
    this.logs = logs
  }

  add(name: 'host' | 'runner', args: () => string[]): void {
    const { io, home, ownFile, say } = this.options
    const fd = openLog(this.logPath(name))
    const child = supervise({
      name,
      command: process.execPath,
      args: () => [programFile(name, ownFile), ...args()],
      env: { ...io.env, HAKURIVER_HOME: home },
      outputFd: fd,
      onStart: (pid) => this.note(name, pid),
      onDeath: (how, inMs) => say(`The ${name} ended by itself (${how}); starting it again in ${inMs / 1000} s. Its log: ${this.logPath(name)}`),
    })
    this.children.push({ name, child, fd })
  }

  /** What the probe finds, unless the child dies or the time is up first. */
  async until<T>(name: string, probe: () => Promise<T | null>): Promise<T> {
    const { io } = this.options
    const end = io.now() + readyDeadlineMs
    const child = this.children.find((each) => each.name === name)?.child
    for (;;) {
      const found = await probe()
      if (found !== null) return found
      const death = child?.death() ?? null
      if (death !== null) throw await this.failure(name, `did not start (${death})`)
      if (io.now() > end) throw await this.failure(name, `was not ready within ${readyDeadlineMs / 1000} s`)
      await sleep(probeMs)
    }
  }

  async stop(): Promise<void> {
    for (const { child, fd } of this.children.splice(0).reverse()) {
      await child.stop(stopGraceMs)
      closeSync(fd)
    }
  }

  /** Written at once and synchronously enough: a crash of ours right now must leave no unknown child. */
  private note(name: string, pid: number): void {
    const id = identify(pid)
    const up = identify(process.pid)
    if (id === null || up === null) return
    this.pids.set(name, id)
    const state = { up, url: null, isReady: false, children: [...this.pids.values()] }
    writeUpState(this.options.home, state).catch((error: unknown) => this.options.say(`Cannot write up.json: ${String(error)}`))
  }

  private async failure(name: string, what: string): Promise<AppError> {
    const path = this.logPath(name)
    const lines = (await readFile(path, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-3)
    return new AppError('conflict', `the ${name} ${what}\n${lines.map((line) => `  | ${line}`).join('\n')}`, {
      details: { fix: `Its whole log: ${path}` },
    })
  }

  private logPath(name: string): string {
    return join(this.logs, `${name}.log`)
  }
}
