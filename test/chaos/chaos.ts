/**
 * Minutes of work on real systemd machines while host, runners, machines and links fail by a seeded schedule; then all
 * is healed, and the story that is left is judged.
 */

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../src/core/errors.ts'
import { isFinal } from '../../src/core/task.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { Chance } from '../sim/timeline.ts'
import { mountDisk } from '../support/cluster.ts'
import { LabCluster } from '../support/lab-cluster.ts'
import { type History, judge, type Promised, type Told, type Witnessed } from './history.ts'
import { LinkProxy, type Way } from './proxy.ts'

export interface ChaosOptions {
  ms: number
  seed: number
  /** Told of every fault as it strikes. */
  tell?: (line: string) => void
  lab?: { id: string; net: string }
}

export interface ChaosReport {
  findings: string[]
  tasks: number
  /** How many tasks ended how, and how often each fault struck. */
  ends: Record<string, number>
  faults: Record<string, number>
}

const nodes = 3
/** Of the disks that are filled: the database's, and that of each runner's state and logs. */
const diskSize = '64M'
const sharedBytes = 256 * 1024 * 1024
/** Time for everything to end once all is healed. */
const settleMs = 180_000

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { id, net } = options.lab ?? { id: 'chaos', net: '10.77.6' }
  const cluster = await LabCluster.start({
    nodes,
    id,
    net,
    heartbeatSeconds: 0.5,
    isRunnerLate: true,
    homeDisk: diskSize,
    isShared: options.seed % 2 === 1,
    // what it breaks lies below that
    isPlain: true,
  })
  const run = new Run(cluster, options)
  try {
    return await run.go()
  } finally {
    await run.close()
    await cluster.close()
  }
}

class Run {
  private readonly cluster: LabCluster
  private readonly options: ChaosOptions
  private readonly proxies = new Map<string, LinkProxy>()
  private readonly promised = new Map<string, Promised>()
  private readonly powerLosses: History['powerLosses'][number][] = []
  private readonly fullDisks: History['fullDisks'][number][] = []
  private readonly faults: Record<string, number> = {}
  /** What is being broken, so that no second fault waits for its mending. */
  private readonly busy = new Set<string>()
  private readonly work = new Set<Promise<void>>()
  private readonly chance: Chance
  private readonly disks: string[] = []
  private endsAt = 0

  constructor(cluster: LabCluster, options: ChaosOptions) {
    this.cluster = cluster
    this.options = options
    this.chance = new Chance(options.seed)
  }

  async go(): Promise<ChaosReport> {
    const { cluster, options } = this
    const { hostname, port } = new URL(cluster.api.url)
    await Promise.all(cluster.names.map((name) => cluster.lab.off(name)))
    this.giveSharedDisk()
    for (const name of cluster.names) {
      await this.giveDisk(name)
      this.proxies.set(name, await LinkProxy.start({ host: hostname, port: Number(port) }))
      await this.startRunner(name)
    }
    this.endsAt = performance.now() + options.ms
    await Promise.all([this.submitAll(), this.breakAll()])
    await Promise.all(this.work)
    await this.heal()
    await this.settle()
    const history = await this.gather()
    const ends: Record<string, number> = {}
    for (const { status } of history.told) ends[status] = (ends[status] ?? 0) + 1
    return { findings: this.explained(history), tasks: this.promised.size, ends, faults: this.faults }
  }

  async close(): Promise<void> {
    for (const proxy of this.proxies.values()) proxy.close()
    for (const disk of this.disks) execFileSync('umount', ['--lazy', disk])
  }

  /** The shared directory gets a file system of its own, which can be frozen: whoever writes there waits in state D. */
  private giveSharedDisk(): void {
    const { sharedDir, dir } = this.cluster.lab
    const image = join(dir, 'shared.img')
    writeFileSync(image, '')
    truncateSync(image, sharedBytes)
    execFileSync('mkfs.ext4', ['-q', image])
    const token = join(dir, 'join-token')
    copyFileSync(join(sharedDir, 'join-token'), token)
    execFileSync('mount', ['-o', 'loop', image, sharedDir])
    this.disks.push(sharedDir)
    chmodSync(sharedDir, 0o777)
    copyFileSync(token, join(sharedDir, 'join-token'))
    chmodSync(join(sharedDir, 'join-token'), 0o644)
  }

  private async whileFrozen(forMs: number): Promise<void> {
    const { sharedDir } = this.cluster.lab
    execFileSync('fsfreeze', ['--freeze', sharedDir])
    try {
      await sleep(forMs)
    } finally {
      execFileSync('fsfreeze', ['--unfreeze', sharedDir])
    }
  }

  /** Its `/scratch` becomes a small disk, which outlives its power; the machine finds it at its next boot. */
  private async giveDisk(name: string): Promise<void> {
    const { lab } = this.cluster
    const disk = lab.scratchOf(name)
    mountDisk(disk, diskSize)
    this.disks.push(disk)
    this.setClock(name, 0)
    await lab.boot(name)
  }

  private setClock(name: string, offsetMs: number): void {
    writeFileSync(join(this.cluster.lab.scratchOf(name), 'clock'), String(offsetMs))
  }

  private get isOver(): boolean {
    return performance.now() >= this.endsAt
  }

  private async startRunner(name: string): Promise<void> {
    const proxy = this.proxyOf(name)
    const { hostname } = new URL(this.cluster.api.url)
    await this.cluster.startRunner(name, {
      args: ['--host', `http://${hostname}:${proxy.port}`, '--state-dir', '/scratch/state'],
      properties: [
        ...['Restart=always', 'RestartSec=300ms', 'StartLimitIntervalSec=0'],
        'Environment=NODE_OPTIONS=--require=/opt/hakuriver/test/faults/clock.cjs CLOCK_FILE=/scratch/clock',
      ],
    })
  }

  /** Small submits, each asked again under its id until it is answered for certain. */
  private async submitAll(): Promise<void> {
    for (let number = 1; !this.isOver; number += 1) {
      const size = 1 + this.chance.below(4)
      const specs = Array.from({ length: size }, (_, at) => this.specOf(`${number}-${at}`))
      const kills = specs.map(() => (this.chance.is(0.15) ? this.chance.between(0, 3_000) : null))
      const body = {
        submissionId: `chaos-${this.options.seed}-${number}`,
        specs: specs.map(({ script }) => ({ command: 'sh', arguments: ['-c', script] })),
        targets: [this.chance.is(0.5) ? 'any' : `node${1 + this.chance.below(nodes)}`],
      }
      const answer = await this.surely(() => this.cluster.api.client.submitBatch({ body }))
      for (const [at, { taskId }] of answer.tasks.entries()) {
        const spec = specs[at]
        if (taskId === null || spec === undefined) continue
        const { exitCode, output } = spec
        const kill = kills[at] ?? null
        const promise = { id: taskId, exitCode, output, isKillAsked: kill !== null, acceptedAtMs: Date.now() }
        this.promised.set(taskId, promise)
        if (kill !== null) this.later(kill, () => this.kill(taskId))
      }
      await sleep(this.chance.between(100, 500))
    }
  }

  private specOf(name: string): { script: string; exitCode: number; output: string } {
    const { chance } = this
    const exitCode = chance.is(0.7) ? 0 : 1 + chance.below(100)
    const seconds = chance.is(0.1) ? chance.between(3, 8) : chance.between(0, 1.5)
    const stubborn = chance.is(0.05) ? 'trap "" TERM; ' : ''
    // on a disk that is not filled
    const line = (what: string) => `echo "${what} $HAKURIVER_TASK_ID $HAKURIVER_NODE" >> /shared/witness`
    const count = chance.is(0.3) ? 1 + chance.below(3_000) : 1
    const script = `${stubborn}${line('start')}; echo ${name}; sleep ${seconds.toFixed(2)}; seq ${count}; ${line(`end ${exitCode}`)}; exit ${exitCode}`
    const numbers = Array.from({ length: count }, (_, at) => `${at + 1}\n`)
    return { script, exitCode, output: `${name}\n${numbers.join('')}` }
  }

  private async kill(id: string): Promise<void> {
    await this.surely(async () => {
      try {
        await this.cluster.api.client.killTask({ params: { id }, body: {} })
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'conflict') throw error
      }
    })
  }

  /** Until there is an answer: the host may be down. */
  private async surely<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        const isMomentary =
          !(error instanceof AppError) ||
          ['unavailable', 'timeout', 'internal', 'store_full'].includes(error.code)
        if (!isMomentary) throw error
      }
      await sleep(200)
    }
  }

  private async breakAll(): Promise<void> {
    while (!this.isOver) {
      await sleep(this.chance.between(500, 3_000))
      const name = `node${1 + this.chance.below(nodes)}`
      const faults = this.faultsOf(name)
      const names = Object.keys(faults)
      const kind = names[this.chance.below(names.length)] ?? ''
      const [what = name] = ['host', 'shared directory'].filter((all) => kind.startsWith(all))
      if (this.busy.has(what)) continue
      this.busy.add(what)
      this.faults[kind] = (this.faults[kind] ?? 0) + 1
      this.options.tell?.(`${kind} ${what}`)
      this.later(0, async () => {
        try {
          await faults[kind]?.()
        } finally {
          this.busy.delete(what)
        }
      })
    }
  }

  private faultsOf(name: string): Record<string, () => Promise<void>> {
    const { cluster, chance } = this
    const proxy = this.proxyOf(name)
    const forMs = chance.between(200, 8_000)
    const way = (['both', 'to_host', 'to_node'] as const)[chance.below(3)] as Way
    const runner = (signal: string) =>
      cluster.lab.exec(
        name,
        'systemctl',
        'kill',
        '--kill-whom=main',
        `--signal=${signal}`,
        'hakuriver-runner',
      )
    return {
      'host kill -9': () => cluster.local.restartHost('SIGKILL'),
      'host restart': () => cluster.local.restartHost('SIGTERM'),
      'runner kill -9': async () => void (await runner('KILL')),
      'runner restart': async () => void (await runner('TERM')),
      'power loss': async () => {
        this.powerLosses.push({ node: name, atMs: Date.now() })
        await cluster.lab.off(name)
        await sleep(forMs / 2)
        await cluster.lab.boot(name)
        // until now the host may have given it more
        this.powerLosses.push({ node: name, atMs: Date.now() })
        proxy.heal()
        await this.startRunner(name)
      },
      [`link cut, ${way.replace('_', ' ')}`]: async () => {
        proxy.cut(way)
        await sleep(forMs)
        proxy.heal()
      },
      'link flaps': async () => {
        for (let time = 0; time < 5; time += 1) {
          proxy.cut('both')
          await sleep(forMs / 20)
          proxy.heal()
          await sleep(forMs / 20)
        }
      },
      'link reset': async () => proxy.reset(),
      'link slow': async () => {
        proxy.delayMs = 400
        await sleep(forMs)
        proxy.delayMs = 0
      },
      'clock set': async () => {
        this.setClock(name, Math.round(chance.between(-3_600_000, 3_600_000)))
        await sleep(forMs)
        this.setClock(name, 0)
      },
      'disk full': async () => {
        this.fullDisks.push({ node: name, atMs: Date.now() })
        await whileFull(cluster.lab.scratchOf(name), forMs)
        // what was refused while it was full may be told a moment later
        await sleep(1_000)
        this.fullDisks.push({ node: name, atMs: Date.now() })
      },
      'shared directory frozen': () => this.whileFrozen(forMs),
      'host disk full': () => whileFull(cluster.local.home, forMs),
      'daemon-reexec': async () => void (await cluster.lab.exec(name, 'systemctl', 'daemon-reexec')),
    }
  }

  /** Each finding with all that is known of its task. */
  private explained(history: History): string[] {
    return judge(history).map((finding) => {
      const [, id] = /task (\d+)/.exec(finding) ?? []
      const told = history.told.find((each) => each.id === id)
      const witnessed = history.witnessed.filter((each) => each.id === id)
      const promised = this.promised.get(id ?? '')
      const brief = (key: string, value: unknown) =>
        key === 'output' && typeof value === 'string' ? `${value.length} bytes` : value
      return `${finding}\n    ${JSON.stringify({ promised, told, witnessed }, brief)}`
    })
  }

  private async heal(): Promise<void> {
    for (const proxy of this.proxies.values()) proxy.heal()
    const begin = Date.now()
    for (const name of this.cluster.names) await this.cluster.online(name, begin)
  }

  private async settle(): Promise<void> {
    const { client } = this.cluster.api
    const open = ['pending', 'assigning', 'running', 'unreachable', 'killing'] as const
    await waitFor(
      'all tasks have ended',
      async () => (await client.listTasks({ query: { status: [...open], limit: 1 } })).total === 0,
      { deadlineMs: settleMs, everyMs: 500 },
    ).catch(() => {}) // the judge tells
    await waitFor('the last are let go', async () => (await this.left()).length === 0, {
      deadlineMs: 20_000,
      everyMs: 500,
    }).catch(() => {})
  }

  private async gather(): Promise<History> {
    const { client } = this.cluster.api
    const told: Told[] = []
    let cursor: string | undefined
    do {
      const page = await client.listTasks({ query: { limit: 200, ...(cursor !== undefined && { cursor }) } })
      for (const { id, status, exitCode, node, reason } of page.items) {
        const { items } = await client.listTaskEvents({ params: { id } })
        const history = items.flatMap((event) => event.status ?? [])
        const hasLog = isFinal(status) && (status === 'completed' || status === 'failed')
        const output = hasLog ? await this.cluster.api.log(id).catch(() => null) : null
        told.push({ id, status, exitCode, node, reason, history, output })
      }
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
    const witnessed = this.witness()
    const left = await this.left()
    const { powerLosses, fullDisks } = this
    return { promised: [...this.promised.values()], witnessed, told, powerLosses, fullDisks, left }
  }

  private witness(): Witnessed[] {
    const path = join(this.cluster.lab.sharedDir, 'witness')
    if (!existsSync(path)) return []
    return readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .flatMap((line): Witnessed[] => {
        const [, code, id, node] = /^(?:start|end (\d+)) (\d+) (\S+)$/.exec(line) ?? []
        if (id === undefined || node === undefined) return []
        if (code === undefined) return [{ id, node, what: 'start', exitCode: null }]
        return [{ id, node, what: 'end', exitCode: Number(code) }]
      })
  }

  /** Units and processes of tasks. */
  private async left(): Promise<string[]> {
    const all = await Promise.all(
      this.cluster.names.map(async (name) => {
        const units = 'systemctl list-units --all --no-legend --plain "hakuriver-task-*" | cut -d" " -f1'
        const processes = 'grep -lz "^HAKURIVER_TASK_ID=" /proc/[0-9]*/environ 2>/dev/null'
        const { stdout } = await this.cluster.lab.exec(name, ['sh', '-c', `${units}; ${processes}`])
        return stdout.trim() === ''
          ? []
          : stdout
              .trim()
              .split('\n')
              .map((what) => `${name}: ${what}`)
      }),
    )
    return all.flat()
  }

  private later(delayMs: number, action: () => Promise<void>): void {
    const done = sleep(delayMs)
      .then(action)
      .catch((error: unknown) => this.options.tell?.(`failed: ${String(error)}`))
      .finally(() => this.work.delete(done))
    this.work.add(done)
  }

  private proxyOf(name: string): LinkProxy {
    const proxy = this.proxies.get(name)
    if (proxy === undefined) throw new Error(`there is no proxy for ${name}`)
    return proxy
  }
}

/** Fills a disk to its last byte, and empties it after a while. */
async function whileFull(disk: string, forMs: number): Promise<void> {
  const filler = join(disk, 'filler')
  const file = openSync(filler, 'w')
  try {
    for (const size of [1 << 20, 1 << 12, 1]) fill(file, Buffer.alloc(size))
    await sleep(forMs)
  } finally {
    closeSync(file)
    rmSync(filler)
  }
}

function fill(file: number, block: Buffer): void {
  try {
    while (writeSync(file, block) === block.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
