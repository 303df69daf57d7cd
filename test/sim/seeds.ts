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
  {
    found:
      'a submit that came while the host stopped left tasks without a batch, and the last commit failed by them',
    scenario: {
      seed: 96_940_293,
      nodes: 1,
      tasks: 100,
      faults: [
        { kind: 'host_disk_slow', atMs: 4_994, forMs: 27_195, latencyMs: 1_206 },
        { kind: 'node_power', atMs: 0, node: 0, downMs: 1, isWiped: false },
        { kind: 'runner_crash', atMs: 14_406, node: 0, downMs: 1_348, calls: 5 },
        { kind: 'host_restart', atMs: 31_050, downMs: 1 },
        { kind: 'host_crash', atMs: 5_433, downMs: 16_269, calls: 0 },
      ],
    },
  },
]
