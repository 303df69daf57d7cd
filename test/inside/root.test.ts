/** A runner that is root: it speaks to systemd over systemd's own socket. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { hasRecord } from '../../src/runner/executors/attempt-files.ts'
import { lineOf, shell } from '../../src/runner/executors/executor.suite.ts'
import { DbusUnitManager } from '../../src/runner/executors/systemd/dbus-manager.ts'
import { SystemdExecutor } from '../../src/runner/executors/systemd/systemd.ts'
import { type MakeExecutor, openRoot, Runner, removeRoot } from './runner.ts'
import { isLoaded, systemctl, systemdSuite, unitOf, untilThere } from './systemd.suite.ts'

systemdSuite('systemd', ['--executor', 'systemd'], { user: 'worker' })

const root = openRoot()
afterAll(() => removeRoot(root))

type Change = (manager: DbusUnitManager) => void

/** With something of its connection changed. */
const changed = (reconnectDelayMs: number, change: Change = () => {}): MakeExecutor => {
  return (deps) =>
    SystemdExecutor.open(
      {
        info: {
          name: 'systemd',
          why: 'a test',
          enforcesLimits: true,
          features: { privateNetwork: true, privatePids: true, numa: false },
        },
        openManager: async (events) => {
          const manager = await DbusUnitManager.open({
            socketPath: '/run/systemd/private',
            events,
            log: deps.log,
            reconnectDelayMs: () => reconnectDelayMs,
          })
          change(manager)
          return manager
        },
        runDir: '/run/hakuriver/tasks',
        hasPrivatePids: false,
        tasksMax: 8192,
        setsLimits: true,
        numactlPath: '',
      },
      deps,
    )
}

test('what the runner before has asked for is found, also when systemd carries it out only while it is looked for', async () => {
  const before = await Runner.open(changed(20), root, 'worker')
  const launch = before.launch(shell('echo here; exec sleep 600'))
  let looks = 0
  const lateStart: Change = (manager) => {
    const look = manager.look.bind(manager)
    manager.look = async (name) => {
      const facts = await look(name)
      looks += 1
      if (looks > 1) return facts
      expect(facts).toBeNull()
      await before.executor.start(launch)
      await lineOf(launch.stdoutPath)
      await before.close()
      return facts
    }
  }
  const next = await Runner.open(changed(20, lateStart), root, 'worker')
  expect(await next.executor.recover(next.executor.handleFor(launch))).toMatchObject({ state: 'running' })
  await next.executor.kill(launch.taskId, 1, 5_000)
  expect(await next.seen.exitOf(launch)).toMatchObject({ cause: 'killed' })
  await next.close()
})

test('what happens while the connection is cut is told when it is back', async () => {
  const runner = await Runner.open(changed(2_000), root, 'worker')
  const go = join(root, 'go')
  const exited = await runner.running(untilThere(go, 9))
  const died = await runner.running(shell('while [ ! -e "$1" ]; do sleep 0.02; done; kill -SEGV $$', go))
  const stopped = await runner.running(shell('exec sleep 600'))
  const killed = await runner.running(shell('exec sleep 600'))
  const staying = await runner.running(shell('echo here; exec sleep 600'))
  await systemctl('daemon-reexec')
  await waitFor('the cut', () => runner.logged.some((line) => line.startsWith('Lost the connection')))
  // it answers only when it is done
  await systemctl('show', '--property=Version')
  writeFileSync(go, '')
  await systemctl('stop', unitOf(stopped))
  const begun = runner.launch(shell('exit 5'))
  const asked = [runner.executor.start(begun), runner.executor.kill(killed.taskId, 1, 5_000)]
  for (const task of [exited, died, stopped]) {
    await waitFor(`the record of ${unitOf(task)}`, () => hasRecord(task))
    await waitFor(`the end of ${unitOf(task)}`, async () => !(await isLoaded(unitOf(task))))
  }
  expect(runner.logged.filter((line) => line.startsWith('Connected'))).toEqual([])
  expect(runner.seen.exits).toEqual([])
  await Promise.all(asked)
  expect(await runner.seen.exitOf(exited)).toMatchObject({ cause: 'exited', exitCode: 9 })
  expect(await runner.seen.exitOf(died)).toMatchObject({ cause: 'signaled', signal: 'SIGSEGV' })
  // nobody was told who stopped it
  expect(await runner.seen.exitOf(stopped)).toMatchObject({ cause: 'signaled', signal: 'SIGTERM' })
  expect(await runner.seen.exitOf(killed)).toMatchObject({ cause: 'killed', signal: 'SIGTERM' })
  expect(await runner.seen.exitOf(begun)).toMatchObject({ cause: 'exited', exitCode: 5 })
  await lineOf(staying.stdoutPath)
  await runner.executor.kill(staying.taskId, 1, 5_000)
  expect(await runner.seen.exitOf(staying)).toMatchObject({ cause: 'killed' })
  expect([runner.seen.started.length, runner.seen.exits.length]).toEqual([6, 6])
  await runner.close()
})
