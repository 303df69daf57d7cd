/** Resident memory of idle programs over that of bare Node with nothing loaded. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalCluster } from '../test/support/cluster.ts'
import { Program } from '../test/support/program.ts'
import { atMost, round, told } from './report.ts'

/** Long enough for start-up garbage to settle and for some heartbeats. */
const idleMs = 8_000

export async function measureMemory(cluster: LocalCluster): Promise<void> {
  const bare = new Program(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'])
  await sleep(idleMs)
  const base = residentMb(bare.pid)
  const host = residentMb(cluster.host.pid)
  const runner = residentMb(cluster.runner('n1').pid)
  await bare.stop()
  atMost(
    'host idle, resident memory over bare node',
    host - base,
    60,
    'MB',
    ` (${round(host)} over ${round(base)})`,
  )
  atMost(
    'runner idle, resident memory over bare node',
    runner - base,
    25,
    'MB',
    ` (${round(runner)} over ${round(base)})`,
  )
}

/** What host and runners have after their work, for comparison with idle. */
export function tellMemoryAfter(cluster: LocalCluster, what: string): void {
  told(`host, resident memory after ${what}`, `${round(residentMb(cluster.host.pid))} MB`)
  for (const [name, { pid }] of cluster.runners)
    told(`runner ${name}, resident memory after ${what}`, `${round(residentMb(pid))} MB`)
}

/** VmRSS of proc_pid_status(5), which is in KiB. */
function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}
