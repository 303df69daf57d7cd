/** A cluster of real processes on this machine: one host and any number of runners, each from its bundle. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedTls } from '../../src/platform/tls-pin.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { Api } from './api.ts'
import { bundle, Program, temporaryDir } from './program.ts'

export interface LocalClusterOptions {
  /** Names of the nodes; default: one, `n1`. */
  nodes?: string[]
  executor?: 'process' | 'fake' | 'auto'
  hostArgs?: string[]
  runnerArgs?: string[]
  heartbeatSeconds?: number
  /** A disk of its own for the host, of this size (`64M`), that can be filled; needs root. */
  homeDisk?: string
}

export class LocalCluster {
  readonly dir: string
  /** The latest runner of each name. */
  readonly runners = new Map<string, Program>()
  private readonly started: Program[] = []
  api: Api
  host: Program
  private readonly options: LocalClusterOptions
  private readonly remove: () => void
  private port = 0

  private constructor(options: LocalClusterOptions, dir: { path: string; remove: () => void }) {
    this.options = options
    this.dir = dir.path
    this.remove = dir.remove
    mkdirSync(this.home)
    if (options.homeDisk !== undefined) mountDisk(this.home, options.homeDisk)
    this.host = this.spawnHost()
    this.api = new Api('http://127.0.0.1:1', null)
  }

  /** Resolves when all its nodes are online. */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const cluster = new LocalCluster(options, temporaryDir())
    await cluster.hostReady()
    for (const name of options.nodes ?? ['n1']) {
      if (cluster.api.url.startsWith('https:')) await cluster.join(name)
      cluster.startRunner(name)
    }
    await cluster.allOnline()
    return cluster
  }

  get home(): string {
    return join(this.dir, 'home')
  }

  /** Makes a machine a node of a host that speaks TLS, as `hakuriver join` does. */
  async join(name: string): Promise<void> {
    const { items } = await this.api.client.makeJoinTokens({ body: { node: name } })
    const words = ['--join', items[0]?.invitation ?? '', '--name', name, '--state-dir', join(this.dir, name)]
    const joining = new Program(process.execPath, [bundle('runner'), ...words], { HAKURIVER_HOME: this.home })
    const { code } = await joining.ended
    if (code !== 0) throw new Error(`${name} cannot join: ${joining.stderr}`)
  }

  startRunner(name: string, ...args: string[]): Program {
    const isTls = this.api.url.startsWith('https:')
    const token = isTls ? [] : ['--join-token-file', join(this.home, 'join-token')]
    const own = ['--host', this.api.url, '--name', name, ...token]
    const dirs = ['--state-dir', join(this.dir, name), '--local-temp-dir', join(this.dir, `${name}-tmp`)]
    // a runner that is root runs nothing unless it is told as whom
    const user = process.getuid?.() === 0 ? ['--task-user', 'nobody'] : []
    const executor = ['--executor', this.options.executor ?? 'process', ...user]
    const runner = new Program(
      process.execPath,
      [bundle('runner'), ...own, ...dirs, ...executor, ...(this.options.runnerArgs ?? []), ...args],
      { HAKURIVER_HOME: this.home },
    )
    this.runners.set(name, runner)
    this.started.push(runner)
    return runner
  }

  runner(name: string): Program {
    const runner = this.runners.get(name)
    if (runner === undefined) throw new Error(`there is no runner ${name}`)
    return runner
  }

  async allOnline(): Promise<void> {
    await waitFor('all nodes are online', async () => {
      const { items } = await this.api.client.listNodes({})
      const online = items.filter(({ status }) => status === 'online').map(({ name }) => name)
      return [...this.runners.keys()].every((name) => online.includes(name))
    })
  }

  /** Ends the host with a signal and starts it again on the same port. */
  async restartHost(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.host.stop(signal)
    await this.startHost()
  }

  /** Starts a host that has ended, on the same port. */
  async startHost(): Promise<void> {
    this.host = this.spawnHost()
    await this.hostReady()
  }

  /** Runs the command line against this cluster. */
  cli(...args: string[]): Program {
    return new Program(process.execPath, [bundle('hakuriver'), ...args], {
      HAKURIVER_HOME: this.home,
      HAKURIVER_HOST_URL: '',
      HAKURIVER_TOKEN: '',
    })
  }

  async close(): Promise<void> {
    this.api.close()
    const programs = [...this.started, this.host].filter(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    )
    await Promise.all(programs.map((program) => program.stop()))
    if (this.options.homeDisk !== undefined) execFileSync('umount', [this.home])
    this.remove()
  }

  private spawnHost(): Program {
    const timing = ['--heartbeat', String(this.options.heartbeatSeconds ?? 1)]
    return new Program(
      process.execPath,
      [
        bundle('host'),
        '--state-dir',
        this.home,
        '--port',
        String(this.port),
        ...timing,
        ...(this.options.hostArgs ?? []),
      ],
      { HAKURIVER_HOME: this.home },
    )
  }

  private async hostReady(): Promise<void> {
    const path = join(this.home, 'host.json')
    const { url, caFile } = await waitFor(`the host is ready (${this.host.stderr})`, () => {
      if (this.host.child.exitCode !== null) throw new Error(`the host ended: ${this.host.stderr}`)
      if (!existsSync(path)) return null
      const known = JSON.parse(readFileSync(path, 'utf8')) as HostFile // written by the host
      return known.pid === this.host.pid ? known : null
    })
    this.port = Number(new URL(url).port)
    const tokenFile = join(this.home, 'admin-token')
    this.api.close()
    const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : null
    const tls = caFile === undefined ? undefined : pinnedTls(readFileSync(caFile, 'utf8'))
    this.api = new Api(url, token, undefined, tls)
  }
}

interface HostFile {
  url: string
  pid: number
  caFile?: string
}

/** Puts a disk of so many bytes (`64M`) over a directory. */
export function mountDisk(path: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'none', path])
}
