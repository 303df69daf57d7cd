/** Facts of a machine where all is well, for tests that break one thing each. */
import type { HostFacts, RunnerFacts } from '../../platform/check-facts.ts'
import type { DirectoryFacts } from '../../platform/directory-check.ts'
import type { HostProbe } from '../../platform/host-probe.ts'
import type { HostCheck } from '../../protocol/schemas.ts'

export const GiB = 1024 ** 3

export function directoryFacts(given: Partial<DirectoryFacts> = {}): DirectoryFacts {
  return {
    path: '/data',
    state: 'ok',
    why: null,
    user: 'worker',
    canBeMade: false,
    freeBytes: 50 * GiB,
    totalBytes: 100 * GiB,
    mount: { at: '/', type: 'ext4', source: '/dev/sda1' },
    ...given,
  }
}

export const systemdInfo = {
  name: 'systemd',
  why: 'the runner is root',
  enforcesLimits: true,
  features: { privateNetwork: true, privatePids: true, numa: true },
} as const

export const processInfo = {
  name: 'process',
  why: 'the runner is not root',
  enforcesLimits: false,
  features: { privateNetwork: false, privatePids: false, numa: true },
} as const

export function hostCheck(given: Partial<HostCheck> = {}): HostCheck {
  return {
    version: '1.0',
    time: '2026-11-23T10:00:00.000Z',
    token: 'join',
    node: {
      name: 'n1',
      status: 'online',
      lastSeenAt: '2026-11-23T10:00:00.000Z',
      runnerVersion: '1.0',
      executor: systemdInfo,
    },
    ...given,
  }
}

export function probe(given: Partial<HostProbe> = {}): HostProbe {
  return {
    url: 'http://10.0.0.1:8000',
    addresses: ['10.0.0.1'],
    reach: 'ok',
    why: null,
    isReady: true,
    token: 'accepted',
    answer: hostCheck(),
    clock: { differenceMs: 3, roundTripMs: 2 },
    ...given,
  }
}

/** Of a runner that is root. */
export function runnerFacts(given: Partial<RunnerFacts> = {}): RunnerFacts {
  return {
    version: '1.0',
    configError: null,
    config: { node: 'n1', hostUrl: 'http://10.0.0.1:8000', hasJoinToken: true },
    user: { name: 'root', isRoot: true },
    hasLauncher: false,
    systemd: {
      pid1: 'systemd',
      isRunning: true,
      version: 257,
      connectionProblem: null,
      socket: '/run/systemd/private',
    },
    cgroup: { version: 'v2', controllers: ['cpu', 'memory', 'pids', 'cpuset'] },
    sudo: null,
    userManager: null,
    executor: systemdInfo,
    numactl: { path: '', problem: null, numaNodes: 2 },
    taskUser: { name: 'worker', exists: true, isNamed: true, isOwn: false, users: null, missing: [] },
    stateDir: directoryFacts({ path: '/var/lib/hakuriver', user: 'root' }),
    localTempDir: directoryFacts({ path: '/tmp/hakuriver' }),
    sharedDir: directoryFacts({ path: '/shared', user: 'root' }),
    sharedDirOfTasks: directoryFacts({ path: '/shared' }),
    sharedFile: {
      answer: { state: 'found', directory: '/mnt/shared', size: 5, sha256: 'abc' },
      why: null,
      size: 5,
      sha256: 'abc',
    },
    isRunning: true,
    hasRun: true,
    host: probe(),
    ...given,
  }
}

/** Of a runner that is an ordinary user without rights. */
export function userFacts(given: Partial<RunnerFacts> = {}): RunnerFacts {
  return runnerFacts({
    user: { name: 'me', isRoot: false },
    hasLauncher: false,
    sudo: { problem: 'sudo systemd-run is refused: a password is required' },
    userManager: { isRunning: false, lingers: false, problem: "the user's own systemd does not run" },
    executor: processInfo,
    taskUser: { name: 'me', exists: true, isNamed: false, isOwn: true, users: null, missing: [] },
    ...given,
  })
}

export function hostFacts(given: Partial<HostFacts> = {}): HostFacts {
  return {
    version: '1.0',
    configError: null,
    isHere: true,
    config: {
      bindAddress: '0.0.0.0',
      port: 8000,
      reachableAddress: '10.0.0.1',
      isTls: true,
      stateDir: '/home/me/.hakuriver',
      databaseFile: '/home/me/.hakuriver/cluster.db',
    },
    isRunning: true,
    runningUrl: 'http://127.0.0.1:8000',
    portProblem: null,
    stateDir: { path: '/home/me/.hakuriver', exists: true, isOwn: true, mode: 0o700, openFiles: [] },
    databaseDir: directoryFacts({ path: '/home/me/.hakuriver', user: 'me' }),
    sharedDir: directoryFacts({ path: '/shared', user: 'me' }),
    reachable: probe(),
    ...given,
  }
}
