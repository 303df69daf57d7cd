/** The processes of one combination: finding them, ending them, seeing how much memory they hold. */
import { readdirSync, readFileSync } from 'node:fs'
import { allProcesses, processStat } from '../platform/process-stat.ts'

/** All that has come from one process. */
export interface Family {
  signal(name: NodeJS.Signals): void
  /** Is one of them still alive? */
  isLeft(): boolean
}

/** Of a process that leads a session of its own: all of the session, also with process groups of their own in it. */
export function sessionFamily(leader: number): Family {
  const members = () =>
    allProcesses().flatMap((pid) => {
      const stat = processStat(pid)
      return stat !== null && stat.session === leader && stat.state !== 'Z'
        ? [{ pid, group: stat.group }]
        : []
    })
  return {
    signal(name) {
      signalGroup(leader, name)
      for (const { pid, group } of members()) if (group !== leader) signalProcess(pid, name)
    },
    isLeft: () => members().length > 0,
  }
}

/** Of a process in our own session: those that come from it when a signal is sent, and have been seen then. */
export function treeFamily(leader: number): Family {
  const seen = new Map<number, string>()
  const alive = () =>
    [...seen].filter(([pid, startTime]) => {
      const stat = processStat(pid)
      return stat !== null && stat.state !== 'Z' && stat.startTime === startTime
    })
  return {
    signal(name) {
      for (const pid of treeOf(leader)) seen.set(pid, processStat(pid)?.startTime ?? '')
      for (const [pid] of alive()) signalProcess(pid, name)
    },
    isLeft: () => alive().length > 0,
  }
}

/** Sends a signal to a process group; none of that number is no failure. */
export function signalGroup(leader: number, name: NodeJS.Signals): void {
  signalProcess(-leader, name)
}

function signalProcess(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it is gone
  }
}

const sampleMs = 200
const firstSampleMs = 20

/** Looks again and again how much a process and all that come from it hold; `stop` gives the most that was seen. */
export function sampleMemory(pid: number): { stop: () => number | null } {
  let peak: number | null = null
  const look = () => {
    const bytes = treeOf(pid).reduce((sum, each) => sum + residentBytes(each), 0)
    if (bytes > 0) peak = Math.max(peak ?? 0, bytes)
  }
  // before that it may still be the copy of ourselves that becomes the program
  const first = setTimeout(look, firstSampleMs)
  const timer = setInterval(look, sampleMs)
  return {
    stop: () => {
      clearTimeout(first)
      clearInterval(timer)
      return peak
    },
  }
}

/** A process and all that come from it (proc_pid_task(5), `children`). */
function treeOf(pid: number): number[] {
  const found = [pid]
  for (const each of found) {
    try {
      for (const thread of readdirSync(`/proc/${each}/task`)) {
        const children = readFileSync(`/proc/${each}/task/${thread}/children`, 'utf8').trim()
        if (children !== '') found.push(...children.split(' ').map(Number))
      }
    } catch {
      // it has just ended
    }
  }
  return found
}

/** The most that a process has held so far (proc_pid_status(5), VmHWM). */
function residentBytes(pid: number): number {
  try {
    const [, kibibytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0
  }
}
