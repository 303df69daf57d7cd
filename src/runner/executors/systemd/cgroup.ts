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
  memoryFile: string
  peakFile: string
  eventsFile: string
  cpu: string
}

/** The layout of this machine. */
export function cgroupLayout(): CgroupLayout {
  if (existsSync(`${root}/cgroup.controllers`)) {
    return {
      processes: root,
      memory: root,
      memoryFile: 'memory.current',
      peakFile: 'memory.peak',
      eventsFile: 'memory.events',
      cpu: root,
    }
  }
  return {
    processes: `${root}/systemd`,
    memory: `${root}/memory`,
    memoryFile: 'memory.usage_in_bytes',
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
  return {
    peakMemoryBytes: numberOf(textOf(`${layout.memory}${cgroup}/${layout.peakFile}`)),
    oomKills: figureOf(textOf(`${layout.memory}${cgroup}/${layout.eventsFile}`), 'oom_kill') ?? 0,
    cpuTimeMs: cpuTimeOf(layout, cgroup),
  }
}

/** What it used so far and uses now; null: it is gone, or the kernel tells neither. */
export function currentUsageOf(
  layout: CgroupLayout,
  cgroup: string,
): { cpuTimeMs: number | null; memoryBytes: number | null } | null {
  const memoryBytes = numberOf(textOf(`${layout.memory}${cgroup}/${layout.memoryFile}`))
  const cpuTimeMs = cpuTimeOf(layout, cgroup)
  return memoryBytes === null && cpuTimeMs === null ? null : { cpuTimeMs, memoryBytes }
}

function cpuTimeOf(layout: CgroupLayout, cgroup: string): number | null {
  const usageUs = figureOf(textOf(`${layout.cpu}${cgroup}/cpu.stat`), 'usage_usec')
  return usageUs === null ? null : Math.round(usageUs / 1000)
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text)
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
