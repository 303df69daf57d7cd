import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import type { TaskSpec } from '../../core/task.ts'
import { waitFor } from '../../platform/wait.ts'
import { executorSuite, Seen, shell } from '../executors/executor.suite.ts'
import type { LaunchSpec } from '../executors/executor.ts'
import { FakeExecutor, FakeMachine } from '../executors/fake.ts'
import { ProcessExecutor } from '../executors/process.ts'
import { readBootId } from '../hardware.ts'
import { placedByLauncher, TestLauncher, throughLauncher } from './launcher.suite.ts'
import { RemoteExecutor } from './remote-executor.ts'

let root = ''
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-remote-'))
  chmodSync(root, 0o755)
  mkdirSync(join(root, 'work'), { recursive: true })
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const info = {
  name: 'process' as const,
  why: 'a test',
  enforcesLimits: false,
  features: { privateNetwork: false, privatePids: false, numa: false },
}
let suiteRoot = ''
const makeRoot = () => {
  suiteRoot = mkdtempSync(join(tmpdir(), 'hakuriver-remote-suite-'))
  return suiteRoot
}
executorSuite(
  'process through the launcher',
  throughLauncher(
    (deps) => new ProcessExecutor({ info, runDir: join(suiteRoot, 'processes'), numactlPath: '' }, deps),
    () => suiteRoot,
  ),
  { makeRoot, adjust: placedByLauncher },
)

describe('a runner with the launcher', () => {
  const opened: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close()
  })

  let nextTask = 0
  const launchOf = (wanted: Partial<TaskSpec>, more: Partial<LaunchSpec> = {}): LaunchSpec => {
    nextTask += 1
    return {
      ...{ taskId: nextTask, attempt: 1, owner: 'admin', spec: spec(wanted), numaId: null, extraEnv: {} },
      ...{ taskDir: '/nowhere', stdoutPath: '/nowhere', stderrPath: '/nowhere', defaultCwd: '/', user: null },
      ...more,
    }
  }

  async function open(options: Partial<ConstructorParameters<typeof TestLauncher>[0]> = {}) {
    const machine = new FakeMachine()
    const bootId = readBootId()
    const launcher = new TestLauncher({
      root,
      make: (deps) => new FakeExecutor(machine, deps),
      bootId,
      ...options,
    })
    await launcher.listen()
    const seen = new Seen()
    const logged: string[] = []
    const executor = await RemoteExecutor.open(
      { socketPath: launcher.socketPath, reconnectDelayMs: () => 5, callDeadlineMs: 5_000 },
      {
        ...{ events: seen, now: Date.now, bootId, runnerId: 'r' },
        log: (message) => void logged.push(message),
      },
    )
    opened.push({ close: () => launcher.stop() }, executor)
    return { machine, launcher, executor, seen, logged }
  }

  const sleeping = { command: 'sleep', arguments: ['600'] }

  test('names itself and where the logs are, and leaves the mapping of users to the launcher', async () => {
    const { executor, launcher } = await open()
    expect(executor.mapsUsers).toBe(true)
    expect(executor.logs?.logsDir).toBe(launcher.places.logsDir)
  })

  test('is told what its launcher refuses', async () => {
    const { executor, seen } = await open()
    const refused = launchOf(sleeping, { owner: 'mallory' })
    await executor.start(refused)
    expect(await seen.exitOf(refused)).toMatchObject({
      cause: 'launch_failed',
      reason: 'n1 runs nothing of mallory: add `mallory = "…"` to [users] in its configuration',
    })
  })

  test('finds out what became of its tasks while the launcher was away', async () => {
    const { executor, seen, launcher, logged } = await open()
    const [staying, ending] = [launchOf(sleeping), launchOf({ command: 'sleep', arguments: ['0.3'] })]
    for (const launch of [staying, ending]) {
      await executor.start(launch)
      await waitFor('its start', () => seen.startsOf(launch)[0])
    }
    await launcher.stop()
    await waitFor('the loss', () => logged.some((line) => line.startsWith('Lost')))
    const begun = launchOf(sleeping)
    const asked = executor.start(begun)
    const killed = executor.kill(staying.taskId, 1, 100)
    await new Promise((resolve) => setTimeout(resolve, 400))
    await launcher.listen()
    await Promise.all([asked, killed])
    expect((await seen.exitOf(ending)).cause).toBe('exited')
    expect((await seen.exitOf(staying)).cause).toBe('killed')
    await waitFor('the start of the new one', () => seen.startsOf(begun)[0])
    expect(seen.exits).toHaveLength(2)
    expect(seen.started).toHaveLength(3)
  })

  test('starts once what it was asked for when the launcher went', async () => {
    const { executor, seen, launcher } = await open()
    const launches = Array.from({ length: 20 }, () => launchOf({ command: 'sleep', arguments: ['0.05'] }))
    const asked = launches.map((launch) => executor.start(launch))
    await launcher.stop()
    await launcher.listen()
    await Promise.all(asked)
    for (const launch of launches) expect((await seen.exitOf(launch)).cause).toBe('exited')
    expect(seen.started).toHaveLength(20)
    expect(seen.exits).toHaveLength(20)
  })

  test('hands secrets on, and what the runner sets before them', async () => {
    const { executor, launcher, seen } = await open({
      make: (deps) => new ProcessExecutor({ info, runDir: join(root, 'processes'), numactlPath: '' }, deps),
    })
    const launch = launchOf(
      { ...shell('echo "$A $B $HAKURIVER_NODE"'), env: { A: 'env' } },
      { secrets: { A: 'secret', B: "it's" }, extraEnv: { HAKURIVER_NODE: 'n1' } },
    )
    await executor.start(launch)
    await seen.exitOf(launch)
    expect(readFileSync(launcher.places.logPath('stdout', launch.taskId), 'utf8')).toBe("secret it's n1\n")
  })

  test('an attempt of another boot has ended, whoever is asked', async () => {
    const { executor } = await open()
    const handle = { ...executor.handleFor(launchOf(sleeping)), bootId: 'another' }
    expect(await executor.recover(handle)).toMatchObject({ state: 'ended', exit: { cause: 'lost' } })
  })

  test('arms the fence, and knows its deadline again after a loss', async () => {
    const { executor, launcher, logged } = await open()
    const deadline = (executor.fence?.now() ?? 0) + 60_000
    await executor.fence?.arm(deadline)
    expect(executor.fence?.deadlineMs).toBe(deadline)
    await launcher.stop()
    await launcher.listen()
    await waitFor('the connection', () => logged.some((line) => line.startsWith('Connected')))
    expect(executor.fence?.deadlineMs).toBe(deadline)
  })

  test('has its logs cut at the limit of the launcher, whatever it asks for', async () => {
    const { executor, launcher, seen } = await open({
      config: { logLimitBytes: 1_000 },
      make: (deps) => new ProcessExecutor({ info, runDir: join(root, 'processes'), numactlPath: '' }, deps),
    })
    const launch = launchOf(shell('head -c 5000 /dev/zero'))
    await executor.start(launch)
    await seen.exitOf(launch)
    const missing = await executor.logs?.cutLog(`${launch.taskId}-1`, 'stdout', false)
    expect(missing).toBe(4_000)
    const path = launcher.places.logPath('stdout', launch.taskId)
    expect(readFileSync(path)).toHaveLength(1_000)
    expect(readFileSync(`${path}.cut`, 'utf8')).toBe('1000 4000\n')
  })

  test('is told in one sentence where the launcher does not serve it', async () => {
    const launcher = new TestLauncher({
      ...{ root, bootId: 'b', make: () => Promise.reject(new Error('no systemd')) },
    })
    await launcher.listen()
    opened.push({ close: () => launcher.stop() })
    const deps = { events: new Seen(), now: Date.now, bootId: 'b', runnerId: 'r', log: () => {} }
    const failed = RemoteExecutor.open({ socketPath: launcher.socketPath, firstDeadlineMs: 100 }, deps)
    await expect(failed).rejects.toThrow(
      /^the launcher at \S+ does not serve this runner \(.+\): another runner/,
    )
  })
})
