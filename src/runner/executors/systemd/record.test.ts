import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { TaskExit } from '../../../core/task.ts'
import {
  type Ending,
  type ExitRecord,
  exitOf,
  parseRecord,
  recorderScript,
  type UnitFacts,
} from './record.ts'
import { noFacts } from './unit-facts.ts'

const root = mkdtempSync(join(tmpdir(), 'hakuriver-record-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const whole = 'result=success\ncode=exited\nstatus=0\npeak=4096\nooms=0\nusage=1500499\nup=12.34\nend\n'

describe('reading a record', () => {
  test('a whole one', () => {
    expect(parseRecord(whole)).toEqual({
      result: 'success',
      code: 'exited',
      status: '0',
      peakMemoryBytes: 4096,
      oomKills: 0,
      cpuTimeMs: 1500,
      upMs: 12_340,
    })
  })

  test('torn at any byte it is none', () => {
    for (let length = 0; length < whole.length; length += 1)
      expect(parseRecord(whole.slice(0, length))).toBeNull()
    expect(parseRecord(null)).toBeNull()
  })

  test('figures that the kernel did not tell are not known', () => {
    expect(
      parseRecord('result=oom-kill\ncode=killed\nstatus=KILL\npeak=\nooms=\nusage=\nup=\nend\n'),
    ).toEqual({
      result: 'oom-kill',
      code: 'killed',
      status: 'KILL',
      peakMemoryBytes: null,
      oomKills: 0,
      cpuTimeMs: null,
      upMs: null,
    })
    expect(parseRecord('peak=max\nusage=-1\nend\n')).toMatchObject({ peakMemoryBytes: null, cpuTimeMs: null })
  })
})

const shells = [['/bin/sh'], ['bash'], ['busybox', 'sh']].filter(
  ([program = '', ...words]) => spawnSync(program, [...words, '-c', 'exit 0']).status === 0,
)

test.each(shells.map((words) => ({ shell: words.join(' '), words })))(
  'the recorder writes a whole record in $shell',
  ({ words }) => {
    const [program = '', ...before] = words
    const script = join(root, 'recorder.sh')
    const record = join(root, 'exit')
    const figures = join(root, 'unit.service')
    mkdirSync(figures, { recursive: true })
    writeFileSync(join(figures, 'memory.peak'), '4096\n')
    writeFileSync(join(figures, 'memory.events'), 'low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n')
    writeFileSync(join(figures, 'cpu.stat'), 'usage_usec 123456\nuser_usec 1\n')
    const layout = {
      processes: root,
      memory: root,
      memoryFile: 'memory.current',
      peakFile: 'memory.peak',
      eventsFile: 'memory.events',
      cpu: root,
    }
    writeFileSync(script, recorderScript(layout))
    const env = { SERVICE_RESULT: 'exit-code', EXIT_CODE: 'exited', EXIT_STATUS: '7' }
    const { stderr } = spawnSync(program, [...before, script, record, '/unit.service'], { env })
    expect(stderr.toString()).toBe('')
    expect(parseRecord(readFileSync(record, 'utf8'))).toEqual({
      result: 'exit-code',
      code: 'exited',
      status: '7',
      peakMemoryBytes: 4096,
      oomKills: 2,
      cpuTimeMs: 123,
      upMs: expect.any(Number),
    })
  },
)

function recordOf(overrides: Partial<ExitRecord> = {}): ExitRecord {
  return {
    result: 'success',
    code: 'exited',
    status: '0',
    peakMemoryBytes: 10,
    oomKills: 0,
    cpuTimeMs: 20,
    upMs: null,
    ...overrides,
  }
}

function factsOf(overrides: Partial<UnitFacts> = {}): UnitFacts {
  return {
    ...noFacts(),
    activeState: 'inactive',
    result: 'success',
    startedAtMs: 1_000,
    endedAtMs: 2_000,
    ...overrides,
  }
}

function ending(overrides: Partial<Ending> = {}): Ending {
  return {
    record: recordOf(),
    facts: factsOf(),
    killRequested: false,
    stoppedOutside: false,
    recordedAtMs: 2_500,
    wasRebooted: false,
    note: null,
    wasRun: true,
    timeoutMs: null,
    nowMs: 3_000,
    ...overrides,
  }
}

const killed = recordOf({ result: 'signal', code: 'killed', status: 'KILL' })
const termed = recordOf({ result: 'success', code: 'killed', status: 'TERM' })
const noRecord = { record: null, recordedAtMs: null }

const cases: [name: string, ending: Partial<Ending>, exit: Partial<TaskExit>][] = [
  [
    'success',
    {},
    { cause: 'exited', exitCode: 0, signal: null, reason: null, cpuTimeMs: 20, peakMemoryBytes: 10 },
  ],
  [
    'an exit code',
    { record: recordOf({ result: 'exit-code', status: '7' }) },
    { cause: 'exited', exitCode: 7 },
  ],
  [
    'a signal',
    { record: killed },
    { cause: 'signaled', exitCode: null, signal: 'SIGKILL', reason: 'ended by SIGKILL' },
  ],
  [
    'a core dump',
    { record: recordOf({ result: 'core-dump', code: 'dumped', status: 'SEGV' }) },
    { cause: 'signaled', signal: 'SIGSEGV' },
  ],
  ['SIGTERM that nobody here sent', { record: termed }, { cause: 'signaled', signal: 'SIGTERM' }],
  [
    'a kill that was asked for',
    { record: termed, killRequested: true },
    { cause: 'killed', signal: 'SIGTERM', reason: null },
  ],
  [
    'an own exit code at a kill',
    { record: recordOf({ status: '3' }), killRequested: true },
    { cause: 'killed', exitCode: 3 },
  ],
  ['a kill before memory', { record: recordOf({ oomKills: 1 }), killRequested: true }, { cause: 'killed' }],
  [
    'lack of memory',
    { record: recordOf({ result: 'oom-kill', code: 'killed', status: 'KILL' }) },
    { cause: 'oom', signal: 'SIGKILL' },
  ],
  [
    'lack of memory in a child',
    { record: recordOf({ status: '1', oomKills: 2 }) },
    { cause: 'oom', exitCode: 1 },
  ],
  [
    'a stop from outside',
    { record: termed, stoppedOutside: true },
    { cause: 'killed', reason: expect.stringContaining('outside') },
  ],
  [
    'the time limit',
    { record: recordOf({ result: 'timeout', code: 'killed', status: 'TERM' }), timeoutMs: 1_500 },
    { cause: 'timeout', reason: 'it ran longer than its limit of 1.5 s' },
  ],
  [
    'the time limit of a task whose limit is not known any more',
    { record: recordOf({ result: 'timeout', code: 'exited', status: '0' }) },
    { cause: 'timeout', reason: 'it ran longer than its time limit' },
  ],
  [
    'a set-up that the script noted',
    { record: recordOf({ result: 'exit-code', status: '124' }), note: 'no such directory' },
    { cause: 'launch_failed', exitCode: null, startedAtMs: null, reason: 'no such directory' },
  ],
  [
    '124 of the task itself',
    { record: recordOf({ result: 'exit-code', status: '124' }) },
    { cause: 'exited', exitCode: 124 },
  ],
  [
    'a note with another code',
    { record: recordOf({ status: '1' }), note: 'written by the task' },
    { cause: 'exited', exitCode: 1 },
  ],
  [
    'a shutdown of the node',
    { record: termed, wasRebooted: true },
    { cause: 'killed', reason: expect.stringContaining('shut down') },
  ],
  ['a signal before a reboot', { record: killed, wasRebooted: true }, { cause: 'signaled' }],
  [
    'an end before a reboot',
    { wasRebooted: true, facts: null },
    { cause: 'exited', exitCode: 0, endedAtMs: 2_500 },
  ],
  ['no facts', { facts: null, recordedAtMs: null }, { cause: 'exited', startedAtMs: null, endedAtMs: 3_000 }],
  [
    'a recorded failure of the set-up',
    { record: recordOf({ result: 'exit-code', status: '226' }), wasRun: false },
    { cause: 'launch_failed', exitCode: null, startedAtMs: null, reason: expect.stringContaining('sandbox') },
  ],
  [
    'a recorded end of nothing',
    { record: recordOf({ result: 'resources', code: '', status: '' }), wasRun: false },
    { cause: 'launch_failed', reason: expect.stringContaining('resources') },
  ],
  [
    'a record whose mark that it ran is gone',
    { record: recordOf({ result: 'exit-code', status: '3' }), wasRun: false },
    { cause: 'exited', exitCode: 3 },
  ],
  [
    'no record: a step of the set-up failed',
    { ...noRecord, wasRun: false, facts: factsOf({ mainCode: 1, mainStatus: 217 }) },
    { cause: 'launch_failed', startedAtMs: null, reason: expect.stringContaining('user') },
  ],
  [
    'no record: an unknown step of the set-up failed',
    { ...noRecord, wasRun: false, facts: factsOf({ mainCode: 1, mainStatus: 244 }) },
    { cause: 'launch_failed', reason: expect.stringContaining('244') },
  ],
  [
    'no record: it was never run',
    { ...noRecord, wasRun: false, facts: factsOf({ result: 'resources' }) },
    { cause: 'launch_failed', startedAtMs: null, reason: expect.stringContaining('resources') },
  ],
  [
    'no record: killed before it ran',
    { ...noRecord, wasRun: false, killRequested: true, facts: null },
    { cause: 'killed' },
  ],
  [
    'no record: killed',
    { ...noRecord, killRequested: true },
    { cause: 'killed', reason: null, cpuTimeMs: null },
  ],
  [
    'the lease ran out: also where it had a handler for the stop',
    { record: recordOf({ code: 'exited', status: '0' }), isLeased: true, isLeaseOver: true },
    { cause: 'node_lost', reason: expect.stringContaining('lease ran out') },
  ],
  [
    'the lease ran out, and the stop took too long',
    {
      record: recordOf({ result: 'timeout', code: 'killed', status: 'KILL' }),
      isLeaseOver: true,
      stoppedOutside: true,
    },
    { cause: 'node_lost' },
  ],
  [
    'the lease ran out, but its own time limit was first',
    {
      record: recordOf({ result: 'timeout', code: 'killed', status: 'TERM' }),
      isLeaseOver: true,
      timeoutMs: 500,
      recordedAtMs: 2_100,
    },
    { cause: 'timeout' },
  ],
  [
    'the lease ran out, but a kill had been asked for',
    { record: recordOf({ code: 'killed', status: 'TERM' }), isLeaseOver: true, killRequested: true },
    { cause: 'killed' },
  ],
  [
    'an orderly reboot under a lease',
    { record: recordOf({ code: 'killed', status: 'TERM' }), facts: null, isLeased: true, wasRebooted: true },
    { cause: 'node_lost', reason: expect.stringContaining('rebooted') },
  ],
  [
    'no record: it was not started because the lease was over',
    { ...noRecord, wasRun: false, facts: null, isLeaseOver: true },
    { cause: 'node_lost' },
  ],
  ['no record: nobody knows', { ...noRecord, facts: null }, { cause: 'lost', endedAtMs: 3_000 }],
  ['no record: not even an end', { ...noRecord, facts: factsOf({ endedAtMs: null }) }, { cause: 'lost' }],
  [
    'no record, but systemd told the exit code',
    { ...noRecord, facts: factsOf({ mainCode: 1, mainStatus: 7 }) },
    { cause: 'exited', exitCode: 7, endedAtMs: 2_000 },
  ],
  [
    'no record, but a task that ran may end with any code',
    { ...noRecord, facts: factsOf({ mainCode: 1, mainStatus: 217 }) },
    { cause: 'exited', exitCode: 217 },
  ],
  [
    'no record, but systemd told of the memory',
    { ...noRecord, facts: factsOf({ result: 'oom-kill', mainCode: 2, mainStatus: 9 }) },
    { cause: 'oom' },
  ],
  [
    'no record, but systemd told of the time limit',
    { ...noRecord, timeoutMs: 500, facts: factsOf({ result: 'timeout', mainCode: 2, mainStatus: 15 }) },
    { cause: 'timeout', reason: 'it ran longer than its limit of 0.5 s' },
  ],
  [
    'no record, but systemd told the signal',
    { ...noRecord, facts: factsOf({ result: 'signal', mainCode: 2, mainStatus: 9 }) },
    { cause: 'signaled', signal: 'SIGKILL', reason: 'ended by SIGKILL' },
  ],
]

test.each(cases)('the end of a task: %s', (_, given, wanted) => {
  const exit = exitOf(ending(given))
  expect(exit).toMatchObject(wanted)
  expect(exit.endedAtMs).toBeGreaterThan(0)
})
