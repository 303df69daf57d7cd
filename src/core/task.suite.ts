/** One task in every status and one event of every type, for tests that go over all pairs. */
import { exit, identity, pending, spec } from './builders.suite.ts'
import type { Status, Task, TaskEvent } from './task.ts'

export const placedAt = { node: 'n1', numaId: null }
const base = { ...pending(), spec: spec(), attempt: 2 }
const placed = { ...base, placement: placedAt, dispatchedTo: identity, placedAtMs: 2_000 }
const ended = {
  ...placed,
  startedAtMs: 5_000,
  endedAtMs: 9_000,
  exitCode: 0,
  signal: null,
  reason: null,
  cpuTimeMs: null,
  peakMemoryBytes: null,
}

/** All of attempt 2; the pending one had an attempt 2 before. */
export const taskIn: Record<Status, Task> = {
  pending: pending({ attempt: 2 }),
  assigning: { ...placed, status: 'assigning' },
  running: { ...placed, status: 'running', startedAtMs: 5_000 },
  unreachable: { ...placed, status: 'unreachable', startedAtMs: 5_000, sinceMs: 6_000 },
  killing: {
    ...placed,
    status: 'killing',
    startedAtMs: 5_000,
    killRequestedAtMs: 7_000,
    killReason: 'asked',
  },
  completed: { ...ended, status: 'completed' },
  failed: { ...ended, status: 'failed' },
  killed: { ...ended, status: 'killed' },
  killed_oom: { ...ended, status: 'killed_oom' },
  timed_out: { ...ended, status: 'timed_out' },
  lost: { ...ended, status: 'lost' },
}

/** What can happen to a task of attempt 2 (`placed`: to one that is to start for the third time). */
export const eventOf = {
  placed: { type: 'placed', attempt: 3, placement: placedAt, dispatchedTo: identity },
  started: { type: 'started', attempt: 2, startedAtMs: 5_500 },
  exited: { type: 'exited', attempt: 2, exit: exit() },
  kill_requested: { type: 'kill_requested', reason: 'asked by anna' },
  node_silent: { type: 'node_silent' },
  node_returned: { type: 'node_returned', attempt: 2, startedAtMs: 5_500 },
  declared_lost: { type: 'declared_lost', attempt: 2, reason: 'n1 rebooted', nothingLeft: true },
  node_lost: { type: 'node_lost', attempt: 2, reason: 'n1 rebooted' },
} satisfies Record<TaskEvent['type'], TaskEvent>
