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
  {
    found:
      'a hello that came late on a connection given up long ago was believed, and a task called lost that ran',
    scenario: {
      seed: 1371606830,
      nodes: 4,
      tasks: 100,
      faults: [
        { kind: 'reset', atMs: 113507, node: 2 },
        { kind: 'runner_crash', atMs: 103740, node: 1, downMs: 12302, calls: 53 },
        { kind: 'host_stall', atMs: 117768, forMs: 30096 },
        { kind: 'reset', atMs: 107486, node: 1 },
        { kind: 'reset', atMs: 49393, node: 1 },
        { kind: 'host_restart', atMs: 73065, downMs: 1101 },
        { kind: 'node_power', atMs: 44893, node: 3, downMs: 11315, isWiped: true },
        { kind: 'runner_crash', atMs: 55216, node: 1, downMs: 222, calls: 6 },
        { kind: 'runner_stall', atMs: 41755, node: 0, forMs: 806 },
        { kind: 'host_disk_slow', atMs: 78313, forMs: 26112, latencyMs: 4825 },
        { kind: 'host_crash', atMs: 80865, downMs: 29016, calls: 0 },
        { kind: 'runner_crash', atMs: 119424, node: 0, downMs: 2412, calls: 2 },
        { kind: 'node_power', atMs: 77079, node: 1, downMs: 25775, isWiped: false },
        { kind: 'runner_crash', atMs: 18823, node: 1, downMs: 24319, calls: 31 },
        { kind: 'host_disk_slow', atMs: 112500, forMs: 20087, latencyMs: 3347 },
        { kind: 'clog', atMs: 117767, node: 1, forMs: 34224, latencyMs: 11818 },
        { kind: 'reset', atMs: 49696, node: 2 },
        { kind: 'clog', atMs: 89128, node: 0, forMs: 11524, latencyMs: 8702 },
        { kind: 'runner_stall', atMs: 119460, node: 3, forMs: 11247 },
        { kind: 'host_restart', atMs: 27343, downMs: 1251 },
        { kind: 'node_power', atMs: 4370, node: 3, downMs: 139, isWiped: false },
      ],
    },
  },
]
