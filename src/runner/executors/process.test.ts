import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import type { TaskSpec } from '../../core/task.ts'
import { waitFor } from '../../platform/wait.ts'
import { recordPath } from './attempt-files.ts'
import { executorSuite, isRunning, lineOf, Seen, shell } from './executor.suite.ts'
import type { LaunchSpec } from './executor.ts'
import { ProcessExecutor, type ProcessOptions } from './process.ts'

const root = mkdtempSync(join(tmpdir(), 'hakuriver-process-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const options: ProcessOptions = {
  info: {
    name: 'process',
    why: 'asked for',
    enforcesLimits: false,
    features: { privateNetwork: false, privatePids: false, numa: false },
  },
  runDir: join(root, 'run'),
  numactlPath: '',
  graceMs: 500,
}

executorSuite('process', (deps) => new ProcessExecutor(options, deps))

describe('process executor', () => {
  const make = (seen: Seen, changes: Partial<ProcessOptions> = {}, now: () => number = Date.now) =>
    new ProcessExecutor(
      { ...options, ...changes },
      { events: seen, now, bootId: 'boot-1', runnerId: 'runner-1', log: () => {} },
    )

  let taskId = Date.now()

  function launch(wanted: Partial<TaskSpec>, overrides: Partial<LaunchSpec> = {}): LaunchSpec {
    taskId += 1
    const taskDir = join(root, `${taskId}-1`)
    mkdirSync(taskDir)
    return {
      taskId,
      attempt: 1,
      owner: 'admin',
      spec: spec(wanted),
      numaId: null,
      extraEnv: { HAKURIVER_TASK_ID: String(taskId), HAKURIVER_ATTEMPT: '1' },
      taskDir,
      stdoutPath: join(root, `${taskId}.out`),
      stderrPath: join(root, `${taskId}.err`),
      defaultCwd: root,
      user: null,
      ...overrides,
    }
  }

  test.each<[string, Partial<TaskSpec>, Partial<LaunchSpec>]>([
    ['private network', { privateNetwork: true }, {}],
    ['private PIDs', { privatePids: true }, {}],
    ['numactl', {}, { numaId: 0 }],
    ['no-such-user', {}, { user: 'no-such-user' }],
    ['its output file could not be opened', {}, { stdoutPath: '/nowhere/at/all.out' }],
  ])('what it cannot give fails the launch: %s', async (reason, wanted, overrides) => {
    const seen = new Seen()
    const executor = make(seen)
    const started = launch({ command: 'true', ...wanted }, overrides)
    await executor.start(started)
    const exit = await seen.exitOf(started)
    expect(exit.cause).toBe('launch_failed')
    expect(exit.reason).toContain(reason)
    expect(seen.startsOf(started)).toEqual([])
    await executor.close()
  })

  test('a NUL byte fails the launch', async () => {
    const seen = new Seen()
    const executor = make(seen)
    const started = launch({ command: 'echo', arguments: ['a\0b'] })
    await executor.start(started)
    expect(await seen.exitOf(started)).toMatchObject({
      cause: 'launch_failed',
      reason: expect.stringContaining('NUL'),
    })
    await executor.close()
  })

  test('the CPU time of what it ran is told', async () => {
    const seen = new Seen()
    const executor = make(seen)
    const started = launch(shell('i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'))
    await executor.start(started)
    expect((await seen.exitOf(started)).cpuTimeMs).toBeGreaterThan(10)
    await executor.close()
  })

  test('an end whose supervisor was ended is not made up, and nothing stays alive', async () => {
    const seen = new Seen()
    const executor = make(seen)
    const started = launch(shell('echo $$; echo $PPID; exec sleep 600'))
    await executor.start(started)
    await waitFor('the task', () => seen.startsOf(started)[0])
    await waitFor('its pids', () => readFileSync(started.stdoutPath, 'utf8').split('\n').length === 3)
    const [pid, supervisor] = readFileSync(started.stdoutPath, 'utf8').split('\n').map(Number)
    process.kill(supervisor ?? 0, 'SIGKILL')
    expect(await seen.exitOf(started)).toMatchObject({ cause: 'lost', exitCode: null, signal: null })
    expect(isRunning(pid ?? 0)).toBe(false)
    await executor.close()
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s to its supervisor changes nothing',
    async (signal) => {
      const seen = new Seen()
      const executor = make(seen)
      const go = join(root, `go-${signal}`)
      const started = launch(shell('echo $PPID; while [ ! -e "$1" ]; do sleep 0.02; done; exit 8', go))
      await executor.start(started)
      process.kill(Number(await lineOf(started.stdoutPath)), signal)
      writeFileSync(go, '')
      expect(await seen.exitOf(started)).toMatchObject({ cause: 'exited', exitCode: 8 })
      expect(readFileSync(started.stderrPath, 'utf8')).toBe('')
      await executor.close()
    },
  )

  test('a kill that was asked for before the runner went is told as one', async () => {
    const first = new Seen()
    const executor = make(first)
    const go = join(root, 'go-kill')
    const started = launch(shell(`trap 'touch "$1"; exit 6' TERM; echo $$; while :; do sleep 0.02; done`, go))
    await executor.start(started)
    await lineOf(started.stdoutPath)
    await executor.kill(started.taskId, 1, 60_000)
    await executor.close()
    await waitFor('its end', () => existsSync(go))
    const seen = new Seen()
    const next = make(seen)
    const found = await next.recover(executor.handleFor(started))
    const exit = found.state === 'ended' ? found.exit : await seen.exitOf(started)
    expect(exit).toMatchObject({ cause: 'killed', exitCode: 6 })
    await next.close()
  })

  test('a whole record outlives a reboot, a torn one does not count', async () => {
    const seen = new Seen()
    const executor = make(seen)
    const started = launch(shell('exit 5'))
    await executor.start(started)
    await seen.exitOf(started)
    const handle = { ...executor.handleFor(started), bootId: 'boot-0' }
    expect(await executor.recover(handle)).toMatchObject({
      state: 'ended',
      exit: { cause: 'exited', exitCode: 5 },
    })
    const record = readFileSync(recordPath(started), 'utf8')
    for (let length = 0; length < record.length; length += 1) {
      writeFileSync(recordPath(started), record.slice(0, length))
      expect(await executor.recover(handle)).toMatchObject({ state: 'ended', exit: { cause: 'lost' } })
    }
    await executor.close()
  })

  test('many at once each tell their own end', async () => {
    const seen = new Seen()
    const executor = make(seen)
    const started = Array.from({ length: 40 }, (_, index) => launch(shell(`exit ${index + 1}`)))
    await Promise.all(started.map((one) => executor.start(one)))
    const exits = await Promise.all(started.map((one) => seen.exitOf(one)))
    expect(exits.map(({ exitCode }) => exitCode)).toEqual(started.map((_, index) => index + 1))
    expect(seen.started).toHaveLength(40)
    await executor.close()
  })

  test('a task outlives a runner that is ended by SIGKILL', async () => {
    const go = join(root, 'go-outlive')
    const started = launch(shell('echo $$; while [ ! -e "$1" ]; do sleep 0.02; done; exit 9', go))
    const runner = `
      const { ProcessExecutor } = await import(${JSON.stringify(new URL('./process.ts', import.meta.url).href)})
      const events = { onStarted() { process.kill(process.pid, 'SIGKILL') }, onExit() {} }
      const executor = new ProcessExecutor(${JSON.stringify(options)}, { events, now: Date.now, bootId: 'boot-1', runnerId: 'runner-1', log() {} })
      await executor.start(${JSON.stringify(started)})
      setInterval(() => {}, 1000)`
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', runner], {
      encoding: 'utf8',
    })
    expect(signal).toBe('SIGKILL')
    const pid = Number(await lineOf(started.stdoutPath))
    expect(isRunning(pid)).toBe(true)
    const seen = new Seen()
    const next = make(seen)
    expect(await next.recover(next.handleFor(started))).toMatchObject({ state: 'running' })
    writeFileSync(go, '')
    expect(await seen.exitOf(started)).toMatchObject({ cause: 'exited', exitCode: 9 })
    await next.close()
  })
})
