/** docs/states.md: every status and what each event makes of it, asked of `transition` itself. */
import { spec } from '../../src/core/builders.suite.ts'
import {
  type ExitCause,
  finalStatuses,
  heldStatuses,
  type Status,
  statuses,
  type Task,
  type TaskBase,
  type TaskEvent,
  type TaskExit,
  transition,
} from '../../src/core/task.ts'

const meanings: Record<Status, string> = {
  pending: 'waits for a place; the reason is told in words',
  assigning: 'has a place, and its runner was told; the start is not confirmed',
  running: 'its process runs',
  unreachable: 'its node is silent; the task may well be running',
  killing: 'its end was asked for; something of it may still be alive',
  completed: 'ended by itself with exit code 0',
  failed:
    'ended by itself with another exit code, by a signal that nobody here sent, or could not be started',
  killed: 'was ended on request; nothing of it is left',
  killed_oom: 'was ended by the kernel for lack of memory',
  timed_out: 'ran longer than its time limit',
  lost: 'nobody can know how it ended: its node rebooted, or lost its record',
}

const specimen: TaskBase = {
  id: 1,
  batchId: 1,
  owner: 'admin',
  spec: spec(),
  target: { kind: 'any' },
  submittedAtMs: 0,
  attempt: 1,
}
const placed = {
  placement: { node: 'node1', numaId: null },
  dispatchedTo: { runnerId: 'runner', bootId: 'boot' },
  placedAtMs: 1,
}

function taskIn(status: Status): Task {
  switch (status) {
    case 'pending':
      return { ...specimen, attempt: 0, status }
    case 'assigning':
      return { ...specimen, ...placed, status }
    case 'running':
      return { ...specimen, ...placed, status, startedAtMs: 2 }
    case 'unreachable':
      return { ...specimen, ...placed, status, startedAtMs: 2, sinceMs: 3 }
    case 'killing':
      return { ...specimen, ...placed, status, startedAtMs: 2, killRequestedAtMs: 3, killReason: '' }
    default:
      return {
        ...specimen,
        ...placed,
        status,
        startedAtMs: 2,
        endedAtMs: 4,
        exitCode: null,
        signal: null,
        reason: null,
        cpuTimeMs: null,
        peakMemoryBytes: null,
      }
  }
}

function exit(cause: ExitCause, exitCode: number | null = null): TaskExit {
  const rest = { signal: null, startedAtMs: 2, cpuTimeMs: null, peakMemoryBytes: null, reason: null }
  return { cause, exitCode, endedAtMs: 4, ...rest }
}

const attempt = 1
const events: [name: string, event: TaskEvent][] = [
  ['placed', { type: 'placed', attempt, placement: placed.placement, dispatchedTo: placed.dispatchedTo }],
  ['started', { type: 'started', attempt, startedAtMs: 2 }],
  ['exited with 0', { type: 'exited', attempt, exit: exit('exited', 0) }],
  ['exited with another code', { type: 'exited', attempt, exit: exit('exited', 1) }],
  ['ended by a signal', { type: 'exited', attempt, exit: exit('signaled') }],
  ['out of memory', { type: 'exited', attempt, exit: exit('oom') }],
  ['time limit', { type: 'exited', attempt, exit: exit('timeout') }],
  ['ended on request', { type: 'exited', attempt, exit: exit('killed') }],
  ['could not be started', { type: 'exited', attempt, exit: exit('launch_failed') }],
  ['end not recorded', { type: 'exited', attempt, exit: exit('lost') }],
  ['kill requested', { type: 'kill_requested', reason: 'asked' }],
  ['node silent', { type: 'node_silent' }],
  ['node back, task running', { type: 'node_returned', attempt, startedAtMs: 2 }],
  ['node back, task not started', { type: 'node_returned', attempt, startedAtMs: null }],
  ['declared lost', { type: 'declared_lost', attempt, reason: 'told' }],
  ['node lost, or its lease over', { type: 'node_lost', attempt, reason: 'told' }],
]
/** What differs where the task may be started again (`--requeue`). */
const leasedEvents: typeof events = [
  ['node lost, or its lease over', { type: 'node_lost', attempt, reason: 'told' }],
  ['the same, told by its runner', { type: 'exited', attempt, exit: exit('node_lost') }],
]

function outcomeOf(status: Status, event: TaskEvent, requeue = 0): string {
  const outcome = transition({ ...taskIn(status), spec: spec({ requeue }) }, event, 10)
  if (outcome.kind === 'illegal') return 'refused'
  if (outcome.kind === 'ignored') return ''
  return outcome.task.status === status ? '·' : `**${outcome.task.status}**`
}

/** The whole page. */
export function describeStates(): string {
  const open = statuses.filter((status) => !(finalStatuses as readonly Status[]).includes(status))
  const kindOf = (status: Status) =>
    (finalStatuses as readonly Status[]).includes(status)
      ? 'final'
      : (heldStatuses as readonly Status[]).includes(status)
        ? 'holds its place'
        : 'waits'
  return `# The life of a task

Made from \`transition\` in \`src/core/task.ts\` by \`npm run docs\`; \`npm run check\` fails where it is out of date.

## Statuses

| status | kind | meaning |
| --- | --- | --- |
${statuses.map((status) => `| \`${status}\` | ${kindOf(status)} | ${meanings[status]} |`).join('\n')}

## What each event does

Rows are events, columns the status before. Empty: ignored. \`·\`: the status stays, something is noted.
A final status never changes; a kill of a task that has ended is refused.

| event | ${open.map((status) => `\`${status}\``).join(' | ')} |
| --- |${open.map(() => ' --- |').join('')}
${events.map(([name, event]) => `| ${name} | ${open.map((status) => outcomeOf(status, event)).join(' | ')} |`).join('\n')}

With an attempt left (\`--requeue\`) only these differ. A kill that was asked for wins over it, and so does every end of
the task's own.

| event | ${open.map((status) => `\`${status}\``).join(' | ')} |
| --- |${open.map(() => ' --- |').join('')}
${leasedEvents.map(([name, event]) => `| ${name} | ${open.map((status) => outcomeOf(status, event, 1)).join(' | ')} |`).join('\n')}

Events that come from a runner carry the attempt they speak of; those of another attempt than the current one are
ignored.
`
}
