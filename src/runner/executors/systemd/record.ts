/**
 * The record of an end: the small script that writes it from ExecStopPost= while the unit's cgroup still
 * exists, and the pure reading of it.
 */
import type { TaskExit } from '../../../core/task.ts'
import { leaseReason } from '../attempt-files.ts'
import { launchFailedExitCode } from '../script.ts'
import { signalName } from '../signal-name.ts'
import type { CgroupLayout } from './cgroup.ts'

/**
 * Runs as `/bin/sh <this> <record file> <cgroup>`. Builtins only, and few lines read, as a shell reads byte by byte
 * and this runs once per task. The last line says that the record is whole. Where cpu and cpuacct are mounted as
 * one, systemd 252 accounts CPU time there; elsewhere on v1 only the hierarchy of v2 beside it tells.
 */
export function recorderScript(layout: CgroupLayout): string {
  return `exec 2>/dev/null
peak= ooms= usage= ns=
read -r peak < "${layout.memory}$2/${layout.peakFile}"
while read -r key value; do [ "$key" = oom_kill ] && ooms=$value; done < "${layout.memory}$2/${layout.eventsFile}"
read -r key value < "${layout.cpu}$2/cpu.stat" && [ "$key" = usage_usec ] && usage=$value
[ -n "$usage" ] || { read -r ns < "/sys/fs/cgroup/cpu,cpuacct$2/cpuacct.usage" && usage=$((ns / 1000)); }
read -r up rest < /proc/uptime
printf 'result=%s\\ncode=%s\\nstatus=%s\\npeak=%s\\nooms=%s\\nusage=%s\\nup=%s\\nend\\n' "$SERVICE_RESULT" "$EXIT_CODE" "$EXIT_STATUS" "$peak" "$ooms" "$usage" "$up" > "$1"
`
}

/** What the script wrote. Figures are null where the kernel did not tell. */
export interface ExitRecord {
  /** SERVICE_RESULT, EXIT_CODE and EXIT_STATUS of systemd.exec(5). */
  result: string
  code: string
  status: string
  peakMemoryBytes: number | null
  oomKills: number
  cpuTimeMs: number | null
  /** Milliseconds from the boot to the end, the machine's sleep included; null: not written down. */
  upMs: number | null
}

/** Reads a record; null where it is missing or not whole. */
export function parseRecord(text: string | null): ExitRecord | null {
  if (text === null || !text.endsWith('\nend\n')) return null
  const values = new Map(
    text.split('\n').map((line) => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)] as const
    }),
  )
  const usage = figure(values.get('usage'))
  return {
    result: values.get('result') ?? '',
    code: values.get('code') ?? '',
    status: values.get('status') ?? '',
    peakMemoryBytes: figure(values.get('peak')),
    oomKills: figure(values.get('ooms')) ?? 0,
    cpuTimeMs: usage === null ? null : Math.round(usage / 1000),
    upMs: uptimeOf(values.get('up')),
  }
}

/** Seconds with two decimals (proc_uptime(5)), in milliseconds. */
function uptimeOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+\.\d+$/.test(text) ? Math.round(Number(text) * 1000) : null
}

function figure(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}

/** What systemd itself told of the unit's main process while it could be asked. */
export interface UnitFacts {
  /** ActiveState of the unit, such as `active` or `failed`; empty: not known. */
  activeState: string
  result: string
  /** ExecMainCode: 1 where the main process exited by itself (CLD_EXITED of sigaction(2)). */
  mainCode: number | null
  /** ExecMainStatus: exit code or signal number. */
  mainStatus: number | null
  /** ControlPID: the process that systemd runs for the unit's own sake, such as the recorder; 0: none. */
  controlPid: number
  startedAtMs: number | null
  endedAtMs: number | null
}

/** All that is known of an end. */
export interface Ending {
  record: ExitRecord | null
  facts: UnitFacts | null
  /** We were asked to kill it. */
  killRequested: boolean
  /** Somebody else stopped the unit. */
  stoppedOutside: boolean
  /** When the record was written; null where there is none. */
  recordedAtMs: number | null
  /** The node was shut down or rebooted since the start. */
  wasRebooted: boolean
  /** It ran under a lease; left out: it did not. */
  isLeased?: boolean
  /** Its lease was over when it ended, by systemd's hand. */
  isLeaseOver?: boolean
  /** What the start script noted of a failed set-up. */
  note: string | null
  /** Did the start script run? */
  wasRun: boolean
  timeoutMs: number | null
  nowMs: number
}

/** What the end means. Read, never guessed: where nothing was written down, it says so. */
export function exitOf(ending: Ending): TaskExit {
  const { record, facts } = ending
  const base = {
    exitCode: null,
    signal: null,
    startedAtMs: facts?.startedAtMs ?? null,
    endedAtMs: facts?.endedAtMs ?? ending.recordedAtMs ?? ending.nowMs,
    cpuTimeMs: record?.cpuTimeMs ?? null,
    peakMemoryBytes: record?.peakMemoryBytes ?? null,
    reason: null,
  }
  if (record === null) return { ...base, ...withoutRecord(ending) }
  const code = record.code === 'exited' ? Number(record.status) : null
  const signal = record.code === 'killed' || record.code === 'dumped' ? `SIG${record.status}` : null
  const seen = { ...base, exitCode: code, signal }
  const setUp = ending.wasRun || ending.wasRebooted ? null : recordedSetUpFailure(record, code, signal)
  if (setUp !== null && !ending.killRequested) {
    return { ...seen, startedAtMs: null, exitCode: null, cause: 'launch_failed', reason: setUp }
  }
  if (ending.killRequested) return { ...seen, cause: 'killed' }
  if (record.result === 'oom-kill' || record.oomKills > 0) {
    return { ...seen, cause: 'oom', reason: 'the kernel ended it for lack of memory' }
  }
  if (ending.isLeaseOver && !ranTooLong(ending)) return { ...seen, cause: 'node_lost', reason: leaseReason }
  if (ending.stoppedOutside) {
    return { ...seen, cause: 'killed', reason: 'its unit was stopped outside HakuRiver' }
  }
  if (record.result === 'timeout')
    return { ...seen, cause: 'timeout', reason: timeoutReason(ending.timeoutMs) }
  if (code === launchFailedExitCode && ending.note !== null) {
    return { ...seen, startedAtMs: null, exitCode: null, cause: 'launch_failed', reason: ending.note }
  }
  if (signal !== null) {
    if (ending.wasRebooted && isCleanStop(record)) {
      const cause = ending.isLeased ? 'node_lost' : 'killed'
      return { ...seen, cause, reason: 'its node was shut down or rebooted while it ran' }
    }
    return { ...seen, cause: 'signaled', reason: `ended by ${signal}` }
  }
  return { ...seen, cause: 'exited' }
}

/** The script did not run, and the recorder was told of no end of it or of one that only systemd gives. */
function recordedSetUpFailure(record: ExitRecord, code: number | null, signal: string | null): string | null {
  if (signal !== null || record.result === 'success') return null
  return code === null ? `systemd could not start it (${record.result})` : setUpFailure(code)
}

/** Was its own time limit first? A stop that takes too long is called a time-out as well. */
function ranTooLong({ record, facts, recordedAtMs, timeoutMs }: Ending): boolean {
  if (record?.result !== 'timeout' || timeoutMs === null) return false
  const startedAtMs = facts?.startedAtMs ?? null
  return startedAtMs !== null && recordedAtMs !== null && recordedAtMs - startedAtMs >= timeoutMs
}

function timeoutReason(timeoutMs: number | null): string {
  const limit = timeoutMs === null ? 'time limit' : `limit of ${timeoutMs / 1000} s`
  return `it ran longer than its ${limit}`
}

/** To systemd an end by SIGTERM is a success: it is how a service is stopped. */
function isCleanStop(record: ExitRecord): boolean {
  return record.result === 'success' && record.status === 'TERM'
}

type Outcome = Pick<TaskExit, 'cause' | 'reason'> &
  Partial<Pick<TaskExit, 'startedAtMs' | 'exitCode' | 'signal'>>

/** No record: the set-up failed before the script, the recorder could not write, or the machine went down. */
function withoutRecord(ending: Ending): Outcome {
  const { facts } = ending
  const setUp = setUpFailure(facts?.mainStatus ?? null)
  if (!ending.wasRun && setUp !== null) return { cause: 'launch_failed', reason: setUp, startedAtMs: null }
  if (ending.killRequested) return { cause: 'killed', reason: null }
  if (ending.isLeaseOver) return { cause: 'node_lost', reason: leaseReason }
  if (!ending.wasRun) {
    const result = facts?.result ? ` (${facts.result})` : ''
    return { cause: 'launch_failed', reason: `systemd could not start it${result}`, startedAtMs: null }
  }
  return (
    toldBySystemd(facts, ending.timeoutMs) ?? {
      cause: 'lost',
      reason: 'it has ended, but its exit could not be recorded',
    }
  )
}

/** The recorder could not write, as on a full disk, but the runner was told while it happened. */
function toldBySystemd(facts: UnitFacts | null, timeoutMs: number | null): Outcome | null {
  if (facts === null || facts.endedAtMs === null || facts.mainStatus === null) return null
  if (facts.mainCode === exitedByItself) return { cause: 'exited', exitCode: facts.mainStatus, reason: null }
  if (facts.result === 'oom-kill') return { cause: 'oom', reason: 'the kernel ended it for lack of memory' }
  if (facts.result === 'timeout') return { cause: 'timeout', reason: timeoutReason(timeoutMs) }
  const signal = signalName(facts.mainStatus)
  return { cause: 'signaled', signal, reason: `ended by ${signal ?? `signal ${facts.mainStatus}`}` }
}

/** CLD_EXITED of sigaction(2). */
export const exitedByItself = 1

/** The set-up steps that systemd gives an exit status of their own (systemd.exec(5), "Process Exit Codes"). */
const setUpSteps: Record<number, string> = {
  200: 'its working directory could not be entered',
  203: '/bin/sh could not be executed',
  208: 'its standard input could not be set up',
  209: 'its output file could not be opened',
  214: 'its scheduling could not be set up',
  216: 'its group could not be taken on',
  217: 'its user does not exist on the node',
  219: 'its control group could not be set up',
  222: 'its output file could not be opened',
  225: 'its private network could not be set up',
  226: 'its sandbox could not be set up',
  228: 'its system call filter could not be set up',
  242: 'its NUMA policy could not be set up',
}

function setUpFailure(status: number | null): string | null {
  if (status === null || status < 200 || status > 245) return null
  return setUpSteps[status] ?? `systemd could not set it up (status ${status})`
}
