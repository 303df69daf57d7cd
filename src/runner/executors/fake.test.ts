import { executorSuite } from './executor.suite.ts'
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
