/** A cluster on real systemd machines: the host on this computer, a runner as a service in each machine. */
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab, type LabOptions, type LabService } from '../lab/lab.ts'
import { LocalCluster } from './cluster.ts'

const runnerUnit = 'hakuriver-runner'

export interface LabClusterOptions extends LabOptions {
  hostArgs?: string[]
  runnerArgs?: string[]
  heartbeatSeconds?: number
  /** Host and nodes share a directory: `/shared` of the machines. */
  isShared?: boolean
  /** The runners are started by the caller. */
  isRunnerLate?: boolean
  /** Whom the runners run as, and with them the tasks; default: root, with tasks of `worker`. */
  runnerUser?: string
  /** As of `LocalCluster`. */
  homeDisk?: string
  /** Plain HTTP, and a join token that all use. */
  isPlain?: boolean
}

export class LabCluster {
  readonly lab: Lab
  readonly local: LocalCluster
  readonly names: string[]
  private readonly runnerArgs: string[]
  private readonly runnerUser: string | undefined
  private readonly runners = new Map<string, LabService>()
  /** The state directory by which each node has joined last: another one revokes it. */
  private readonly joined = new Map<string, string>()

  private constructor(lab: Lab, local: LocalCluster, options: LabClusterOptions) {
    this.lab = lab
    this.local = local
    this.names = Array.from({ length: options.nodes }, (_, i) => `node${i + 1}`)
    this.runnerArgs = options.runnerArgs ?? []
    this.runnerUser = options.runnerUser
  }

  /** Resolves when all nodes are online. */
  static async start(options: LabClusterOptions): Promise<LabCluster> {
    const lab = await Lab.start(options)
    const {
      hostArgs = [],
      heartbeatSeconds = 1,
      isShared = false,
      runnerArgs = [],
      isPlain = false,
    } = options
    const tls = isPlain ? ['--tls', 'off'] : []
    const shared = (dir: string) => (isShared ? ['--shared-dir', dir] : [])
    const local = await LocalCluster.start({
      nodes: [],
      heartbeatSeconds,
      ...(options.homeDisk !== undefined && { homeDisk: options.homeDisk }),
      hostArgs: ['--bind', lab.address, ...tls, ...shared(lab.sharedDir), ...hostArgs],
    })
    const cluster = new LabCluster(lab, local, {
      ...options,
      runnerArgs: [...shared('/shared'), ...runnerArgs],
    })
    if (isPlain) {
      copyFileSync(join(local.home, 'join-token'), join(lab.sharedDir, 'join-token'))
      chmodSync(join(lab.sharedDir, 'join-token'), 0o644)
    }
    if (options.isRunnerLate !== true) for (const name of cluster.names) await cluster.startRunner(name)
    return cluster
  }

  get api() {
    return this.local.api
  }

  /** Starts a node's runner; resolves when the node is online. */
  async startRunner(name: string, more: { args?: string[]; properties?: string[] } = {}): Promise<void> {
    const argv = [
      '/opt/node/bin/node',
      '/opt/hakuriver/dist/runner.cjs',
      '--host',
      this.api.url,
      '--name',
      name,
    ]
    const user = this.runnerUser
    const state = user === undefined ? '/var/lib/hakuriver' : `/home/${user}/.hakuriver`
    const dirs = ['--state-dir', state, '--local-temp-dir', '/tmp/hakuriver']
    const as = user === undefined ? ['--task-user', 'worker'] : []
    const isTls = this.api.url.startsWith('https:')
    const at = more.args?.indexOf('--state-dir') ?? -1
    const other = at < 0 ? undefined : more.args?.[at + 1]
    if (isTls) await this.join(name, other ?? state)
    const token = isTls ? [] : ['--join-token-file', '/shared/join-token']
    const rest = [...token, ...as, ...this.runnerArgs, ...(more.args ?? [])]
    const properties = [
      'KillMode=process',
      ...(user === undefined ? [] : [`User=${user}`]),
      ...(more.properties ?? []),
    ]
    const startedAt = Date.now()
    this.runners.set(name, await this.lab.service(name, runnerUnit, [...argv, ...dirs, ...rest], properties))
    await this.online(name, startedAt)
  }

  /** As `hakuriver join` does it, unless the machine has joined, and has not lost what it had. */
  private async join(name: string, state: string): Promise<void> {
    const node = await this.lab.exec(name, 'cat', `${state}/identity/node.json`)
    if (node.code === 0 && this.joined.get(name) === state) return
    this.joined.set(name, state)
    const { items } = await this.api.client.makeJoinTokens({ body: { node: name } })
    const join = ['--join', items[0]?.invitation ?? '', '--name', name, '--state-dir', state]
    const user = this.runnerUser
    const words = ['/opt/node/bin/node', '/opt/hakuriver/dist/runner.cjs', ...join]
    const { code, stderr } = await this.lab.exec(name, words, user === undefined ? {} : { user })
    if (code !== 0) throw new Error(`${name} cannot join: ${stderr}`)
  }

  runner(name: string): LabService {
    const runner = this.runners.get(name)
    if (runner === undefined) throw new Error(`there is no runner on ${name}`)
    return runner
  }

  /** Resolves when the node was heard after a moment. */
  async online(name: string, afterMs: number): Promise<void> {
    await waitFor(
      `${name} is online`,
      async () => {
        // the host may be away as well
        const nodes = await this.api.client.listNodes({}).catch(() => null)
        const node = nodes?.items.find((each) => each.name === name)
        return node?.status === 'online' && Date.parse(node.lastSeenAt) >= afterMs
      },
      { deadlineMs: 20_000 },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}: ${await this.runner(name).log()}`)
    })
  }

  async close(): Promise<void> {
    await this.local.close()
    await this.lab.close()
  }
}
