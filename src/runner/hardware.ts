/** What this machine has, and how busy it is: read from /proc and /sys, NUMA from numactl where it is there. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Capacity, NodeLoad, NumaNode } from '../core/node.ts'
import { parseCpuList, parseNumactlHardware, parseSysfsNuma, usablePart } from '../core/numa.ts'

const run = promisify(execFile)
const sysNodes = '/sys/devices/system/node'

/** The kernel's id of this boot (proc_sys_kernel(5)). */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Arguments with which numactl sets a memory policy that changes nothing (numactl(8)). */
export const bindingTest = ['--localalloc', '--', 'true']

/** Can numactl bind here? In a container it may be there, and not be allowed to (set_mempolicy(2)). */
export async function hasNumactl(numactlPath: string): Promise<boolean> {
  return (await numactl(numactlPath, ...bindingTest)) !== null
}

/**
 * CPUs that this process may use, memory, and NUMA nodes: of a machine of which only a part may be used, that part.
 * A core is a logical CPU, as everywhere: of a physical core with two threads, two.
 */
export async function detectCapacity(numactlPath: string): Promise<Capacity> {
  const cpus = parseCpuList(field('/proc/self/status', 'Cpus_allowed_list') ?? '')
  const mems = field('/proc/self/status', 'Mems_allowed_list')
  const output = await numactl(numactlPath, '--hardware')
  const told = output === null ? [] : parseNumactlHardware(output)
  const whole = told.length > 0 ? told : readSysfsNuma()
  const numaNodes = usablePart(whole, cpus, mems === null ? null : parseCpuList(mems))
  const outOfReach = memoryOf(whole) - memoryOf(numaNodes)
  const memoryBytes = meminfo('/proc/meminfo').totalBytes ?? 0
  return { cores: Math.max(1, cpus.length), memoryBytes: Math.max(0, memoryBytes - outOfReach), numaNodes }
}

function memoryOf(numaNodes: readonly NumaNode[]): number {
  return numaNodes.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0)
}

/** What it printed; null where it is missing or failed. */
async function numactl(path: string, ...args: string[]): Promise<string | null> {
  try {
    const { stdout } = await run(path || 'numactl', args, { timeout: 5_000 })
    return stdout
  } catch {
    // not installed, not allowed, or no NUMA in this kernel: /sys tells what there is
    return null
  }
}

function readSysfsNuma(): NumaNode[] {
  const ids = listDir(sysNodes).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
  return parseSysfsNuma(
    ids.map((id) => ({
      id: Number(id),
      cpulist: textOf(`${sysNodes}/node${id}/cpulist`),
      meminfo: textOf(`${sysNodes}/node${id}/meminfo`),
      distance: textOf(`${sysNodes}/node${id}/distance`),
    })),
  )
}

interface CpuTimes {
  busy: number
  total: number
}

/** Measures load between one call and the next. */
export class LoadMeter {
  private last = cpuTimes()

  /** Percentages are of the time since the last call; null where nothing passed. */
  measure(numaNodes: readonly NumaNode[]): NodeLoad {
    const now = cpuTimes()
    const before = this.last
    this.last = now
    const memory = meminfo('/proc/meminfo')
    return {
      cpuPercent: percent(sum(before, 'cpu'), sum(now, 'cpu')),
      memoryUsedBytes: memory.usedBytes,
      numaNodes: numaNodes.map(({ id, cpus }) => ({
        id,
        cpuPercent: percent(
          sum(before, ...cpus.map((cpu) => `cpu${cpu}`)),
          sum(now, ...cpus.map((cpu) => `cpu${cpu}`)),
        ),
        memoryUsedBytes: meminfo(`${sysNodes}/node${id}/meminfo`).usedBytes,
      })),
    }
  }
}

/** Times of all CPUs ("cpu") and each ("cpu0" …) in ticks (proc_stat(5)); idle and iowait are not busy. */
function cpuTimes(): Map<string, CpuTimes> {
  const times = new Map<string, CpuTimes>()
  for (const line of (textOf('/proc/stat') ?? '').split('\n')) {
    const [name, ...fields] = line.split(/\s+/)
    if (name === undefined || !name.startsWith('cpu')) continue
    const ticks = fields.slice(0, 8).map(Number)
    const total = ticks.reduce((all, tick) => all + tick, 0)
    times.set(name, { busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0), total })
  }
  return times
}

function sum(times: Map<string, CpuTimes>, ...names: string[]): CpuTimes {
  const all = { busy: 0, total: 0 }
  for (const name of names) {
    all.busy += times.get(name)?.busy ?? 0
    all.total += times.get(name)?.total ?? 0
  }
  return all
}

function percent(before: CpuTimes, now: CpuTimes): number | null {
  const total = now.total - before.total
  if (total <= 0) return null
  // iowait may go back (proc_stat(5))
  const share = Math.min(1, Math.max(0, (now.busy - before.busy) / total))
  return Math.round(share * 1000) / 10
}

/** Total and used memory of a meminfo file; of a NUMA node each line begins with its name. */
function meminfo(path: string): { totalBytes: number | null; usedBytes: number | null } {
  const text = textOf(path) ?? ''
  const bytes = (key: string) => {
    const match = new RegExp(`${key}:\\s+(\\d+) kB`).exec(text)
    return match === null ? null : Number(match[1]) * 1024
  }
  const totalBytes = bytes('MemTotal')
  const available = bytes('MemAvailable')
  const used = bytes('MemUsed')
  return { totalBytes, usedBytes: totalBytes !== null && available !== null ? totalBytes - available : used }
}

function field(path: string, key: string): string | null {
  const line = textOf(path)
    ?.split('\n')
    .find((candidate) => candidate.startsWith(`${key}:`))
  return line === undefined ? null : line.slice(key.length + 1).trim()
}

function listDir(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    // a kernel without NUMA
    return []
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // not on this kernel
    return null
  }
}
