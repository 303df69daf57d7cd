import { defineConfig } from 'vitest/config'

/**
 * `unit` runs beside the code and is quick, `system` boots real machines and runs one file at a time. `vm` needs an
 * emulated machine and minutes, and is not part of `npm test`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'web/src/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          testTimeout: 30_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // those run in a machine, with a configuration of their own
          exclude: ['test/inside/**', 'test/vm/**', 'test/fuzz/**'],
          // on a computer that is busy with others too, a second look before CI is red; the report tells of it
          retry: process.env.CI ? 1 : 0,
          testTimeout: 60_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
    ],
  },
})
