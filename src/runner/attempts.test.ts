import {
  type Dirent,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { spec } from '../core/builders.suite.ts'
import { AppError } from '../core/errors.ts'
import type { TaskExit, TaskSpec } from '../core/task.ts'
import { systemClock } from '../platform/clock.ts'
import { type Disk, systemDisk } from '../platform/disk.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import { Attempts, type StartOrder } from './attempts.ts'
import { exitWithout } from './executors/attempt-files.ts'
import type { Executor, ExecutorDeps, ExecutorEvents, Handle, LaunchSpec } from './executors/executor.ts'
import { FakeExecutor, FakeMachine } from './executors/fake.ts'
import { ProcessExecutor } from './executors/process.ts'
import { LogLimit } from './log-limit.ts'
import { Outbox } from './outbox.ts'
import { taskDir } from './paths.ts'

let root = ''
let machine: FakeMachine
/** How far the runners' monotonic clock has been put forward. */
let passedMs = 0
const outboxes: Outbox[] = []
const executors: Executor[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-attempts-'))
  machine = new FakeMachine()
  passedMs = 0
})
afterEach(async () => {
  for (const executor of executors.splice(0)) await executor.close()
  for (const outbox of outboxes.splice(0)) await outbox.close()
  rmSync(root, { recursive: true, force: true })
})

type MakeExecutor = (deps: ExecutorDeps) => Executor

interface Runner {
  attempts: Attempts
  outbox: Outbox
  executor: Executor
  /** What it told, such as `started 7-1` or `killed 7-1`. */
  told: string[]
}

/** Where its attempts are. */
function held(): string {
  return join(root, 'attempts')
}

/** A runner on this machine; another one on the same is the next after a crash. */
async function boot(
  make: MakeExecutor = (deps) => new FakeExecutor(machine, deps),
  bootId = 'boot-1',
  disk: Disk = systemDisk,
  logLimit: LogLimit | null = null,
): Promise<Runner> {
  const outbox = await Outbox.open(join(root, 'outbox.jsonl'), {
    disk: systemDisk,
    later: systemClock.after,
    log: () => {},
  })
  outboxes.push(outbox)
  const told: string[] = []
  const late: { attempts: Attempts | null } = { attempts: null }
  const events: ExecutorEvents = {
    onStarted: (...told) => late.attempts?.onStarted(...told),
    onExit: (...told) => late.attempts?.onExit(...told),
  }
  const executor = make({ events, now: Date.now, bootId, runnerId: 'runner-1', log: () => {} })
  executors.push(executor)
  const attempts = new Attempts({
    config: { stateDir: root, sharedDir: null, localTempDir: root, nodeName: 'n1' },
    attemptsDir: held(),
    executor,
    others: new Map(),
    outbox,
    logLimit,
    taskUserFor: (owner) => {
      if (owner === 'mallory') throw new AppError('not_permitted', 'n1 runs nothing of mallory')
      return owner === 'admin' ? null : owner
    },
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs },
    disk,
    log: silentLog,
    onProblem: () => told.push(`problem: ${attempts.problem()}`),
    onReport: ({ taskId, attempt, event }) => {
      told.push(`${event.type === 'exited' ? event.exit.cause : 'started'} ${taskId}-${attempt}`)
    },
  })
  late.attempts = attempts
  return { attempts, outbox, executor, told }
}

/** The runner is gone without a word; what it had on disk stays. */
async function crash({ executor, outbox }: Runner): Promise<void> {
  await executor.close()
  await outbox.settled()
}

function order(
  taskId: number,
  wanted: Partial<TaskSpec> = {},
  overrides: Partial<StartOrder> = {},
): StartOrder {
  return { taskId, attempt: 1, batchId: 5, owner: 'admin', spec: spec(wanted), numaId: null, ...overrides }
}

const sleeping: Partial<TaskSpec> = { command: 'sleep', arguments: ['600'] }
const toldBy = (runner: Runner, wanted: string) =>
  waitFor(wanted, () => runner.told.includes(wanted), { everyMs: 2 })

function acknowledge({ attempts, outbox }: Runner): Promise<void> {
  return attempts.forget(outbox.acknowledge(Number.MAX_SAFE_INTEGER))
}

/** The fake executor with some of its methods changed. */
function changed(change: (fake: FakeExecutor, deps: ExecutorDeps) => Partial<Executor>): MakeExecutor {
  return (deps) => {
    const fake = new FakeExecutor(machine, deps)
    return Object.assign(fake, change(fake, deps))
  }
}

describe('the user of a task', () => {
  test('is the one that its owner is mapped to', async () => {
    const launches: LaunchSpec[] = []
    const runner = await boot(
      changed((fake) => ({
        start: (launch) => {
          launches.push(launch)
          return FakeExecutor.prototype.start.call(fake, launch)
        },
      })),
    )
    await runner.attempts.start(order(1, sleeping, { owner: 'alice' }))
    await runner.attempts.start(order(2, sleeping))
    expect(launches.map(({ owner, user }) => [owner, user])).toEqual([
      ['alice', 'alice'],
      ['admin', null],
    ])
  })

  test('where nobody is mapped there is no start, and one sentence', async () => {
    const runner = await boot(
      changed(() => ({ start: () => Promise.reject(new Error('it must not be started')) })),
    )
    await runner.attempts.start(order(3, sleeping, { owner: 'mallory' }))
    expect(runner.outbox.pending()).toMatchObject([
      {
        taskId: 3,
        event: { type: 'exited', exit: { cause: 'launch_failed', reason: 'n1 runs nothing of mallory' } },
      },
    ])
    await acknowledge(runner)
    expect(runner.attempts.list()).toEqual([])
  })
})

describe('attempts of a runner', () => {
  test('nothing starts under a lease that is not there, and that is told as the loss of the node', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7, { ...sleeping, requeue: 1 }))
    await toldBy(runner, 'node_lost 7-1')
    expect(machine.attempts.size).toBe(0)
    expect(runner.attempts.hasLeased(null)).toBe(false)
    // its last attempt needs none
    await runner.attempts.start(order(7, { ...sleeping, requeue: 1 }, { attempt: 2 }))
    await toldBy(runner, 'started 7-2')
  })

  test('a start is reported, then the end', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7, { command: 'exit', arguments: ['3'] }))
    expect(runner.attempts.list()).toEqual([
      {
        taskId: '7',
        attempt: 1,
        phase: 'running',
        startedAtMs: expect.any(Number),
        takes: { cores: 1, memoryBytes: null, numaId: null },
      },
    ])
    expect(runner.attempts.isEnded(7, 1)).toBe(false)
    await toldBy(runner, 'exited 7-1')
    expect(runner.told).toEqual(['started 7-1', 'exited 7-1'])
    expect(runner.outbox.pending().map(({ seq }) => seq)).toEqual([1, 2])
    expect(runner.outbox.pending()[1]?.event).toMatchObject({ exit: { cause: 'exited', exitCode: 3 } })
    expect(runner.attempts.list()).toMatchObject([{ phase: 'ended' }])
    expect(runner.attempts.isEnded(7, 1)).toBe(true)
  })

  test('what an attempt takes is told, also by the next runner, until it has ended', async () => {
    const first = await boot()
    const takes = { cores: 3, memoryBytes: 2 ** 30, numaId: 1 }
    await first.attempts.start(order(7, { ...sleeping, cores: 3, memoryBytes: 2 ** 30 }, { numaId: 1 }))
    await toldBy(first, 'started 7-1')
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    expect(next.attempts.list()).toMatchObject([{ taskId: '7', phase: 'running', takes }])
    await next.attempts.kill(7, 1)
    await toldBy(next, 'killed 7-1')
    expect(next.attempts.list()[0]).not.toHaveProperty('takes')
  })

  test('row 10: what a full disk refuses is told after the reason why nothing can be started', async () => {
    class Full extends LogLimit {
      override problem() {
        return 'the disk is full'
      }
    }
    const logLimit = new Full({ limitBytes: null, isShared: false, log: silentLog })
    const runner = await boot(undefined, undefined, undefined, logLimit)
    await runner.attempts.start(order(7))
    expect(runner.told).toEqual(['problem: the disk is full', 'launch_failed 7-1'])
    expect(machine.attempts.size).toBe(0)
  })

  test('row 9: what its time limit does not end is stuck, also for the next runner', async () => {
    const first = await boot()
    await first.attempts.start(order(7, { ...sleeping, timeoutMs: 60_000 }))
    await toldBy(first, 'started 7-1')
    passedMs += 79_000
    expect(first.attempts.list()[0]).not.toHaveProperty('stuck')
    passedMs += 2_000
    const words = 'something of it cannot be ended'
    expect(first.attempts.list()).toMatchObject([{ phase: 'running', stuck: words }])
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    passedMs += 81_000
    expect(next.attempts.list()).toMatchObject([{ phase: 'running', stuck: words }])
  })

  test('a start that comes again changes nothing, also when the task has ended', async () => {
    const runner = await boot()
    const sent = order(7)
    await Promise.all([runner.attempts.start(sent), runner.attempts.start(sent)])
    await toldBy(runner, 'exited 7-1')
    await runner.attempts.start(sent)
    await runner.attempts.start(order(8))
    await toldBy(runner, 'exited 8-1')
    expect(runner.told.filter((one) => one.endsWith(' 7-1'))).toEqual(['started 7-1', 'exited 7-1'])
  })

  test('what is acknowledged is forgotten, and nothing of it is left', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7))
    await toldBy(runner, 'exited 7-1')
    expect(existsSync(taskDir(held(), 7, 1))).toBe(true)
    await acknowledge(runner)
    expect(runner.attempts.list()).toEqual([])
    expect(readdirSync(held())).toEqual([])
    expect(machine.attempts.size).toBe(0)
    expect(runner.attempts.isEnded(7, 1)).toBe(true)
  })

  test('row 11: what has ended and is ordered again by a host that has lost its end is told again, and does not run twice', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7))
    await toldBy(runner, 'exited 7-1')
    const end = runner.outbox.pending().find(({ event }) => event.type === 'exited')?.event
    await acknowledge(runner)
    for (const again of [() => runner.attempts.start(order(7)), () => runner.attempts.kill(7, 1)]) {
      await again()
      expect(runner.outbox.pending().map(({ taskId, event }) => ({ taskId, event }))).toEqual([
        { taskId: 7, event: end },
      ])
      await acknowledge(runner)
      expect(runner.attempts.list()).toEqual([])
    }
    expect(runner.told.filter((told) => told === 'started 7-1')).toHaveLength(1)
    // another attempt of it is another matter
    await runner.attempts.start(order(7, {}, { attempt: 2 }))
    await toldBy(runner, 'exited 7-2')
  })

  test('an attempt that was being let go when the runner went down is not started again', async () => {
    // it goes down when the system has forgotten the attempt, and its directory is still there
    const remove = (path: string) => {
      if (path.endsWith('/7-1')) throw new Error('the runner is gone')
      systemDisk.remove(path)
    }
    const first = await boot(undefined, undefined, { ...systemDisk, remove })
    await first.attempts.start(order(7))
    await toldBy(first, 'exited 7-1')
    await acknowledge(first)
    expect(machine.attempts.size).toBe(0)
    await crash(first)
    const second = await boot()
    await second.attempts.recover()
    expect(machine.attempts.size).toBe(0)
    expect(second.told).not.toContain('started 7-1')
    await acknowledge(second)
    expect(readdirSync(held())).toEqual([])
  })

  test('an acknowledged start alone forgets nothing', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7, sleeping))
    await acknowledge(runner)
    expect(runner.attempts.list()).toMatchObject([{ taskId: '7', phase: 'running' }])
    expect(existsSync(taskDir(held(), 7, 1))).toBe(true)
  })

  test('one attempt that cannot be let go yet does not hold up the others', async () => {
    const runner = await boot(
      changed((fake) => ({
        collect: async (handle) => {
          if (handle.taskId === 7) throw new Error('its unit is still there')
          await FakeExecutor.prototype.collect.call(fake, handle)
        },
      })),
    )
    for (const taskId of [7, 8]) await runner.attempts.start(order(taskId))
    await toldBy(runner, 'exited 8-1')
    await acknowledge(runner)
    expect(runner.attempts.list()).toEqual([])
    expect(readdirSync(held())).toEqual(['7-1'])
  })

  test('a kill ends a running attempt', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7, sleeping))
    await runner.attempts.kill(7, 1)
    await toldBy(runner, 'killed 7-1')
    await runner.attempts.kill(7, 1)
    expect(runner.told).toEqual(['started 7-1', 'killed 7-1'])
  })

  test('an attempt that is killed before it came is reported as killed and never starts', async () => {
    const runner = await boot()
    await runner.attempts.kill(7, 1)
    await runner.attempts.kill(7, 1)
    await runner.attempts.start(order(7))
    expect(runner.told).toEqual(['killed 7-1'])
    expect(machine.attempts.size).toBe(0)
    expect(runner.outbox.pending()[0]?.event).toMatchObject({ exit: { startedAtMs: null, exitCode: null } })
    await crash(runner)
    const next = await boot()
    await next.attempts.recover()
    await next.attempts.start(order(7))
    expect(next.attempts.list()).toMatchObject([{ taskId: '7', phase: 'ended' }])
    expect(machine.attempts.size).toBe(0)
    await acknowledge(next)
    expect(next.attempts.list()).toEqual([])
  })

  test('a later attempt of a killed task starts', async () => {
    const runner = await boot()
    await runner.attempts.kill(7, 1)
    await runner.attempts.start(order(7, {}, { attempt: 2 }))
    await toldBy(runner, 'exited 7-2')
    expect(runner.told).toEqual(['killed 7-1', 'started 7-2', 'exited 7-2'])
  })

  test('a kill in the middle of the start is not lost', async () => {
    const gate = Promise.withResolvers<void>()
    const runner = await boot(
      changed((fake) => ({
        start: async (launch) => {
          await gate.promise
          await FakeExecutor.prototype.start.call(fake, launch)
        },
      })),
    )
    const starting = runner.attempts.start(order(7, sleeping))
    await runner.attempts.kill(7, 1)
    gate.resolve()
    await starting
    await toldBy(runner, 'killed 7-1')
  })

  test('a failed launch is reported, without a start', async () => {
    const runner = await boot()
    await runner.attempts.start(order(7, { command: 'fail-launch' }))
    await toldBy(runner, 'launch_failed 7-1')
    expect(runner.told).toEqual(['launch_failed 7-1'])
  })

  test('an executor that throws fails the launch with the reason', async () => {
    const runner = await boot(changed(() => ({ start: () => Promise.reject(new Error('no bus')) })))
    await runner.attempts.start(order(7))
    expect(runner.told).toEqual(['launch_failed 7-1'])
    expect(runner.outbox.pending()[0]?.event).toMatchObject({
      exit: { reason: expect.stringContaining('no bus') },
    })
  })

  test('a state directory that cannot be written fails the launch', async () => {
    const runner = await boot()
    writeFileSync(taskDir(held(), 7, 1), 'in the way')
    await runner.attempts.start(order(7))
    expect(runner.told).toEqual(['launch_failed 7-1'])
    expect(machine.attempts.size).toBe(0)
  })

  test('a task is told who it is', async () => {
    const launches: LaunchSpec[] = []
    const runner = await boot(changed(() => ({ start: async (launch) => void launches.push(launch) })))
    const sent = order(7, { cores: 4, memoryBytes: 1_024, env: { OWN: 'x' } }, { numaId: 1, attempt: 2 })
    await runner.attempts.start(sent)
    await runner.attempts.start(order(8))
    expect(launches[0]?.extraEnv).toEqual({
      HAKURIVER_TASK_ID: '7',
      HAKURIVER_BATCH_ID: '5',
      HAKURIVER_ATTEMPT: '2',
      HAKURIVER_NODE: 'n1',
      HAKURIVER_CORES: '4',
      HAKURIVER_MEMORY_BYTES: '1024',
      HAKURIVER_TARGET_NUMA_NODE: '1',
      HAKURIVER_LOCAL_TEMP_DIR: root,
    })
    expect(Object.keys(launches[1]?.extraEnv ?? {})).not.toContain('HAKURIVER_MEMORY_BYTES')
    expect(launches[0]).toMatchObject({ taskId: 7, attempt: 2, spec: sent.spec, numaId: 1, defaultCwd: root })
  })

  test('it is on disk before it is started', async () => {
    let found: unknown = null
    const runner = await boot(
      changed(() => ({
        start: async (launch) => {
          found = JSON.parse(readFileSync(join(launch.taskDir, 'handle.json'), 'utf8'))
        },
      })),
    )
    await runner.attempts.start(order(7))
    expect(found).toEqual({
      version: 1,
      executor: 'fake',
      taskId: 7,
      attempt: 1,
      taskDir: taskDir(held(), 7, 1),
      bootId: 'boot-1',
    })
  })
})

describe('attempts with secrets', () => {
  const canary = 'canary-91d2'
  const secrets = { TOKEN: canary }
  const files = () =>
    (readdirSync(root, { recursive: true, withFileTypes: true }) as Dirent[])
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n')

  test('hand them to the executor, and write them nowhere', async () => {
    const launches: LaunchSpec[] = []
    const runner = await boot(changed(() => ({ start: async (launch) => void launches.push(launch) })))
    await runner.attempts.start(order(7, sleeping, { secrets }))
    expect(launches[0]?.secrets).toEqual(secrets)
    expect(files()).toContain('"hasSecrets":true')
    expect(files()).not.toContain(canary)
    expect(JSON.stringify(runner.attempts.list())).not.toContain(canary)
  })

  test('that were never started are not held by the next runner: the host has them, and sends the start again', async () => {
    const first = await boot(changed(() => ({ start: () => new Promise(() => {}) })))
    first.attempts.start(order(7, sleeping, { secrets })).catch(() => {})
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    expect(next.attempts.list()).toEqual([])
    expect(readdirSync(held())).toEqual([])
    expect(next.told).toEqual([])
    await next.attempts.start(order(7, sleeping, { secrets }))
    await toldBy(next, 'started 7-1')
  })

  test('that run are found again without them', async () => {
    const first = await boot()
    await first.attempts.start(order(7, sleeping, { secrets }))
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    expect(next.attempts.list()).toMatchObject([{ taskId: '7', phase: 'running' }])
  })
})

describe('attempts of the next runner', () => {
  test('a running attempt is watched on, and its start is not reported again', async () => {
    const first = await boot()
    await first.attempts.start(order(7, sleeping))
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    expect(next.attempts.list()).toMatchObject([{ taskId: '7', attempt: 1, phase: 'running' }])
    expect(next.told).toEqual([])
    await next.attempts.start(order(7, sleeping))
    await next.attempts.kill(7, 1)
    await toldBy(next, 'killed 7-1')
    expect(next.outbox.pending().map(({ event }) => event.type)).toEqual(['started', 'exited'])
    expect(first.told).toEqual(['started 7-1'])
  })

  test('an attempt that ended while nobody looked is reported', async () => {
    const first = await boot()
    await first.attempts.start(order(7, { command: 'sleep', arguments: ['0.02'] }))
    await crash(first)
    await waitFor('the end', () => machine.attempts.get('7-1')?.exit)
    const next = await boot()
    await next.attempts.recover()
    expect(next.told).toEqual(['exited 7-1'])
    await acknowledge(next)
    expect(next.attempts.list()).toEqual([])
    expect(readdirSync(held())).toEqual([])
  })

  test('an end that is in the outbox is not reported twice', async () => {
    const first = await boot()
    await first.attempts.start(order(7))
    await toldBy(first, 'exited 7-1')
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    expect(next.told).toEqual([])
    expect(next.outbox.pending().map(({ event }) => event.type)).toEqual(['started', 'exited'])
    expect(next.attempts.list()).toMatchObject([{ phase: 'ended' }])
    await acknowledge(next)
    expect(machine.attempts.size).toBe(0)
    expect(readdirSync(held())).toEqual([])
  })

  test('a start whose report did not reach the disk is reported', async () => {
    const first = await boot()
    await first.attempts.start(order(7, sleeping))
    await crash(first)
    writeFileSync(join(root, 'outbox.jsonl'), '')
    const next = await boot()
    await next.attempts.recover()
    expect(next.told).toEqual(['started 7-1'])
  })

  test('an order that was taken but not carried out is carried out once', async () => {
    const first = await boot(changed(() => ({ start: () => new Promise(() => {}) })))
    void first.attempts.start(order(7))
    await crash(first)
    const next = await boot()
    await next.attempts.recover()
    await next.attempts.start(order(7))
    await toldBy(next, 'exited 7-1')
    expect(next.told).toEqual(['started 7-1', 'exited 7-1'])
  })

  test('what ran before a reboot is lost', async () => {
    const first = await boot()
    await first.attempts.start(order(7, sleeping))
    await crash(first)
    const next = await boot(undefined, 'boot-2')
    await next.attempts.recover()
    expect(next.told).toEqual(['lost 7-1'])
  })

  test.each(['', '{"version":1', '{"version":2}', 'null'])(
    'a handle that reads %j is dropped',
    async (content) => {
      const first = await boot()
      mkdirSync(taskDir(held(), 7, 1))
      writeFileSync(join(taskDir(held(), 7, 1), 'handle.json'), content)
      await first.attempts.recover()
      expect(first.attempts.list()).toEqual([])
      expect(readdirSync(held())).toEqual([])
      await first.attempts.start(order(7))
      await toldBy(first, 'exited 7-1')
    },
  )

  test('an end that comes in the middle of the recovery stays the last word', async () => {
    const first = await boot()
    await first.attempts.start(order(7, sleeping))
    await crash(first)
    const exit: TaskExit = exitWithout('killed', 'any', 5)
    const next = await boot(
      changed((_, deps) => ({
        recover: async (handle: Handle) => {
          deps.events.onExit(handle.taskId, handle.attempt, exit)
          return { state: 'running', startedAtMs: 1 }
        },
      })),
    )
    await next.attempts.recover()
    expect(next.told).toEqual(['killed 7-1'])
    expect(next.attempts.list()).toMatchObject([{ phase: 'ended' }])
  })
})

describe('attempts with real processes', () => {
  const make: MakeExecutor = (deps) =>
    new ProcessExecutor(
      {
        info: {
          name: 'process',
          why: 'asked for',
          enforcesLimits: false,
          features: { privateNetwork: false, privatePids: false, numa: false },
        },
        runDir: join(root, 'run'),
        numactlPath: '',
      },
      deps,
    )

  test('an attempt that is killed before it came never runs', async () => {
    const runner = await boot(make)
    const taskId = Date.now()
    await runner.attempts.kill(taskId, 1)
    await runner.attempts.start(order(taskId, { command: 'touch', arguments: [join(root, 'ran')] }))
    await runner.attempts.start(order(taskId + 1))
    await toldBy(runner, `exited ${taskId + 1}-1`)
    expect(existsSync(join(root, 'ran'))).toBe(false)
  })

  test('an attempt outlives its runner, and leaves nothing behind when it is forgotten', async () => {
    const first = await boot(make)
    const taskId = Date.now()
    const script = 'while [ ! -e go ]; do sleep 0.02; done; exit 4'
    await first.attempts.start(order(taskId, { command: 'sh', arguments: ['-c', script] }))
    await toldBy(first, `started ${taskId}-1`)
    await crash(first)
    const next = await boot(make)
    await next.attempts.recover()
    expect(next.attempts.list()).toMatchObject([{ taskId: String(taskId), phase: 'running' }])
    writeFileSync(join(root, 'go'), '')
    await toldBy(next, `exited ${taskId}-1`)
    expect(next.outbox.pending().at(-1)?.event).toMatchObject({ exit: { exitCode: 4 } })
    await acknowledge(next)
    expect(readdirSync(held())).toEqual([])
    expect(readdirSync(join(root, 'run'))).toEqual([])
    expect(readdirSync(join(root, 'task_outputs'))).toEqual([`${taskId}.out`])
  })
})
