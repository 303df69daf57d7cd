/** A cluster of one: host and runner of this machine as two supervised children. */
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import { parseInvitation, printInvitation } from '../../core/invitation.ts'
import { makePrivateDir, readTextIfThere } from '../../platform/files.ts'
import type { Io } from '../../platform/io.ts'
import type { NodeView } from '../../protocol/schemas.ts'
import { isPassing } from '../event-stream.ts'
import { findHost } from '../host-address.ts'
import { joinByRunner } from '../run-join.ts'
import { type ProgramName, programFile } from '../sibling.ts'
import { createHost, type Host } from '../transport.ts'
import { type LogFile, lastLines, openLog } from './log-file.ts'
import { type ChildId, identify, isAlive, readUpState, removeUpState, writeUpState } from './state.ts'
import { stopProcesses } from './stop.ts'
import { type Supervised, supervise } from './supervise.ts'

export interface ClusterOptions {
  io: Io
  home: string
  /** This program's own file: the others lie beside it. */
  ownFile: string
  /** null: what the configuration says. */
  port: number | null
  /** Name that this machine's node will have. */
  node: string
  /** User of the tasks; null: as the runner decides. */
  taskUser: string | null
  /** Told what a person should know of later on: a child that died. */
  say: (line: string) => void
  /** Gives the start up. */
  signal: AbortSignal
}

export interface Cluster {
  host: Host
  node: NodeView
  /** Ends runner and host, in this order. */
  stop(): Promise<void>
}

const readyDeadlineMs = 30_000
const probeMs = 50

/** How long a child may take to end in order. */
export const stopGraceMs = 10_000

/**
 * Starts host and runner and resolves when the node is online. Whoever calls this holds the lock of `home`.
 * @throws AppError with the last lines of the log where one of them does not come up
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { home, io, port } = options
  await stopOrphans(home, options.say)
  const logs = join(home, 'logs')
  await makePrivateDir(logs)
  const parts = new Parts(options, logs)
  try {
    parts.add('host', () => ['--state-dir', home, ...portFlag(parts.url, port)])
    const host = await parts.until('host', () => hostWhenReady(options, parts.pidOf('host')))
    const { url } = host.address
    const startedMs = io.now()
    parts.url = url
    const stateDir = join(home, 'runner')
    const isTls = url.startsWith('https:')
    if (isTls) await joinOwn(host, stateDir, options)
    const token = isTls ? [] : ['--join-token-file', join(home, 'join-token')]
    const user = options.taskUser === null ? [] : ['--task-user', options.taskUser]
    parts.add('runner', () => ['--host', url, ...token, '--state-dir', stateDir, ...user])
    const node = await parts.until('runner', () => nodeWhenOnline(host, options.node, startedMs))
    parts.nowReady()
    return { host, node, stop: () => parts.stop() }
  } catch (error) {
    await parts.stop()
    throw error
  }
}

/** On a host that speaks TLS this machine joins as any other does, unless it has. */
async function joinOwn(
  host: Host,
  stateDir: string,
  { io, home, node, ownFile }: ClusterOptions,
): Promise<void> {
  const known = await readTextIfThere(join(stateDir, 'identity', 'ca.pem'))
  if (known !== null && known === host.address.ca()) return
  // for this very name: whose machine this is may have it
  const { items } = await host.client.makeJoinTokens({ body: { node } })
  const words = ['--state-dir', stateDir, '--name', node]
  const env = { ...io.env, HAKURIVER_HOME: home }
  // it is reached here, wherever others reach it
  const { fingerprint, secret } = parseInvitation(items[0]?.invitation ?? '')
  const invitation = printInvitation({ url: host.address.url, fingerprint, secret })
  await joinByRunner(invitation, words, env, ownFile)
}

/** The host of this home directory, whatever the environment of the user points to. */
export async function ownHost(home: string, io: Io): Promise<Host> {
  const address = await findHost({}, { env: { HAKURIVER_HOME: home }, userHome: io.userHome })
  return createHost(address, io.now)
}

/** A host that comes back after a death takes the port that the runner knows. */
function portFlag(url: string | null, port: number | null): string[] {
  if (url !== null) return ['--port', new URL(url).port || '80']
  return port === null ? [] : ['--port', String(port)]
}

/** Children that outlived an `up` which was killed: two hosts must not use one directory. */
async function stopOrphans(home: string, say: (line: string) => void): Promise<void> {
  const orphans = ((await readUpState(home))?.children ?? []).filter(isAlive)
  if (orphans.length === 0) return
  say(
    `Stopping what an earlier \`hakuriver up\` left behind: ${orphans.map(({ name }) => name).join(' and ')}.`,
  )
  await stopProcesses(orphans, orphans, stopGraceMs)
}

/** The host once it has said where it is and answers; null before. */
async function hostWhenReady({ home, io }: ClusterOptions, pid: number | null): Promise<Host | null> {
  const text = await readTextIfThere(join(home, 'host.json'))
  // An earlier host may have left its own.
  if (text === null || !isOfProcess(text, pid)) return null
  const host = await ownHost(home, io)
  return (await answered(() => host.client.ready({}))) === null ? null : host
}

function isOfProcess(text: string, pid: number | null): boolean {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && 'pid' in parsed && parsed.pid === pid
  } catch {
    return false
  }
}

/** The node once its new runner has been heard; null before. What the host remembers of an earlier one does not count. */
async function nodeWhenOnline(host: Host, name: string, startedMs: number): Promise<NodeView | null> {
  const node = await answered(() => host.client.getNode({ params: { name } }))
  return node?.status === 'online' && Date.parse(node.lastSeenAt) >= startedMs ? node : null
}

/** null where only the moment is against it, or what is asked for is not there yet. */
async function answered<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call()
  } catch (error) {
    if (isPassing(error) || (error instanceof AppError && error.code === 'not_found')) return null
    throw error
  }
}

interface Part {
  name: ProgramName
  child: Supervised
  log: LogFile
}

/** The children and their logs. */
class Parts {
  /** null: the host has not said it yet. */
  url: string | null = null
  private isReady = false
  private readonly options: ClusterOptions
  private readonly logs: string
  private readonly parts: Part[] = []
  private readonly ids = new Map<string, ChildId>()
  private readonly deaths = new Map<string, string>()

  constructor(options: ClusterOptions, logs: string) {
    this.options = options
    this.logs = logs
  }

  add(name: ProgramName, args: () => string[]): void {
    const { io, home, ownFile } = this.options
    const file = programFile(name, ownFile)
    const log = openLog(join(this.logs, `${name}.log`))
    const child = supervise({
      command: process.execPath,
      args: () => [file, ...args()],
      env: { ...io.env, HAKURIVER_HOME: home },
      outputFd: log.fd,
      onStart: (pid) => this.note(name, pid),
      onDeath: (how, inMs) => this.mourn(name, how, inMs, log.path),
    })
    this.parts.push({ name, child, log })
  }

  pidOf(name: ProgramName): number | null {
    return this.ids.get(name)?.pid ?? null
  }

  /** What the probe finds, unless the child dies, the signal comes or the time is up first. */
  async until<T>(name: ProgramName, probe: () => Promise<T | null>): Promise<T> {
    const { io, signal } = this.options
    const end = io.now() + readyDeadlineMs
    for (;;) {
      const found = await probe()
      signal.throwIfAborted()
      const death = this.deaths.get(name)
      if (death !== undefined) throw this.failure(name, `did not start (${death})`)
      if (found !== null) return found
      if (io.now() > end) throw this.failure(name, `was not ready within ${readyDeadlineMs / 1000} s`)
      await sleep(probeMs, undefined, { signal }).catch(() => {})
    }
  }

  nowReady(): void {
    this.isReady = true
    this.save()
  }

  async stop(): Promise<void> {
    for (const { child, log } of this.parts.splice(0).reverse()) {
      await child.stop(stopGraceMs)
      closeSync(log.fd)
    }
    removeUpState(this.options.home)
  }

  private note(name: ProgramName, pid: number): void {
    const id = identify(pid)
    if (id === null) return
    this.ids.set(name, { name, ...id })
    this.save()
  }

  private mourn(name: ProgramName, how: string, inMs: number, path: string): void {
    this.deaths.set(name, how)
    if (!this.isReady) return
    this.options.say(
      `The ${name} ended by itself (${how}); starting it again in ${inMs / 1000} s. Its log: ${path}`,
    )
  }

  private save(): void {
    const { home, node } = this.options
    const up = identify(process.pid)
    try {
      if (up === null) throw new Error('this process is not in /proc')
      writeUpState(home, { up, node, url: this.isReady ? this.url : null, children: [...this.ids.values()] })
    } catch (error) {
      // A full disk must not end a cluster that works: only `down` will know less.
      this.options.say(`Cannot write down which processes belong to this cluster: ${String(error)}`)
    }
  }

  private failure(name: ProgramName, what: string): AppError {
    const log = this.parts.find((part) => part.name === name)?.log
    const lines = log === undefined ? [] : lastLines(log)
    const isPortTaken = name === 'host' && lines.some((line) => /EADDRINUSE|in use|listens on/.test(line))
    const more = log === undefined ? '' : `Its whole log: ${log.path}`
    return new AppError(
      'conflict',
      [`the ${name} ${what}`, ...lines.map((line) => `  | ${line}`)].join('\n'),
      {
        details: { fix: isPortTaken ? 'Take another port: hakuriver up --port 0 takes any free one.' : more },
      },
    )
  }
}
