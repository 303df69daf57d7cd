/**
 * The record of an end: the small script that writes it from ExecStopPost= while the unit's cgroup still
 * exists, and the pure reading of it.
 */
import type { TaskExit } from '../../../core/task.ts'
import { launchFailedExitCode } from '../script.ts'

/**
 * Runs as `/bin/sh <this> <record file>`. Builtins only: it runs once per task. The last line says that the
 * record is whole. Cgroup v2 has one hierarchy; v1 has memory in one of its own, and CPU time is read from the
 * v2 one beside it, because systemd 252 makes no cgroup in a separate cpuacct hierarchy.
 */
export const recorderScript = `exec 2>/dev/null
root=/sys/fs/cgroup memory= unified= peak= ooms= usage=
while IFS=: read -r _ controllers path; do
  case ,$controllers, in
    ,,) unified=\${path%/.control} ;;
    *,memory,*) memory=\${path%/.control} ;;
  esac
done < /proc/self/cgroup
if [ -e $root/cgroup.controllers ]; then
  memory=$root$unified peakfile=memory.peak eventsfile=memory.events unified=$root$unified
else
  memory=$root/memory$memory peakfile=memory.max_usage_in_bytes eventsfile=memory.oom_control unified=$root/unified$unified
fi
read -r peak < "$memory/$peakfile"
while read -r key value; do [ "$key" = oom_kill ] && ooms=$value; done < "$memory/$eventsfile"
while read -r key value; do [ "$key" = usage_usec ] && usage=$value; done < "$unified/cpu.stat"
printf 'result=%s\\ncode=%s\\nstatus=%s\\npeak=%s\\nooms=%s\\nusage=%s\\nend\\n' "$SERVICE_RESULT" "$EXIT_CODE" "$EXIT_STATUS" "$peak" "$ooms" "$usage" > "$1"
`

/** What the script wrote. Figures are null where the kernel did not tell. */
export interface ExitRecord {
  /** SERVICE_RESULT, EXIT_CODE and EXIT_STATUS of systemd.exec(5). */
  result: string
  code: string
  status: string
  peakMemoryBytes: number | null
  oomKills: number
  cpuTimeMs: number | null
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
  }
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
    endedAtMs: facts?.endedAtMs ?? ending.nowMs,
    cpuTimeMs: record?.cpuTimeMs ?? null,
    peakMemoryBytes: record?.peakMemoryBytes ?? null,
    reason: null,
  }
  if (record === null) return { ...base, ...withoutRecord(ending) }
  const code = record.code === 'exited' ? Number(record.status) : null
  const signal = record.code === 'killed' || record.code === 'dumped' ? `SIG${record.status}` : null
  const seen = { ...base, exitCode: code, signal }
  if (ending.killRequested) return { ...seen, cause: 'killed' }
  if (record.result === 'oom-kill' || record.oomKills > 0) {
    return { ...seen, cause: 'oom', reason: 'it needed more memory than its limit' }
  }
  if (record.result === 'timeout') {
    return {
      ...seen,
      cause: 'timeout',
      reason: `it ran longer than its limit of ${(ending.timeoutMs ?? 0) / 1000} s`,
    }
  }
  if (ending.stoppedOutside)
    return { ...seen, cause: 'killed', reason: 'its unit was stopped outside HakuRiver' }
  if (code === launchFailedExitCode && ending.note !== null) {
    return { ...seen, startedAtMs: null, exitCode: null, cause: 'launch_failed', reason: ending.note }
  }
  if (signal !== null) return { ...seen, cause: 'signaled', reason: `ended by ${signal}` }
  return { ...seen, cause: 'exited' }
}

type Outcome = Pick<TaskExit, 'cause' | 'reason'> & { startedAtMs?: null }

/** No record: the set-up failed before the script, the recorder could not write, or the machine went down. */
function withoutRecord(ending: Ending): Outcome {
  const { facts } = ending
  const setUp = setUpFailure(facts?.mainStatus ?? null)
  if (!ending.wasRun && setUp !== null) return { cause: 'launch_failed', reason: setUp, startedAtMs: null }
  if (ending.killRequested) return { cause: 'killed', reason: null }
  if (!ending.wasRun) {
    const result = facts?.result ? ` (${facts.result})` : ''
    return { cause: 'launch_failed', reason: `systemd could not start it${result}`, startedAtMs: null }
  }
  return { cause: 'lost', reason: 'it has ended, but its exit could not be recorded' }
}

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
