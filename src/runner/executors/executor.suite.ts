/**
 * What every executor must do, as tests to be called with a way to make one. `executorSuite` holds what even an
 * executor without processes does, and where the executor is real also what can only be seen from its processes.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import type { TaskExit, TaskSpec } from '../../core/task.ts'
import { waitFor } from '../../platform/wait.ts'
import { readBootId } from '../hardware.ts'
import { hasRecord } from './attempt-files.ts'
import type { Executor, ExecutorDeps, ExecutorEvents, LaunchSpec } from './executor.ts'

/** A command as an executor takes it. */
type Command = Pick<TaskSpec, 'command' | 'arguments'>

/** How the commands that the suite needs are written. */
interface Dialect {
  exit(code: number): Command
  sleep(seconds: number): Command
  /** Ends itself by this signal. */
  signal(name: string): Command
  /** What makes the set-up fail. */
  badLaunch(): Partial<TaskSpec>
}

interface SuiteOptions {
  /** Default: a shell's commands. */
  dialect?: Dialect
  /** false: nothing is really run, so only what needs no process is tested. */
  isReal?: boolean
  /** Makes the directory of all attempts, which is removed; `user` must be able to enter it. Default: a private one. */
  makeRoot?: () => string
  /** The user that the tasks run as. Default: the runner's own. */
  user?: string
  /** Where an attempt has its files, when the executor decides it. */
  adjust?: (launch: LaunchSpec, root: string, runnerId: string) => LaunchSpec
}

/** A command of `/bin/sh`. */
export function shell(script: string, ...words: string[]): Command {
  return { command: '/bin/sh', arguments: ['-c', script, 'sh', ...words] }
}

const shellDialect: Dialect = {
  exit: (code) => shell(`exit ${code}`),
  sleep: (seconds) => ({ command: 'sleep', arguments: [String(seconds)] }),
  signal: (name) => shell(`kill -${name.slice(3)} $$`),
  badLaunch: () => ({ ...shell('exit 0'), cwd: '/nowhere/at/all' }),
}

interface SeenExit {
  taskId: number
  attempt: number
  exit: TaskExit
}

/** Keeps what an executor tells. */
export class Seen implements ExecutorEvents {
  readonly order: string[] = []
  readonly started: { taskId: number; attempt: number; startedAtMs: number }[] = []
  readonly exits: SeenExit[] = []

  onStarted(taskId: number, attempt: number, startedAtMs: number): void {
    this.order.push(`started ${taskId}-${attempt}`)
    this.started.push({ taskId, attempt, startedAtMs })
  }

  onExit(taskId: number, attempt: number, exit: TaskExit): void {
    this.order.push(`exited ${taskId}-${attempt}`)
    this.exits.push({ taskId, attempt, exit })
  }

  exitsOf({ taskId, attempt }: { taskId: number; attempt: number }): TaskExit[] {
    return this.exits
      .filter((seen) => seen.taskId === taskId && seen.attempt === attempt)
      .map((seen) => seen.exit)
  }

  startsOf({ taskId, attempt }: { taskId: number; attempt: number }): number[] {
    const found = this.started.filter((seen) => seen.taskId === taskId && seen.attempt === attempt)
    return found.map((seen) => seen.startedAtMs)
  }

  exitOf(attempt: { taskId: number; attempt: number }): Promise<TaskExit> {
    return waitFor('the end of the attempt', () => this.exitsOf(attempt)[0], {
      deadlineMs: deadlineMs,
      everyMs: 5,
    })
  }
}

const deadlineMs = 20_000
/** Unlike those of any other run on this machine: units and processes are found by them. */
let nextTask = (Date.now() % 1_000_000_000) * 1_000 + Math.floor(Math.random() * 500)

/** Is this process alive? A zombie is not: who has to reap it is no matter of the executor's. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] !== 'Z'
  } catch {
    return false
  }
}

/** Text of a file of a task once there is a whole line in it. */
export async function lineOf(path: string): Promise<string> {
  const line = await waitFor(
    `a line in ${path}`,
    () => existsSync(path) && /^(.*)\n/.exec(readFileSync(path, 'utf8')),
    { deadlineMs, everyMs: 5 },
  )
  return line[1] ?? ''
}

interface Runner {
  executor: Executor
  seen: Seen
}

export function executorSuite(
  name: string,
  makeExecutor: (deps: ExecutorDeps) => Executor | Promise<Executor>,
  options: SuiteOptions = {},
): void {
  const { dialect = shellDialect, isReal = true } = options
  let root = ''
  let workDir = ''
  const opened: Executor[] = []

  beforeAll(() => {
    root = options.makeRoot?.() ?? mkdtempSync(join(tmpdir(), 'hakuriver-executor-'))
    workDir = join(root, 'work')
    mkdirSync(workDir, { mode: 0o777 })
  })
  afterEach(async () => {
    for (const executor of opened.splice(0)) await executor.close()
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  /** A runner's executor; another one on the same machine is the next runner's. */
  async function open(runnerId = 'runner-1'): Promise<Runner> {
    const seen = new Seen()
    const executor = await makeExecutor({
      events: seen,
      now: Date.now,
      bootId: readBootId(),
      runnerId,
      log: () => {},
    })
    opened.push(executor)
    return { executor, seen }
  }

  function launch(
    wanted: Partial<TaskSpec>,
    overrides: Partial<LaunchSpec> = {},
    runnerId = 'runner-1',
  ): LaunchSpec {
    nextTask += 1
    const taskDir = join(root, 'tasks', `${nextTask}-1`)
    mkdirSync(taskDir, { recursive: true, mode: 0o700 })
    const made: LaunchSpec = {
      taskId: nextTask,
      attempt: 1,
      owner: 'admin',
      spec: spec(wanted),
      numaId: null,
      extraEnv: { HAKURIVER_TASK_ID: String(nextTask), HAKURIVER_ATTEMPT: '1' },
      taskDir,
      stdoutPath: join(root, `${nextTask}.out`),
      stderrPath: join(root, `${nextTask}.err`),
      defaultCwd: workDir,
      user: options.user ?? null,
      ...overrides,
    }
    return options.adjust?.(made, root, runnerId) ?? made
  }

  async function run(wanted: Partial<TaskSpec>): Promise<{ exit: TaskExit; launch: LaunchSpec; seen: Seen }> {
    const { executor, seen } = await open()
    const started = launch(wanted)
    await executor.start(started)
    return { exit: await seen.exitOf(started), launch: started, seen }
  }

  /** What was told late would have come before this. */
  async function runAnother({ executor, seen }: Runner): Promise<void> {
    const another = launch(dialect.exit(0))
    await executor.start(another)
    await seen.exitOf(another)
  }

  describe(`executor ${name}`, () => {
    test.each([0, 7, 255])('tells the exit code %i', async (code) => {
      const before = Date.now() - 1_000
      const { exit, launch: started, seen } = await run(dialect.exit(code))
      expect(exit).toMatchObject({ cause: 'exited', exitCode: code, signal: null, reason: null })
      expect(exit.startedAtMs).toBeGreaterThan(before)
      expect(exit.endedAtMs).toBeGreaterThanOrEqual(exit.startedAtMs ?? Number.NaN)
      expect(exit.endedAtMs).toBeLessThan(Date.now() + 1_000)
      const { taskId } = started
      expect(seen.order).toEqual([`started ${taskId}-1`, `exited ${taskId}-1`])
    })

    test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGSEGV'])('tells the death by %s', async (signal) => {
      const { exit } = await run(dialect.signal(signal))
      expect(exit).toMatchObject({ cause: 'signaled', exitCode: null, signal })
      expect(exit.reason).toContain(signal)
    })

    test('tells a failed set-up with its reason, and no start', async () => {
      const { exit, seen, launch: started } = await run(dialect.badLaunch())
      expect(exit).toMatchObject({ cause: 'launch_failed', exitCode: null, signal: null, startedAtMs: null })
      expect(exit.reason).toMatch(/\w+ \w+/)
      expect(seen.startsOf(started)).toEqual([])
    })

    test('ends a task at its time limit', async () => {
      const { exit } = await run({ ...dialect.sleep(600), timeoutMs: 300 })
      expect(exit.cause).toBe('timeout')
      expect(exit.reason).toContain('0.3 s')
      expect(exit.endedAtMs - (exit.startedAtMs ?? 0)).toBeGreaterThan(200)
    })

    test('a time limit that is not reached changes nothing', async () => {
      const { exit } = await run({ ...dialect.exit(3), timeoutMs: 600_000 })
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 3 })
    })

    test('tells a killed task as killed', async () => {
      const { executor, seen } = await open()
      const started = launch(dialect.sleep(600))
      await executor.start(started)
      await waitFor('the start', () => seen.startsOf(started)[0], { deadlineMs })
      await executor.kill(started.taskId, 1, deadlineMs / 2)
      expect(await seen.exitOf(started)).toMatchObject({ cause: 'killed', exitCode: null })
    })

    test('a kill right behind the start ends it', async () => {
      const { executor, seen } = await open()
      const started = launch(dialect.sleep(600))
      await executor.start(started)
      await executor.kill(started.taskId, 1, 1_000)
      expect(await seen.exitOf(started)).toMatchObject({ cause: 'killed' })
    })

    test('a kill of what has ended or was never there does nothing', async () => {
      const runner = await open()
      const { executor, seen } = runner
      const started = launch(dialect.exit(4))
      await executor.start(started)
      await seen.exitOf(started)
      await executor.kill(started.taskId, 1, 100)
      await executor.kill(started.taskId, 2, 100)
      await runAnother(runner)
      expect(seen.exitsOf(started)).toEqual([expect.objectContaining({ cause: 'exited', exitCode: 4 })])
      expect(seen.exitsOf({ taskId: started.taskId, attempt: 2 })).toEqual([])
    })

    test('a second start of the same attempt changes nothing', async () => {
      const runner = await open()
      const { executor, seen } = runner
      const started = launch(dialect.sleep(0.2))
      await Promise.all([executor.start(started), executor.start(started)])
      await executor.start(started)
      await seen.exitOf(started)
      await executor.start(started)
      await runAnother(runner)
      expect(seen.startsOf(started)).toHaveLength(1)
      expect(seen.exitsOf(started)).toHaveLength(1)
    })

    test('attempts of one task are told apart', async () => {
      const { executor, seen } = await open()
      const first = launch(dialect.exit(1))
      const taskDir = `${first.taskDir}-again`
      mkdirSync(taskDir)
      const second = { ...first, attempt: 2, spec: spec(dialect.exit(2)), taskDir }
      await executor.start(first)
      await executor.start(second)
      expect((await seen.exitOf(first)).exitCode).toBe(1)
      expect((await seen.exitOf(second)).exitCode).toBe(2)
    })

    test('tells what a running attempt uses, and nothing of one that has ended or is unknown', async () => {
      const { executor, seen } = await open()
      const started = launch(dialect.sleep(600))
      const ended = launch(dialect.exit(0))
      await executor.start(started)
      await executor.start(ended)
      await seen.exitOf(ended)
      const usage = async () => (await executor.usage?.([ended, started, { taskId: 1, attempt: 9 }])) ?? []
      const [first] = await waitFor(
        'some memory is used',
        async () => {
          const told = await usage()
          return (told[0]?.memoryBytes ?? 0) > 0 && told
        },
        { deadlineMs },
      )
      const second = await usage()
      expect(second).toEqual([
        {
          taskId: started.taskId,
          attempt: 1,
          cpuTimeMs: expect.any(Number),
          memoryBytes: expect.any(Number),
        },
      ])
      expect(second[0]?.cpuTimeMs).toBeGreaterThanOrEqual(first?.cpuTimeMs ?? Number.NaN)
      await executor.kill(started.taskId, 1, 500)
      await seen.exitOf(started)
      expect(await usage()).toEqual([])
    })

    test('lists what runs', async () => {
      const { executor, seen } = await open()
      const started = launch(dialect.sleep(600))
      await executor.start(started)
      expect(await executor.list()).toContainEqual({ taskId: started.taskId, attempt: 1 })
      await executor.kill(started.taskId, 1, 500)
      await seen.exitOf(started)
    })

    test('the next runner finds a running attempt and is told its end, once', async () => {
      const first = await open()
      const started = launch(dialect.sleep(0.4))
      await first.executor.start(started)
      await first.executor.close()
      const next = await open()
      const found = await next.executor.recover(first.executor.handleFor(started))
      if (found.state === 'running') {
        expect(Math.abs(found.startedAtMs - Date.now())).toBeLessThan(deadlineMs)
        expect(await next.seen.exitOf(started)).toMatchObject({ cause: 'exited', exitCode: 0 })
      } else {
        // on a busy machine it may have ended by then
        expect(found).toMatchObject({ state: 'ended', exit: { cause: 'exited', exitCode: 0 } })
      }
      expect(next.seen.exitsOf(started).length).toBeLessThan(2)
      expect(first.seen.exitsOf(started)).toEqual([])
    })

    test('the next runner reads the end of an attempt that ended before', async () => {
      const first = await open()
      const started = launch(dialect.exit(9))
      await first.executor.start(started)
      await first.seen.exitOf(started)
      await first.executor.close()
      const next = await open()
      // an end may be told a moment before all else is done
      const found = await next.executor.recover(first.executor.handleFor(started))
      const exit = found.state === 'ended' ? found.exit : await next.seen.exitOf(started)
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 9 })
    })

    test('the next runner does not start again what runs', async () => {
      const first = await open()
      const started = launch(dialect.sleep(600))
      await first.executor.start(started)
      await first.executor.close()
      const next = await open()
      expect(await next.executor.recover(first.executor.handleFor(started))).toMatchObject({
        state: 'running',
      })
      await next.executor.start(started)
      expect(next.seen.startsOf(started)).toEqual([])
      await next.executor.kill(started.taskId, 1, 500)
      expect(await next.seen.exitOf(started)).toMatchObject({ cause: 'killed' })
    })

    test('what was never started is found to be so', async () => {
      const { executor } = await open()
      expect(await executor.recover(executor.handleFor(launch(dialect.exit(0))))).toEqual({
        state: 'never_started',
      })
    })

    test('what ran in another boot is lost', async () => {
      const { executor } = await open()
      const handle = { ...executor.handleFor(launch(dialect.exit(0))), bootId: 'another' }
      const found = await executor.recover(handle)
      expect(found).toMatchObject({
        state: 'ended',
        exit: { cause: 'lost', reason: expect.stringContaining('reboot') },
      })
    })

    test('an attempt that has ended can be let go', async () => {
      const { executor, seen } = await open()
      const started = launch(dialect.exit(0))
      await executor.start(started)
      await seen.exitOf(started)
      await executor.collect(executor.handleFor(started))
      expect(await executor.list()).not.toContainEqual({ taskId: started.taskId, attempt: 1 })
    })
  })

  describe.runIf(isReal)(`processes of executor ${name}`, () => {
    test('a program that is not there ends as from a shell', async () => {
      const { exit } = await run({ command: 'no-such-program-here' })
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 127, signal: null })
    })

    test('a file that is no program ends as from a shell', async () => {
      const { exit } = await run({ command: '/etc/passwd' })
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 126, signal: null })
    })

    test.each(['/nowhere/at/all', '/etc/passwd'])(
      'the working directory %s fails the launch',
      async (cwd) => {
        const { exit, launch: started } = await run({ ...shell('echo ran'), cwd })
        expect(exit).toMatchObject({ cause: 'launch_failed', exitCode: null, startedAtMs: null })
        expect(exit.reason).toContain('working directory')
        expect(readFileSync(started.stdoutPath, 'utf8')).toBe('')
        expect(readFileSync(started.stderrPath, 'utf8')).toContain(cwd)
      },
    )

    test('the exit code of a failed launch is any other code to a task', async () => {
      expect((await run(shell('exit 124'))).exit).toMatchObject({ cause: 'exited', exitCode: 124 })
    })

    test('output lands in the files, byte for byte, behind what is there', async () => {
      const { executor, seen } = await open()
      const script = String.raw`printf 'out\000\377\001\r\n'; printf 'err\376' >&2`
      const started = launch(shell(script))
      writeFileSync(started.stdoutPath, 'before\n', { mode: 0o666 })
      await executor.start(started)
      await seen.exitOf(started)
      expect(readFileSync(started.stdoutPath)).toEqual(Buffer.from('before\nout\0\xff\x01\r\n', 'latin1'))
      expect(readFileSync(started.stderrPath)).toEqual(Buffer.from('err\xfe', 'latin1'))
    })

    test.each(['KILL', 'TERM'])(
      'nobody but the task writes to its output when it dies by SIG%s',
      async (signal) => {
        const { launch: started } = await run(shell(`echo out; echo err >&2; kill -${signal} $$`))
        expect(readFileSync(started.stdoutPath, 'utf8')).toBe('out\n')
        expect(readFileSync(started.stderrPath, 'utf8')).toBe('err\n')
      },
    )

    test('the environment arrives, and the runner wins', async () => {
      const { executor, seen } = await open()
      const value = `a 'quoted' "value" $HOME \`id\` %h \\ \n end`
      const env = { ODD: value, EMPTY: '', HAKURIVER_NODE: 'forged' }
      const started = launch({ command: 'env', arguments: ['-0'], env })
      started.extraEnv.HAKURIVER_NODE = 'n1'
      await executor.start(started)
      await seen.exitOf(started)
      const lines = readFileSync(started.stdoutPath, 'utf8').split('\0')
      expect(lines).toContain(`ODD=${value}`)
      expect(lines).toContain('EMPTY=')
      expect(lines.filter((line) => line.startsWith('HAKURIVER_NODE='))).toEqual(['HAKURIVER_NODE=n1'])
      expect(lines.some((line) => line.startsWith('PATH='))).toBe(true)
    })

    test('secrets arrive as variables, behind the runner and before the environment', async () => {
      const { executor, seen } = await open()
      const secret = `a 'quoted' "value" $HOME \`id\` %h \\ \n end`
      const started = launch({ command: 'env', arguments: ['-0'], env: { A: 'env' } })
      started.extraEnv.HAKURIVER_NODE = 'n1'
      await executor.start({ ...started, secrets: { A: 'secret', ODD: secret, HAKURIVER_NODE: 'forged' } })
      await seen.exitOf(started)
      const lines = readFileSync(started.stdoutPath, 'utf8').split('\0')
      expect(lines).toEqual(expect.arrayContaining([`ODD=${secret}`, 'A=secret', 'HAKURIVER_NODE=n1']))
    })

    test("nothing of the runner's own environment reaches the task", async () => {
      process.env.HAKURIVER_JOIN_TOKEN = 'a-secret'
      try {
        const { launch: started } = await run({ command: 'env' })
        expect(readFileSync(started.stdoutPath, 'utf8')).not.toContain('a-secret')
      } finally {
        delete process.env.HAKURIVER_JOIN_TOKEN
      }
    })

    test('the working directory arrives', async () => {
      const cwd = join(workDir, `it's "here" $PWD \n%h`)
      mkdirSync(cwd, { mode: 0o777, recursive: true })
      const { launch: named } = await run({ ...shell('pwd; echo end'), cwd })
      expect(readFileSync(named.stdoutPath, 'utf8')).toBe(`${cwd}\nend\n`)
      const { launch: unnamed } = await run({ command: 'pwd' })
      expect(readFileSync(unnamed.stdoutPath, 'utf8')).toBe(`${workDir}\n`)
    })

    test('standard input is empty', async () => {
      const { exit, launch: started } = await run({ command: 'cat' })
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 0 })
      expect(readFileSync(started.stdoutPath, 'utf8')).toBe('')
    })

    test('no signal is ignored or blocked', async () => {
      const { launch: started } = await run({
        command: 'grep',
        arguments: ['-E', 'Sig(Ign|Blk)', '/proc/self/status'],
      })
      const masks = readFileSync(started.stdoutPath, 'utf8').match(/[0-9a-f]{16}/g)
      expect(masks).toEqual(['0'.repeat(16), '0'.repeat(16)])
    })

    test('what is asked to end can say goodbye', async () => {
      const { executor, seen } = await open()
      const started = launch(shell(`trap 'echo bye; exit 3' TERM; echo $$; while :; do sleep 0.05; done`))
      await executor.start(started)
      await lineOf(started.stdoutPath)
      await executor.kill(started.taskId, 1, deadlineMs)
      expect((await seen.exitOf(started)).cause).toBe('killed')
      expect(readFileSync(started.stdoutPath, 'utf8')).toContain('bye')
    })

    test('what it uses is that of all its processes, also of those that went their own way or have ended', async () => {
      const first = await open()
      const pidPath = join(workDir, 'busy.pid')
      rmSync(pidPath, { force: true })
      const spin = 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done'
      const apart = `( setsid sh -c 'echo $$ > "$1"; ${spin}; exec sleep 600' sh "$1" & )`
      const started = launch(shell(`${apart}; sh -c '${spin}'; echo done; exec sleep 600`, pidPath))
      await first.executor.start(started)
      await lineOf(started.stdoutPath)
      const pid = Number(await lineOf(pidPath))
      const usage = async (executor: Executor) => (await executor.usage?.([started]))?.[0]
      const ownTicks = (of: number) => {
        const stat = readFileSync(`/proc/${of}/stat`, 'latin1')
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return Number(fields[11]) + Number(fields[12])
      }
      await waitFor('the one apart sleeps', () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', {
        deadlineMs,
      })
      const used = await usage(first.executor)
      // more than that one alone: the child that has ended was as busy
      expect(used?.cpuTimeMs).toBeGreaterThan(ownTicks(pid) * 10 * 1.3)
      expect(used?.cpuTimeMs).toBeLessThan(Date.now())
      await first.executor.close()
      const next = await open()
      await next.executor.recover(first.executor.handleFor(started))
      expect((await usage(next.executor))?.cpuTimeMs).toBeGreaterThanOrEqual(used?.cpuTimeMs ?? Number.NaN)
      await next.executor.kill(started.taskId, 1, 200)
      await next.seen.exitOf(started)
    })

    test('what ignores SIGTERM is killed after the grace', async () => {
      const { executor, seen } = await open()
      const started = launch(shell(`trap '' TERM; echo $$; while :; do sleep 0.05; done`))
      await executor.start(started)
      const pid = Number(await lineOf(started.stdoutPath))
      const asked = Date.now()
      await executor.kill(started.taskId, 1, 300)
      const exit = await seen.exitOf(started)
      expect(Date.now() - asked).toBeGreaterThanOrEqual(290)
      expect(exit).toMatchObject({ cause: 'killed', exitCode: null, signal: 'SIGKILL' })
      expect(isRunning(pid)).toBe(false)
    })

    test('a kill reaches children that went their own way', async () => {
      const { executor, seen } = await open()
      const pidPath = join(workDir, 'own-way.pid')
      rmSync(pidPath, { force: true })
      const orphan = `( setsid sh -c 'trap "" TERM; echo $$ > "$1"; while :; do sleep 0.05; done' sh "$1" & )`
      const started = launch(shell(`${orphan}; echo $$; exec sleep 600`, pidPath))
      await executor.start(started)
      const pids = [Number(await lineOf(started.stdoutPath)), Number(await lineOf(pidPath))]
      expect(pids.map(isRunning)).toEqual([true, true])
      await executor.kill(started.taskId, 1, 300)
      expect((await seen.exitOf(started)).cause).toBe('killed')
      expect(pids.map(isRunning)).toEqual([false, false])
    })

    test('what a task leaves behind goes with it', async () => {
      const { executor, seen } = await open()
      const pidPath = join(workDir, 'left.pid')
      rmSync(pidPath, { force: true })
      const script = `( setsid sh -c 'echo $$ > "$1"; exec sleep 600' sh "$1" & ); while [ ! -s "$1" ]; do sleep 0.01; done; exit 5`
      const started = launch(shell(script, pidPath))
      await executor.start(started)
      const pid = Number(await lineOf(pidPath))
      expect(await seen.exitOf(started)).toMatchObject({ cause: 'exited', exitCode: 5 })
      expect(isRunning(pid)).toBe(false)
    })

    test('the time limit ends the whole tree', async () => {
      const { executor, seen } = await open()
      const started = launch({ ...shell('sleep 600 & echo $!; wait'), timeoutMs: 500 })
      await executor.start(started)
      const exit = await seen.exitOf(started)
      expect(exit.cause).toBe('timeout')
      const pid = Number(readFileSync(started.stdoutPath, 'utf8'))
      expect(pid === 0 || !isRunning(pid)).toBe(true)
    })

    test('however often it is started, it runs once', async () => {
      const first = await open()
      const started = launch(shell('echo ran; sleep 0.1'))
      await Promise.all([first.executor.start(started), first.executor.start(started)])
      await first.executor.start(started)
      await first.seen.exitOf(started)
      await first.executor.start(started)
      await first.executor.close()
      const next = await open()
      await next.executor.start(started)
      await runAnother(next)
      expect(readFileSync(started.stdoutPath, 'utf8')).toBe('ran\n')
    })

    test('the next runner tells the true end of what it found running', async () => {
      const first = await open()
      const goPath = join(workDir, 'go')
      rmSync(goPath, { force: true })
      const started = launch(shell('echo $$; while [ ! -e "$1" ]; do sleep 0.02; done; exit 9', goPath))
      await first.executor.start(started)
      const pid = Number(await lineOf(started.stdoutPath))
      await first.executor.close()
      const next = await open()
      expect(await next.executor.recover(first.executor.handleFor(started))).toMatchObject({
        state: 'running',
      })
      expect(isRunning(pid)).toBe(true)
      writeFileSync(goPath, '')
      expect(await next.seen.exitOf(started)).toMatchObject({ cause: 'exited', exitCode: 9 })
      await runAnother(next)
      expect(next.seen.exitsOf(started)).toHaveLength(1)
      expect(next.seen.startsOf(started)).toEqual([])
      expect(first.seen.exits).toEqual([])
    })

    test('the next runner reads the true end of what ended while nobody looked', async () => {
      const first = await open()
      const goPath = join(workDir, 'go-on')
      rmSync(goPath, { force: true })
      const started = launch(shell('while [ ! -e "$1" ]; do sleep 0.02; done; kill -KILL $$', goPath))
      await first.executor.start(started)
      await first.executor.close()
      writeFileSync(goPath, '')
      await waitFor('the record', () => hasRecord(started), { deadlineMs })
      const next = await open()
      // the record may be there a moment before all else is done
      const found = await next.executor.recover(first.executor.handleFor(started))
      const exit = found.state === 'ended' ? found.exit : await next.seen.exitOf(started)
      expect(exit).toMatchObject({ cause: 'signaled', signal: 'SIGKILL' })
      expect(exit.endedAtMs).toBeGreaterThanOrEqual(exit.startedAtMs ?? Number.NaN)
    })

    test('row 14: an attempt of another runner on this machine with the same number is another one', async () => {
      const ours = await open()
      const theirs = await open('another-runner')
      const started = launch(dialect.sleep(600))
      const taskDir = join(root, 'tasks', `${started.taskId}-of-another`)
      mkdirSync(taskDir, { recursive: true, mode: 0o700 })
      const { taskId, extraEnv } = started
      const same = launch(shell('echo $$; exec sleep 600'), { taskId, extraEnv, taskDir }, 'another-runner')
      await ours.executor.start(started)
      await theirs.executor.start(same)
      const pid = Number(await lineOf(same.stdoutPath))
      expect(await ours.executor.list()).toContainEqual({ taskId: started.taskId, attempt: 1 })
      await ours.executor.kill(started.taskId, 1, 200)
      expect((await ours.seen.exitOf(started)).cause).toBe('killed')
      await ours.executor.collect(ours.executor.handleFor(started))
      expect(isRunning(pid)).toBe(true)
      expect(theirs.seen.exits).toEqual([])
      await theirs.executor.kill(started.taskId, 1, 200)
      expect((await theirs.seen.exitOf(same)).cause).toBe('killed')
      expect(isRunning(pid)).toBe(false)
    })

    test('the time limit goes on over a change of runners', async () => {
      const first = await open()
      const started = launch({ ...dialect.sleep(600), timeoutMs: 800 })
      await first.executor.start(started)
      await first.executor.close()
      const next = await open()
      const found = await next.executor.recover(first.executor.handleFor(started))
      const exit = found.state === 'ended' ? found.exit : await next.seen.exitOf(started)
      expect(exit.cause).toBe('timeout')
    })

    test('a kill after a change of runners leaves nothing alive', async () => {
      const first = await open()
      const started = launch(shell(`trap '' TERM; sleep 600 & echo $!; wait`))
      await first.executor.start(started)
      const pid = Number(await lineOf(started.stdoutPath))
      await first.executor.close()
      const next = await open()
      await next.executor.recover(first.executor.handleFor(started))
      await next.executor.kill(started.taskId, 1, 200)
      expect((await next.seen.exitOf(started)).cause).toBe('killed')
      expect(isRunning(pid)).toBe(false)
    })

    test('what was left behind while nobody looked is ended before the end is told', async () => {
      const first = await open()
      const pidPath = join(workDir, 'left-alone.pid')
      rmSync(pidPath, { force: true })
      const script = `( setsid sh -c 'echo $$ > "$1"; exec sleep 600' sh "$1" & ); while [ ! -s "$1" ]; do sleep 0.01; done; exit 6`
      const started = launch(shell(script, pidPath))
      await first.executor.start(started)
      await first.executor.close()
      await waitFor('the record', () => hasRecord(started), { deadlineMs })
      const next = await open()
      const found = await next.executor.recover(first.executor.handleFor(started))
      const exit = found.state === 'ended' ? found.exit : await next.seen.exitOf(started)
      expect(exit).toMatchObject({ cause: 'exited', exitCode: 6 })
      expect(isRunning(Number(await lineOf(pidPath)))).toBe(false)
    })
  })
}
