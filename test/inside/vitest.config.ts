import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const cache = join(tmpdir(), `hakuriver-inside-${process.getuid?.()}`)

/** For tests that run on the machine that they are about: they write nothing beside themselves. */
// biome-ignore lint/style/noDefaultExport: vitest reads it
export default defineConfig({
  root: import.meta.dirname,
  cacheDir: join(cache, 'vite'),
  test: {
    include: ['*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fsModuleCachePath: join(cache, 'modules'),
    attachmentsDir: join(cache, 'attachments'),
  },
})
