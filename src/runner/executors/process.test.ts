import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { executorSuite } from './executor.suite.ts'
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
