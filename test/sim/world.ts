/** A whole cluster in one process: the production code of host and runners on simulated machines, network and disks. */

import type { Capacity } from '../../src/core/node.ts'
import { createChecks } from '../../src/host/checks.ts'
import { type Engine, startEngine } from '../../src/host/engine.ts'
import { createHandlers } from '../../src/host/handlers.ts'
import { createTaskLogs } from '../../src/host/log-handlers.ts'
import { inMemory, openDatabase } from '../../src/host/store/open.ts'
import { Vault } from '../../src/host/vault.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Agent, startAgent } from '../../src/runner/agent.ts'
import { Checker, Violation } from './checker.ts'
import { SimDisk } from './disk.ts'
import type { Fault, Scenario } from './faults.ts'
import { SimExecutor, SimMachine } from './machine.ts'
import { Network, type Path } from './network.ts'
import { type HostDisk, SimStore } from './store.ts'
import { Chance, Life, MachineClock, Timeline } from './timeline.ts'

export const heartbeatMs = 5_000
export const silenceFactor = 3
const watchMs = 2_500
const leaseMs = 20_000
const usualLatencyMs = 2
const usualCommitMs = 3
const GiB = 1024 ** 3

type Handlers = ReturnType<typeof createHandlers>

/** A machine with what lies on it and runs on it. */
interface SimNode {
  name: string
  machine: SimMachine
  disk: SimDisk
  path: Path
  capacity: Capacity
  chance: Chance
  runner: { life: Life; agent: Agent | null } | null
  isOn: boolean
  attemptsDir: string
  /** Infinity: it has no runner. */
  runnerSinceMs: number
  /** From then on nothing keeps its runner from being heard. */
  troubleUntilMs: number
  /** Which disk it is: another one after it was emptied. */
  disks: number
}

export class World {
  readonly timeline = new Timeline()
  readonly checker: Checker
  readonly nodes: SimNode[] = []
  /** What broke, first of all. */
  violation: Violation | null = null
  /** Hash of all that was seen, for comparison with a second run. */
  traceHash = 0
  private readonly scenario: Scenario
  private readonly network: Network
  private readonly database = openDatabase(inMemory)
  private readonly hostDisk: HostDisk = { isFull: false, latencyMs: usualCommitMs }
  private readonly hostClock: MachineClock
  private readonly print: ((line: string) => void) | null
  private host: { life: Life; engine: Engine | null; handlers: Handlers | null } | null = null
  private hostStarts = 0
  /** Since then the host has been up, awake and able to save. */
  private hostFitSinceMs = 0
  /** From then on the host's disk takes what it is given without delay. */
  private savesFromMs = 0
  private readonly heardAt = new Map<string, number>()

  constructor(scenario: Scenario, print: ((line: string) => void) | null = null) {
    this.scenario = scenario
    this.print = print
    this.checker = new Checker(
      {
        bootOf: (name) => this.named(name).machine.boots,
        fitForMs: (name) => {
          const { runnerSinceMs, troubleUntilMs } = this.named(name)
          return this.timeline.nowMs - Math.max(runnerSinceMs, troubleUntilMs)
        },
        savesPromptly: () => {
          const { isFull, latencyMs } = this.hostDisk
          return !isFull && latencyMs === usualCommitMs && this.timeline.nowMs > this.savesFromMs
        },
      },
      (what) => this.saw(what),
      (violation) => {
        this.violation ??= violation
      },
    )
    this.network = new Network(this.timeline, this.chanceOf('network'))
    this.network.onArrival = (what) => {
      this.saw(what)
      const [from = ''] = what.split(' ', 1)
      if (from !== 'host') this.heardAt.set(from, this.timeline.nowMs)
    }
    this.hostClock = new MachineClock(this.timeline)
    for (let number = 1; number <= scenario.nodes; number += 1) this.addNode(number)
  }

  /** A source of chance of its own for each part, so that a script with less in it changes little else. */
  chanceOf(part: string): Chance {
    let hash = this.scenario.seed
    for (const letter of part) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193)
    return new Chance(hash)
  }

  async start(): Promise<void> {
    this.startHost()
    for (const node of this.nodes) this.startRunner(node)
    this.look()
  }

  /** What a client may ask of the host that runs now; null: nothing answers. */
  get api(): { life: Life; handlers: Handlers } | null {
    const { host } = this
    if (host === null || host.life.isOver || host.handlers === null) return null
    return { life: host.life, handlers: host.handlers }
  }

  strike(fault: Fault): void {
    this.saw(`fault ${JSON.stringify(fault)}`)
    switch (fault.kind) {
      case 'host_crash':
        return this.crash(this.host?.life, fault.calls, () =>
          this.later(fault.downMs, () => this.startHost()),
        )
      case 'host_restart':
        return this.stopHost(fault.downMs)
      case 'host_stall':
        return this.stall(this.host?.life, fault.forMs)
      case 'host_disk_full':
        this.hostDisk.isFull = true
        return this.later(fault.forMs, () => {
          this.hostDisk.isFull = false
          this.savesFromMs = this.timeline.nowMs + 3_000
          this.isFitAgain(0)
        })
      case 'host_disk_slow':
        this.hostDisk.latencyMs = fault.latencyMs
        return this.later(fault.forMs, () => {
          this.hostDisk.latencyMs = usualCommitMs
          this.savesFromMs = this.timeline.nowMs + 2 * fault.latencyMs
          this.isFitAgain(fault.latencyMs)
        })
      case 'host_clock':
        this.hostClock.offsetMs += fault.byMs
        return
      default:
        return this.strikeNode(fault, this.nodeOf(fault.node))
    }
  }

  /** Ends all that is wrong, and brings back what is down. */
  heal(): void {
    this.saw('healed')
    this.hostDisk.isFull = false
    this.hostDisk.latencyMs = usualCommitMs
    this.isFitAgain(0)
    if (this.host !== null) this.host.life.callsLeft = Number.POSITIVE_INFINITY
    this.startHost()
    for (const node of this.nodes) {
      node.disk.isFull = false
      node.path.latencyMs = usualLatencyMs
      this.uncut(node)
      if (node.runner !== null) node.runner.life.callsLeft = Number.POSITIVE_INFINITY
      this.powerOn(node)
      this.startRunner(node)
    }
  }

  /** What must be gone when nothing is left to do. */
  checkClean(): void {
    const { checker } = this
    for (const { name, machine, disk } of this.nodes) {
      const units = [...machine.units.keys()]
      checker.expect('I8', units.length === 0, `units are left on ${name}: ${units.slice(0, 5).join(' ')}`)
      const files = disk.paths().filter((path) => path.includes('/attempts'))
      checker.expect('I8', files.length === 0, `files are left on ${name}: ${files.slice(0, 3).join(' ')}`)
      const outbox = disk.textOf('/state/outbox.jsonl') ?? ''
      checker.expect('I12', outbox === '', `reports are left on ${name}: ${outbox.slice(0, 200)}`)
    }
    const rows = this.database.raw.prepare('select id, status from tasks').all()
    checker.expect(
      'I11',
      rows.length === checker.tasks.size,
      `${rows.length} tasks are kept of ${checker.tasks.size}`,
    )
    for (const { id, status } of rows) {
      const said = checker.tasks.get(Number(id))?.status
      checker.expect('I11', said === status, `task ${id} was said to be ${said}, and is kept as ${status}`)
    }
    const cluster = this.host?.engine?.cluster
    for (const { name } of this.nodes) {
      const coresHeld = cluster?.ledger.freeOf(name)?.coresHeld ?? 0
      checker.expect('I9', coresHeld === 0, `${coresHeld} cores of ${name} are held by nobody`)
    }
  }

  close(): void {
    this.host?.life.end()
    for (const { runner } of this.nodes) runner?.life.end()
    this.database.close()
  }

  private strikeNode(fault: Extract<Fault, { node: number }>, node: SimNode): void {
    if (fault.kind !== 'node_disk_full' && fault.kind !== 'node_clock')
      this.isHeardAgain(node, troubleMs(fault))
    switch (fault.kind) {
      case 'runner_crash':
        return this.crash(node.runner?.life, fault.calls, () =>
          this.later(fault.downMs, () => this.startRunner(node)),
        )
      case 'runner_restart':
        return this.stopRunner(node, fault.downMs)
      case 'runner_stall':
        return this.stall(node.runner?.life, fault.forMs)
      case 'node_disk_full':
        node.disk.isFull = true
        return this.later(fault.forMs, () => {
          node.disk.isFull = false
        })
      case 'node_clock':
        node.machine.clock.offsetMs += fault.byMs
        return
      case 'node_power':
        this.powerOff(node, fault.isWiped)
        return this.later(fault.downMs, () => {
          this.powerOn(node)
          this.later(500, () => this.startRunner(node))
        })
      case 'cut':
        if (fault.way !== 'to_node') node.path.isCutToHost = true
        if (fault.way !== 'to_host') node.path.isCutToNode = true
        return this.later(fault.forMs, () => this.uncut(node))
      case 'flap':
        for (let time = 0; time < fault.times; time += 1) {
          this.later(2 * time * fault.everyMs, () => {
            node.path.isCutToHost = true
            node.path.isCutToNode = true
          })
          this.later((2 * time + 1) * fault.everyMs, () => this.uncut(node))
        }
        return
      case 'reset':
        return this.network.reset(node.name)
      case 'clog':
        node.path.latencyMs = fault.latencyMs
        return this.later(fault.forMs, () => {
          node.path.latencyMs = usualLatencyMs
        })
    }
  }

  private startHost(): void {
    if (this.host !== null && !this.host.life.isOver) return
    this.hostStarts += 1
    this.saw(`host starts (${this.hostStarts})`)
    for (const node of this.nodes) this.isHeardAgain(node, 0)
    const life = new Life('host', this.timeline, () => {
      this.saw('host is gone')
      if (this.network.listener?.life === life) this.network.listener = null
      this.network.endOfLife(life, true)
    })
    const host: NonNullable<World['host']> = { life, engine: null, handlers: null }
    this.host = host
    const { hostDisk, checker } = this
    this.isFitAgain(0)
    const store = new SimStore(
      this.database,
      life,
      this.chanceOf(`store ${this.hostStarts}`),
      hostDisk,
      (changes) => checker.committed(changes),
    )
    const clock = life.clock(this.hostClock)
    const config = { heartbeatMs, watchMs, silenceFactor, leaseMs }
    const vault = new Vault('', [])
    startEngine({ config, store, clock, log: silentLog, vault, onBroken: this.failed }).then((engine) => {
      host.engine = engine
      const checks = createChecks({ cluster: engine.cluster, sharedDir: null, now: clock.now })
      const logs = createTaskLogs({ ...engine, store, sharedDir: null }).handlers
      host.handlers = createHandlers(engine.cluster, store, engine.submits, checks, engine.links, logs, clock)
      if (!life.isOver) this.network.listener = { life, take: (connect) => engine.links.take(connect) }
    }, this.failed)
  }

  private stopHost(downMs: number): void {
    const { host } = this
    if (host === null || host.life.isOver || host.engine === null) return
    this.network.listener = null
    this.stop(host.life, host.engine.close(), () => this.later(downMs, () => this.startHost()))
  }

  /** SIGTERM; a program that does not end by it is ended by its service manager. */
  private stop(life: Life, closed: Promise<void>, andThen: () => void): void {
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      life.end()
      andThen()
    }
    this.later(90_000, over)
    closed.then(over, this.failed)
  }

  /** Our programs' own errors are found as well. */
  private readonly failed = (error: unknown) => {
    this.violation ??= new Violation('crash', error instanceof Error ? (error.stack ?? '') : String(error))
  }

  private startRunner(node: SimNode): void {
    if (!node.isOn || (node.runner !== null && !node.runner.life.isOver)) return
    this.saw(`runner of ${node.name} starts`)
    node.runnerSinceMs = this.timeline.nowMs
    const { timeline, network } = this
    const life = new Life(node.name, timeline, () => {
      this.saw(`runner of ${node.name} is gone`)
      node.runnerSinceMs = Number.POSITIVE_INFINITY
      if (node.machine.watcher !== null) node.machine.watcher = null
      network.endOfLife(life, node.isOn)
    })
    const runner: NonNullable<SimNode['runner']> = { life, agent: null }
    node.runner = runner
    const started = startAgent({
      config: {
        hostUrl: 'http://host',
        nodeName: node.name,
        stateDir: '/state',
        sharedDir: null,
        localTempDir: '/tmp',
      },
      joinToken: () => null,
      identity: { runnerId: `${node.name}-disk-${node.disks}`, bootId: node.machine.bootId },
      attemptsDir: node.attemptsDir,
      taskUserFor: () => null,
      clock: life.clock(node.machine.clock),
      disk: node.disk.for(life),
      dial: (_, options, events) => network.dial(node.name, life, options, events),
      random: node.chance.next,
      log: silentLog,
      makeExecutor: async (deps) => new SimExecutor(node.machine, deps, life),
      detectCapacity: async () => node.capacity,
      measureLoad: () => ({ cpuPercent: 0, memoryUsedBytes: 0, numaNodes: [] }),
      readLog: () => Promise.reject(new Error('there are no logs here')),
    })
    started.then(
      (agent) => {
        runner.agent = agent
      },
      (error: unknown) => {
        // as its service manager does
        this.saw(`runner of ${node.name} failed: ${String(error)}`)
        life.end()
        this.later(1_000, () => this.startRunner(node))
      },
    )
  }

  private stopRunner(node: SimNode, downMs: number): void {
    const { runner } = node
    if (runner === null || runner.life.isOver || runner.agent === null) return
    this.stop(runner.life, runner.agent.close(), () => this.later(downMs, () => this.startRunner(node)))
  }

  private powerOff(node: SimNode, isWiped: boolean): void {
    if (!node.isOn) return
    node.isOn = false
    node.runner?.life.end()
    node.disk.powerLoss()
    node.machine.powerOff((taskId, attempt) => {
      const handle = node.disk.textOf(`${node.attemptsDir}/${taskId}-${attempt}/handle.json`)
      return handle?.endsWith('}') === true
    })
    if (!isWiped) return
    node.machine.units.clear()
    node.disk.wipe()
    node.disks += 1
  }

  private powerOn(node: SimNode): void {
    if (node.isOn) return
    node.isOn = true
    node.machine.powerOn()
  }

  private uncut(node: SimNode): void {
    node.path.isCutToHost = false
    node.path.isCutToNode = false
    this.network.wake(node.name)
  }

  private crash(life: Life | undefined, calls: number, andThen: () => void): void {
    if (life === undefined || life.isOver) return
    life.callsLeft = calls
    if (calls === 0) life.end()
    const wait = () => {
      if (life.isOver) andThen()
      else this.later(20, wait)
    }
    wait()
  }

  private stall(life: Life | undefined, forMs: number): void {
    if (life === undefined) return
    life.stalledUntilMs = Math.max(life.stalledUntilMs, this.timeline.nowMs + forMs)
    if (life === this.host?.life) this.isFitAgain(forMs)
  }

  /** The host is awake and saves again from so long on. */
  private isFitAgain(inMs: number): void {
    this.hostFitSinceMs = Math.max(this.hostFitSinceMs, this.timeline.nowMs + inMs)
  }

  /** Every half second: what the host says of nodes that it does not hear (I4). */
  private look(): void {
    this.later(500, () => this.look())
    const { timeline, checker, hostDisk } = this
    const limitMs = heartbeatMs * silenceFactor + 2 * watchMs + 2_000
    const isFit = this.api !== null && !hostDisk.isFull && hostDisk.latencyMs === usualCommitMs
    if (!isFit || timeline.nowMs - this.hostFitSinceMs < limitMs) return
    for (const task of checker.tasks.values()) {
      if (task.status !== 'running') continue
      const silentMs = timeline.nowMs - (this.heardAt.get(task.placement.node) ?? 0)
      checker.expect(
        'I4',
        silentMs <= limitMs,
        `task ${task.id} is said to run on ${task.placement.node}, silent for ${Math.round(silentMs)} ms`,
      )
    }
  }

  /** Nothing keeps the host from hearing this node, from so long on. */
  private isHeardAgain(node: SimNode, inMs: number): void {
    node.troubleUntilMs = Math.max(node.troubleUntilMs, this.timeline.nowMs + inMs)
  }

  private later(delayMs: number, action: () => void): void {
    this.timeline.after(delayMs, action)
  }

  private nodeOf(number: number): SimNode {
    const node = this.nodes[number % this.nodes.length]
    if (node === undefined) throw new Error('there are no nodes')
    return node
  }

  private named(name: string): SimNode {
    const node = this.nodes.find((one) => one.name === name)
    if (node === undefined) throw new Error(`there is no ${name}`)
    return node
  }

  private addNode(number: number): void {
    const name = `node${number}`
    const chance = this.chanceOf(name)
    const machine = new SimMachine(name, new MachineClock(this.timeline), this.timeline, chance, this.checker)
    this.nodes.push({
      name,
      machine,
      disk: new SimDisk(chance),
      path: this.network.addNode(name),
      capacity: capacityOf(number),
      chance,
      runner: null,
      isOn: true,
      // in memory where root runs it, else on disk
      attemptsDir: number % 2 === 0 ? '/run/attempts' : '/state/attempts',
      runnerSinceMs: Number.POSITIVE_INFINITY,
      troubleUntilMs: 0,
      disks: 1,
    })
  }

  private saw(what: string): void {
    const { timeline, print } = this
    const line = `${timeline.nowMs.toFixed(3)} ${what}`
    let hash = this.traceHash
    for (let at = 0; at < line.length; at += 1) hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193)
    this.traceHash = hash >>> 0
    print?.(line)
  }
}

/** How long a fault may keep a node from being heard, at most. */
function troubleMs(fault: Fault): number {
  switch (fault.kind) {
    case 'flap':
      return 2 * fault.times * fault.everyMs
    case 'node_power':
      // with an empty disk it is another runner, which is refused until the first is silent for certain
      return fault.isWiped ? fault.downMs + 90_000 : 0
    case 'clog':
      // what is still on its way then, and what waits behind that
      return fault.forMs + 3 * fault.latencyMs
    default:
      return 'forMs' in fault ? fault.forMs : 0
  }
}

/** The larger the number, the larger the node; every second one has two NUMA nodes. */
function capacityOf(number: number): Capacity {
  const cores = 4 * number
  const memoryBytes = 8 * number * GiB
  const cpus = Array.from({ length: cores }, (_, cpu) => cpu)
  const halves = [cpus.slice(0, cores / 2), cpus.slice(cores / 2)]
  const numaNodes = halves.map((own, id) => ({
    id,
    cpus: own,
    memoryBytes: memoryBytes / 2,
    distances: { 0: id === 0 ? 10 : 21, 1: id === 0 ? 21 : 10 },
  }))
  return { cores, memoryBytes, numaNodes: number % 2 === 0 ? numaNodes : [] }
}
