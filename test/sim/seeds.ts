/** Scenarios that once broke a promise, each with the fault in our programs that it found. */
import type { Scenario } from './faults.ts'

export const pastFailures: readonly { found: string; scenario: Scenario }[] = [
  {
    found: 'a kill was refused because the task had ended, and that end was not on disk yet',
    scenario: {
      seed: 986160429,
      nodes: 2,
      tasks: 100,
      faults: [{ kind: 'host_disk_full', atMs: 11_669, forMs: 13_643 }],
    },
  },
  {
    found: 'acknowledged reports stayed in the outbox file after the disk had been full',
    scenario: {
      seed: 0,
      nodes: 1,
      tasks: 60,
      faults: [{ kind: 'node_disk_full', atMs: 102_793, node: 0, forMs: 16_022 }],
    },
  },
  {
    found: 'an attempt that was being let go when the runner went down was started a second time',
    scenario: {
      seed: 377_362_402,
      nodes: 1,
      tasks: 100,
      faults: [{ kind: 'runner_crash', atMs: 105_635, node: 3, downMs: 1_364, calls: 48 }],
    },
  },
]
