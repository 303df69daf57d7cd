/** A runner in a lab machine that offers more cores than the machine has, so that tasks run side by side. */
import { createLog } from '../src/platform/log.ts'
import { createRunner } from '../src/runner/app.ts'
import { loadRunnerConfig } from '../src/runner/config.ts'

const [cores = '1', ...argv] = process.argv.slice(2)

const runner = await createRunner({
  config: loadRunnerConfig({ argv, env: {} }),
  log: createLog({ name: 'runner', level: 'warn' }),
  capacity: { cores: Number(cores), memoryBytes: 64 * 1024 ** 3, numaNodes: [] },
})
process.once('SIGTERM', () => {
  void runner.close().then(() => process.exit(0))
})
