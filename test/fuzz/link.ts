/** Messages of a runner that means no good, to the links of a real host's engine with a real store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { spec } from '../../src/core/builders.suite.ts'
import type { Task } from '../../src/core/task.ts'
import { type Engine, startEngine } from '../../src/host/engine.ts'
import { SqliteStore } from '../../src/host/store/sqlite.ts'
import { Vault } from '../../src/host/vault.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { silentLog } from '../../src/platform/log.ts'
import type { WireEvents } from '../../src/platform/wire.ts'
import { type FromHost, FromRunner, type HeldAttempt, linkVersion } from '../../src/protocol/link.ts'
import { textsAround } from './schema.ts'
import type { FuzzTarget } from './target.ts'

/** The other end of a link, without a network. */
class FakeRunner {
  readonly name: string
  readonly heard: FromHost[] = []
  isOpen = true
  private events!: WireEvents // set by take, at once

  constructor(engine: Engine, name: string, attempts: HeldAttempt[] = []) {
    this.name = name
    engine.links.take((events) => {
      this.events = events
      const runner = this
      const end = () => {
        if (!runner.isOpen) return
        runner.isOpen = false
        queueMicrotask(() => events.onClosed(null))
      }
      return {
        get isOpen() {
          return runner.isOpen
        },
        get isClosed() {
          return !runner.isOpen
        },
        waitingBytes: 0,
        send: (text) => {
          // the last ones are enough
          if (runner.heard.length > 1_000) runner.heard.shift()
          runner.heard.push(JSON.parse(text) as FromHost)
        },
        ping: () => {},
        close: end,
        cut: end,
      }
    })
    this.say({ ...hello(name), attempts })
    const load = { cpuPercent: 1, memoryUsedBytes: 1, numaNodes: [] }
    this.say({ type: 'heartbeat', load, attempts })
  }

  say(message: FromRunner | string): void {
    if (this.isOpen) this.events.onText(typeof message === 'string' ? message : JSON.stringify(message))
  }
}

function hello(node: string): Extract<FromRunner, { type: 'hello' }> {
  return {
    type: 'hello',
    version: linkVersion,
    runnerVersion: 'test',
    node,
    runnerId: `runner of ${node}`,
    bootId: `boot of ${node}`,
    capacity: { cores: 64, memoryBytes: 2 ** 36, numaNodes: [] },
    executor: {
      name: 'fake',
      why: 'a test',
      enforcesLimits: false,
      features: { privateNetwork: true, privatePids: true, numa: true, lease: true },
    },
    attempts: [],
  }
}

export const linkTarget: FuzzTarget = {
  name: 'the link, from a hostile runner',
  runs: 800,
  async open() {
    const dir = mkdtempSync(join(tmpdir(), 'hakuriver-fuzz-'))
    const store = new SqliteStore(join(dir, 'cluster.db'))
    let broken: unknown = null
    const config = { heartbeatMs: 60_000, watchMs: 30_000, silenceFactor: 6, leaseMs: 300_000 }
    const engine = await startEngine({
      config,
      store,
      clock: systemClock,
      log: silentLog,
      vault: new Vault('', []),
      onBroken: (error) => {
        broken = error
      },
    })
    const honest = new FakeRunner(engine, 'honest')
    let evil = new FakeRunner(engine, 'evil')
    const settled = () => engine.cluster.settled()
    await settled()
    const submit = (target: string) =>
      engine.submits.submit({ specs: [{ ...spec(), requeue: 1 }, { ...spec() }], targets: [target] }, 'admin')
    const idsOf = async (target: string) => (await submit(target)).tasks.flatMap(({ taskId }) => taskId ?? [])
    const honestIds = await idsOf('honest')
    let ownIds = await idsOf('evil')
    const ended = ownIds
    await settled()
    const started = { type: 'started', startedAtMs: 1 } as const
    honest.say({ type: 'report', seq: 1, taskId: honestIds[0] ?? '', attempt: 1, event: started })
    const known = [
      ...honestIds,
      '1',
      '9007199254740993',
      '9999999999999999',
      'evil',
      'honest',
      'runner of honest',
    ]

    const property = fc.asyncProperty(visitsOf(known), async ({ messages, held, hasComeBack }) => {
      const ids = [...honestIds, ...ownIds, ...ended]
      const real = <T>(value: T): T =>
        JSON.parse(
          JSON.stringify(value).replace(/TASK(\d)/g, (_, at: string) => ids[Number(at) % ids.length] ?? '1'),
        ) as T
      // it comes back whenever it was dropped, and sometimes without
      if (!evil.isOpen || hasComeBack) evil = new FakeRunner(engine, 'evil', real(held))
      if (ownIds.every((id) => engine.cluster.task(Number(id)) === null)) ownIds = await idsOf('evil')
      await settled()
      const before = new Map(ids.map((id) => [id, engine.cluster.task(Number(id))]))
      for (const message of messages) evil.say(real(message))
      await settled()
      for (const id of ids) refuseForged(before.get(id) ?? null, engine.cluster.task(Number(id)), evil.name)
      if (!honest.isOpen) throw new Error('the other runner has lost its link')
      if (broken !== null) throw broken
      const newest = engine.cluster.newId()
      if (!Number.isSafeInteger(newest + 1_000_000)) throw new Error(`ids have run out: ${newest}`)
    })
    return {
      property: property as unknown as fc.IRawProperty<unknown>,
      close: async () => {
        const mark = engine.cluster.task(Number(honestIds[0]))
        if (mark?.status !== 'running') throw new Error(`the honest task is ${mark?.status}`)
        // it lives
        const { tasks } = await submit('honest')
        if (tasks.some(({ taskId }) => taskId === null)) throw new Error('nothing can be submitted any more')
        await engine.close()
        await store.close()
        rmSync(dir, { recursive: true })
      },
    }
  },
}

/** @throws where a task has changed that is not the runner's own */
function refuseForged(before: Task | null, after: Task | null, evil: string): void {
  if (before === null) return
  const isOwn = 'dispatchedTo' in before && before.dispatchedTo?.runnerId === `runner of ${evil}`
  // what waits may be placed, by the host itself
  if (isOwn || before.status === 'pending') return
  const same = (task: Task | null) => JSON.stringify(task)
  if (same(before) !== same(after)) throw new Error(`forged: ${same(before)} is ${same(after)}`)
}

interface Visit {
  messages: string[]
  /** What it claims to hold in its hello. */
  held: HeldAttempt[]
  hasComeBack: boolean
}

function visitsOf(known: readonly string[]): fc.Arbitrary<Visit> {
  const tasks = Array.from({ length: 6 }, (_, at) => `TASK${at}`)
  const id = fc.constantFrom(...tasks, '1', '9007199254740993', '9999999999999999')
  const ms = fc.constantFrom(0, 1, -1, 2 ** 53, 8.64e15, 8.64e15 + 2, 1e300)
  const exit = fc.record({
    cause: fc.constantFrom(
      'exited',
      'killed',
      'lost',
      'node_lost',
      'oom',
      'launch_failed',
      'timeout',
      'signaled',
    ),
    exitCode: fc.option(ms),
    signal: fc.option(fc.constantFrom('SIGKILL', '\u001b]0;x\u0007')),
    startedAtMs: fc.option(ms),
    endedAtMs: ms,
    cpuTimeMs: fc.option(fc.nat()),
    peakMemoryBytes: fc.option(fc.nat()),
    reason: fc.option(fc.constantFrom('', "'; drop table tasks; --", 'x'.repeat(2_000))),
  })
  const report = fc.record({
    type: fc.constant('report'),
    seq: fc.constantFrom(1, 2, 2 ** 31, 2 ** 53 - 1, 1e300),
    taskId: id,
    attempt: fc.constantFrom(1, 1, 2, 3, 1e300),
    event: fc.oneof(
      fc.record({ type: fc.constant('started'), startedAtMs: ms }),
      fc.record({ type: fc.constant('exited'), exit }),
    ),
  })
  const held = fc.record({
    taskId: id,
    attempt: fc.constantFrom(1, 2, 3),
    phase: fc.constantFrom('starting', 'running', 'ended'),
    startedAtMs: fc.option(fc.constantFrom(0, 1, 1_000)),
  })
  const load = fc.constant({ cpuPercent: 1e300, memoryUsedBytes: 1e300, numaNodes: [] })
  const heartbeat = fc.record({
    type: fc.constant('heartbeat'),
    load,
    attempts: fc.array(held, { maxLength: 6 }),
  })
  const text = (message: fc.Arbitrary<unknown>) => message.map((each) => JSON.stringify(each))
  const any = fc.oneof(
    { weight: 5, arbitrary: text(report) },
    { weight: 3, arbitrary: text(heartbeat) },
    { weight: 3, arbitrary: textsAround(FromRunner, known) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  )
  return fc.record({
    messages: fc.array(any, { minLength: 1, maxLength: 8 }),
    held: fc.array(held, { maxLength: 4 }) as fc.Arbitrary<HeldAttempt[]>,
    hasComeBack: fc.nat(9).map((turn) => turn === 0),
  })
}
