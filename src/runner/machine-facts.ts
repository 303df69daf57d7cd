/** What this machine gives to a runner: systemd and the way to it, control groups, the user's own systemd, numactl. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CgroupFacts, NumactlFacts, SystemdFacts, UserManagerFacts } from '../platform/check-facts.ts'
import { DbusConnection } from '../platform/dbus/connection.ts'
import { ownUserName } from '../platform/own-user.ts'
import { runBriefly } from '../platform/run-briefly.ts'
import { systemdVersion } from '../platform/systemd-version.ts'
import { inTime, noAnswer } from '../platform/wait.ts'
import { missingDelegation, runtimeDir } from './choose-executor.ts'
import { systemBus } from './executors/systemd/sudo-manager.ts'
import { bindingTest, detectCapacity } from './hardware.ts'
import { systemSocket } from './system-executor.ts'

/** Root goes to systemd's own socket, others watch from the message bus. */
export async function systemdFacts(isRoot: boolean, deadlineMs: number): Promise<SystemdFacts> {
  const isRunning = existsSync('/run/systemd/system')
  const socket = isRoot ? systemSocket : systemBus
  const [version, connectionProblem] = await Promise.all([
    inTime(
      systemdVersion().catch(() => null),
      deadlineMs,
      null,
    ),
    isRunning ? socketProblem(socket, !isRoot, deadlineMs) : null,
  ])
  return {
    pid1: textOf('/proc/1/comm')?.trim() ?? 'unknown',
    isRunning,
    version,
    connectionProblem,
    socket: isRunning ? socket : null,
  }
}

async function socketProblem(path: string, isBus: boolean, deadlineMs: number): Promise<string | null> {
  const options = { path, isBus, deadlineMs, onSignal: () => {}, onClose: () => {} }
  const opening = DbusConnection.open(options).then(
    (connection) => {
      connection.close()
      return null
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  return inTime(opening, deadlineMs, noAnswer(deadlineMs))
}

const root = '/sys/fs/cgroup'
/** What limits and sandboxes of tasks are made with, or could be. */
const wanted = ['cpu', 'memory', 'pids', 'cpuset']

/** On v2 the root says what there is (cgroups(7)); on v1 each controller has a hierarchy of its own. */
export function cgroupFacts(): CgroupFacts {
  const unified = textOf(join(root, 'cgroup.controllers'))
  if (unified !== null) {
    const there = unified.trim().split(/\s+/)
    return { version: 'v2', controllers: wanted.filter((name) => there.includes(name)) }
  }
  const controllers = wanted.filter((name) => existsSync(join(root, name)))
  if (existsSync(join(root, 'unified'))) return { version: 'hybrid', controllers }
  return { version: controllers.length === 0 ? 'none' : 'v1', controllers }
}

/** The user's own systemd: a second way to limits, without root. */
export function userManagerFacts(): UserManagerFacts {
  return {
    isRunning: existsSync(join(runtimeDir(), 'systemd/private')),
    lingers: existsSync(join('/var/lib/systemd/linger', ownUserName())),
    problem: missingDelegation(),
  }
}

/** Is numactl there, does it work, and how many NUMA nodes are there for it? */
export async function numactlFacts(path: string, deadlineMs: number): Promise<NumactlFacts> {
  const [ran, capacity] = await Promise.all([
    runBriefly([path || 'numactl', ...bindingTest], deadlineMs),
    inTime(detectCapacity(path), deadlineMs, null),
  ])
  const numaNodes = capacity?.numaNodes.length ?? 0
  if (ran.code === 0) return { path, problem: null, numaNodes }
  if (ran.startError === 'ENOENT') return { path, problem: 'there is none', numaNodes }
  if (ran.isLate) return { path, problem: noAnswer(deadlineMs), numaNodes }
  return { path, problem: ran.startError ?? (ran.stderr.trim().split('\n')[0] || 'it fails'), numaNodes }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // not on this kernel
    return null
  }
}
