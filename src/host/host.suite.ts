/** A host in this process for tests, and a runner's side of the link that a test speaks itself. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { silentLog } from '../platform/log.ts'
import { pinnedTls } from '../platform/tls-pin.ts'
import { waitFor } from '../platform/wait.ts'
import { createClient, type HostClient } from '../protocol/client.ts'
import { type FromHost, type FromRunner, linkVersion } from '../protocol/link.ts'
import { linkPath } from '../protocol/routes.ts'
import { createHost, type Host, type HostOptions } from './app.ts'
import { call } from './call.suite.ts'
import { loadHostConfig } from './config.ts'
import { SqliteStore } from './store/sqlite.ts'
import type { Changes, Store } from './store/store.ts'

/** A store whose disk can be filled, and can be slow. */
export class TestStore extends SqliteStore {
  failure: Error | null = null
  /** Commits wait for it. */
  gate: Promise<void> | null = null
  commits = 0

  override async commit(changes: Changes): Promise<void> {
    await this.gate
    if (this.failure !== null) throw this.failure
    await super.commit(changes)
    this.commits += 1
  }
}

export class TestHost {
  readonly dir = mkdtempSync(join(tmpdir(), 'hakuriver-host-'))
  readonly runners: TestRunner[] = []
  host!: Host
  client!: HostClient
  store!: TestStore
  private argv: string[]
  private readonly options: Partial<HostOptions>

  private constructor(argv: string[], options: Partial<HostOptions>) {
    this.argv = argv
    this.options = options
  }

  static start(...argv: string[]): Promise<TestHost> {
    return TestHost.startWith({}, ...argv)
  }

  static async startWith(options: Partial<HostOptions>, ...argv: string[]): Promise<TestHost> {
    const started = new TestHost(argv, options)
    await started.boot()
    return started
  }

  /** Starts it (again) on the same directory. */
  async boot(): Promise<void> {
    // nobody falls silent by being slow: a test of silence asks for a short heartbeat
    const argv = ['--state-dir', this.dir, '--port', '0', '--heartbeat', '60', ...this.argv]
    const openStore = (path: string): Store => {
      this.store = new TestStore(path)
      return this.store
    }
    const config = loadHostConfig({ argv, env: {} })
    this.host = await createHost({ log: silentLog, openStore, ...this.options, config })
    const token = argv.includes('--insecure-loopback') ? 'none' : this.token('admin')
    this.client = createClient(async ({ method, path, body }) => {
      const answer = await call(this.host.url, method, path, {
        token,
        ...(body !== undefined && { body }),
        ...(this.host.url.startsWith('https:') && { tls: this.tls }),
      })
      if (answer.status < 300) return answer.json
      throw Object.assign(new Error(JSON.stringify(answer.json)), answer.json)
    })
  }

  /** Stops it and starts it again, with further options. */
  async restart(...argv: string[]): Promise<void> {
    await this.host.close()
    this.argv = [...this.argv, ...argv]
    await this.boot()
  }

  /** By what a host that speaks TLS is known on its own machine. */
  get tls(): { ca: string; servername: string } {
    const { caFile } = JSON.parse(readFileSync(join(this.dir, 'host.json'), 'utf8')) as { caFile: string } // written by the host
    return pinnedTls(readFileSync(caFile, 'utf8'))
  }

  token(kind: 'admin' | 'join'): string {
    return readFileSync(join(this.dir, `${kind}-token`), 'utf8').trim()
  }

  /** A runner that has opened its connection and said nothing yet. */
  async dial(): Promise<TestRunner> {
    const socket = new WebSocket(this.host.url.replace('http', 'ws') + linkPath, {
      headers: { authorization: `Bearer ${this.token('join')}` },
    })
    const runner = new TestRunner(socket)
    this.runners.push(runner)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    return runner
  }

  /** A linked runner. */
  async link(options: HelloOptions = {}): Promise<TestRunner> {
    const runner = await this.dial()
    runner.hello(options)
    await runner.heard('welcome')
    return runner
  }

  async close(): Promise<void> {
    for (const runner of this.runners) runner.cut()
    await this.host.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface HelloOptions {
  node?: string
  runnerId?: string
  bootId?: string
  version?: number
  cores?: number
  attempts?: Extract<FromRunner, { type: 'hello' }>['attempts']
}

type Attempts = Extract<FromRunner, { type: 'heartbeat' }>['attempts']

export class TestRunner {
  readonly socket: WebSocket
  readonly messages: FromHost[] = []
  /** false: as a connection that was given up before its hello came. */
  answersWelcome = true
  /** It answers `log_lines` and `log_search`. */
  logViews = false
  /** It takes secrets with a start. */
  secrets = true
  private helloAttempts: Attempts = []
  private seq = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as FromHost
      this.messages.push(message)
      // as a runner does
      if (message.type === 'welcome' && this.answersWelcome) this.beat(this.helloAttempts)
    })
    socket.on('error', () => {})
  }

  send(message: FromRunner): void {
    this.socket.send(JSON.stringify(message))
  }

  hello({
    node = 'n1',
    runnerId = 'runner-1',
    bootId = 'boot-1',
    version = linkVersion,
    cores = 4,
    attempts = [],
  }: HelloOptions = {}): void {
    this.helloAttempts = attempts
    this.send({
      type: 'hello',
      version,
      runnerVersion: 'test',
      node,
      runnerId,
      bootId,
      capacity: { cores, memoryBytes: 2 ** 33, numaNodes: [] },
      executor: {
        name: 'fake',
        why: 'a test',
        enforcesLimits: false,
        features: {
          privateNetwork: true,
          privatePids: true,
          numa: true,
          ...(version > 1 && { lease: true }),
        },
      },
      attempts,
    })
  }

  /** `beat`: the number that the host is to answer; left out: none. */
  beat(attempts: Extract<FromRunner, { type: 'heartbeat' }>['attempts'] = [], beat?: number): void {
    const load = { cpuPercent: 5, memoryUsedBytes: 1, numaNodes: [] }
    this.send({
      type: 'heartbeat',
      load,
      attempts,
      ...(beat !== undefined && { beat }),
      ...(this.logViews && { logViews: true }),
      ...(this.secrets && { secrets: true }),
    })
  }

  started(taskId: string, startedAtMs = 1_000): void {
    this.seq += 1
    this.send({ type: 'report', seq: this.seq, taskId, attempt: 1, event: { type: 'started', startedAtMs } })
  }

  exited(
    taskId: string,
    exitCode: number | null = 0,
    cause: 'exited' | 'killed' = 'exited',
    signal: string | null = null,
  ): number {
    this.seq += 1
    const exit = {
      cause,
      exitCode,
      signal,
      startedAtMs: 1_000,
      endedAtMs: 2_000,
      cpuTimeMs: 3,
      peakMemoryBytes: 4,
      reason: null,
    }
    this.send({ type: 'report', seq: this.seq, taskId, attempt: 1, event: { type: 'exited', exit } })
    return this.seq
  }

  /** The messages of a type so far. */
  all<T extends FromHost['type']>(type: T): Extract<FromHost, { type: T }>[] {
    return this.messages.filter((message): message is Extract<FromHost, { type: T }> => message.type === type)
  }

  /** The next message of a type, or the one that is there. */
  async heard<T extends FromHost['type']>(type: T, count = 1): Promise<Extract<FromHost, { type: T }>> {
    const found = await waitFor(`${count} × ${type}`, () => this.all(type)[count - 1])
    return found
  }

  cut(): void {
    this.socket.terminate()
  }

  async closed(): Promise<void> {
    await waitFor('the link is closed', () => this.socket.readyState === WebSocket.CLOSED)
  }
}
