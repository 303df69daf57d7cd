import { expect, it } from 'vitest'
import { spec } from '../../core/builders.suite.ts'
import { waitFor } from '../../platform/wait.ts'
import { executorSuite } from './executor.suite.ts'
import type { LaunchSpec } from './executor.ts'
import { FakeExecutor, FakeMachine } from './fake.ts'

const machine = new FakeMachine()
executorSuite('fake', (deps) => new FakeExecutor(machine, deps), {
  isReal: false,
  dialect: {
    exit: (code) => ({ command: 'exit', arguments: [String(code)] }),
    sleep: (seconds) => ({ command: 'sleep', arguments: [String(seconds)] }),
    signal: (name) => ({ command: 'signal', arguments: [name] }),
    badLaunch: () => ({ command: 'fail-launch' }),
  },
})

it('ends what is leased at the deadline, and nothing else, whoever watches', async () => {
  const own = new FakeMachine()
  const told: string[] = []
  const deps = {
    events: {
      onStarted: () => {},
      onExit: (taskId: number, attempt: number, { cause }: { cause: string }) =>
        void told.push(`${cause} ${taskId}-${attempt}`),
    },
    now: Date.now,
    bootId: 'boot-1',
    runnerId: 'runner-1',
    log: () => {},
  }
  const first = new FakeExecutor(own, deps)
  const launch = (taskId: number, attempt: number): LaunchSpec => ({
    taskId,
    attempt,
    owner: 'admin',
    spec: spec({ command: 'sleep', arguments: ['600'], requeue: 1 }),
    numaId: null,
    extraEnv: {},
    taskDir: '/nowhere',
    stdoutPath: '/nowhere/out',
    stderrPath: '/nowhere/err',
    defaultCwd: '/',
    user: null,
  })
  await first.start(launch(1, 1))
  await first.start(launch(2, 2))
  await first.fence.arm(first.fence.now() + 20)
  await first.close()
  const next = new FakeExecutor(own, deps)
  expect(next.fence.deadlineMs).toBe(first.fence.deadlineMs)
  await next.recover(next.handleFor(launch(1, 1)))
  await next.recover(next.handleFor(launch(2, 2)))
  await waitFor('the lease is over', () => told.length > 0)
  expect(told).toEqual(['node_lost 1-1'])
  await next.kill(2, 2)
  await waitFor('it is killed', () => told.length > 1)
  await next.close()
})
