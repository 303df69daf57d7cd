/**
 * Reads a unit's cgroup: who is in it, and what it used. Cgroup v2 has one hierarchy. On v1 ("hybrid") memory
 * has one of its own, and CPU time is read from the v2 one beside it, because systemd 252 makes no cgroup in a
 * cpuacct hierarchy that is mounted apart.
 */
import { existsSync, readFileSync } from 'node:fs'

const root = '/sys/fs/cgroup'

/** Where the parts of a cgroup are looked for. */
export interface CgroupLayout {
  processes: string
  memory: string
  peakFile: string
  eventsFile: string
  cpu: string
}

/** The layout of this machine. */
export function cgroupLayout(): CgroupLayout {
  if (existsSync(`${root}/cgroup.controllers`)) {
    return { processes: root, memory: root, peakFile: 'memory.peak', eventsFile: 'memory.events', cpu: root }
  }
  return {
    processes: `${root}/systemd`,
    memory: `${root}/memory`,
    peakFile: 'memory.max_usage_in_bytes',
    eventsFile: 'memory.oom_control',
    cpu: `${root}/unified`,
  }
}

/** Process ids in the cgroup; none where it does not exist. */
export function processesIn(layout: CgroupLayout, cgroup: string): number[] {
  const procs = textOf(`${layout.processes}${cgroup}/cgroup.procs`) ?? ''
  return procs
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

export interface CgroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  cpuTimeMs: number | null
}

/** What the cgroup used so far; null where the kernel does not tell. */
export function usageOf(layout: CgroupLayout, cgroup: string): CgroupUsage {
  const peak = textOf(`${layout.memory}${cgroup}/${layout.peakFile}`)
  const usageUs = valueOf(textOf(`${layout.cpu}${cgroup}/cpu.stat`), 'usage_usec')
  return {
    peakMemoryBytes: peak === null ? null : Number(peak),
    oomKills: valueOf(textOf(`${layout.memory}${cgroup}/${layout.eventsFile}`), 'oom_kill') ?? 0,
    cpuTimeMs: usageUs === null ? null : Math.round(usageUs / 1000),
  }
}

function valueOf(text: string | null, key: string): number | null {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${key} `))
  return line === undefined ? null : Number(line.slice(key.length + 1))
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // not there, or gone while we looked: both mean that it tells nothing
    return null
  }
}
