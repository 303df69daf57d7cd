/**
 * Many runners in one process, with the fake executor: everything but the processes of tasks is real (link,
 * outbox, handles on disk). Arguments: host URL, token file, directory, number of runners, cores of each.
 */
import { join } from 'node:path'
import { silentLog } from '../src/platform/log.ts'
import { createRunner } from '../src/runner/app.ts'
import { loadRunnerConfig } from '../src/runner/config.ts'

const [url = '', tokenFile = '', dir = '', count = '1', cores = '64'] = process.argv.slice(2)

const runners = await Promise.all(
  Array.from({ length: Number(count) }, (_, i) => {
    const name = `fake${i + 1}`
    const argv = ['--host', url, '--join-token-file', tokenFile, '--name', name, '--executor', 'fake']
    const dirs = ['--state-dir', join(dir, name), '--local-temp-dir', join(dir, 'tmp')]
    return createRunner({
      config: loadRunnerConfig({ argv: [...argv, ...dirs], env: {} }),
      log: silentLog,
      capacity: { cores: Number(cores), memoryBytes: 64 * 1024 ** 3, numaNodes: [] },
    })
  }),
)
process.stdout.write('ready\n')
process.once('SIGTERM', () => {
  void Promise.all(runners.map((runner) => runner.close())).then(() => process.exit(0))
})
