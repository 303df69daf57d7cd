/**
 * Reads a unit's cgroup: who is in it, and what it used. Cgroup v2 has one hierarchy. On v1 ("hybrid") memory
 * has one of its own, and CPU time is read from the v2 one beside it, because systemd 252 makes no cgroup in a
 * cpuacct hierarchy that is mounted apart.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

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

/** The same, with those of the cgroups below it. */
export function allProcessesIn(layout: CgroupLayout, cgroup: string): number[] {
  return [cgroup, ...cgroupsBelow(layout, cgroup)].flatMap((each) =>
    each === cgroup ? processesIn(layout, each) : allProcessesIn(layout, each),
  )
}

/** Does the cgroup, or one below it, hold a process? */
export function isPopulated(layout: CgroupLayout, cgroup: string): boolean {
  const events = textOf(`${layout.processes}${cgroup}/cgroup.events`)
  if (events !== null) return figureOf(events, 'populated') === 1
  if (processesIn(layout, cgroup).length > 0) return true
  return cgroupsBelow(layout, cgroup).some((child) => isPopulated(layout, child))
}

/** Cgroups that someone made in this one. */
export function cgroupsBelow(layout: CgroupLayout, cgroup: string): string[] {
  try {
    const entries = readdirSync(`${layout.processes}${cgroup}`, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => `${cgroup}/${entry.name}`)
  } catch {
    return [] // it is gone
  }
}

export interface CgroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  cpuTimeMs: number | null
}

/** What the cgroup used so far; null where the kernel does not tell. */
export function usageOf(layout: CgroupLayout, cgroup: string): CgroupUsage {
  const peak = textOf(`${layout.memory}${cgroup}/${layout.peakFile}`)
  const usageUs = figureOf(textOf(`${layout.cpu}${cgroup}/cpu.stat`), 'usage_usec')
  return {
    peakMemoryBytes: peak === null ? null : Number(peak),
    oomKills: figureOf(textOf(`${layout.memory}${cgroup}/${layout.eventsFile}`), 'oom_kill') ?? 0,
    cpuTimeMs: usageUs === null ? null : Math.round(usageUs / 1000),
  }
}

function figureOf(text: string | null, key: string): number | null {
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
