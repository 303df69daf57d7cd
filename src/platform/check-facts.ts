/**
 * What `hakuriver.runner --check` and `hakuriver.host --check` print as JSON, for `hakuriver doctor` to judge: facts
 * without opinions. The programs are of one installation, so both sides know this one version.
 */
import type { ExecutorInfo } from '../core/node.ts'
import type { SharedFileCheck } from '../protocol/schemas.ts'
import type { DirectoryFacts } from './directory-check.ts'
import type { HostProbe } from './host-probe.ts'

/** What could not be found out in time is null, and named in `late`. */
export interface RunnerFacts {
  version: string
  /** Why the configuration cannot be used; null: it can. */
  configError: string | null
  /** null: the configuration cannot be used. */
  config: RunnerConfigFacts | null
  user: { name: string; isRoot: boolean }
  /** It can ask the launcher, and needs nothing else to start tasks. */
  hasLauncher: boolean
  systemd: SystemdFacts
  cgroup: CgroupFacts
  /** null: root needs none. */
  sudo: { problem: string | null } | null
  /** null: root needs none. */
  userManager: UserManagerFacts | null
  executor: ExecutorInfo | { error: string } | null
  numactl: NumactlFacts | null
  taskUser: TaskUserFacts | null
  stateDir: DirectoryFacts | null
  localTempDir: DirectoryFacts | null
  /** Tried by the runner's own user. */
  sharedDir: DirectoryFacts | null
  /** Tried by the tasks' user; null: it is the runner's own. */
  sharedDirOfTasks: DirectoryFacts | null
  sharedFile: SharedFileFacts | null
  /** Is a runner running from the state directory now? */
  isRunning: boolean
  /** Has one ever run from it? */
  hasRun: boolean
  host: HostProbe | null
}

export interface RunnerConfigFacts {
  node: string
  hostUrl: string
  hasJoinToken: boolean
  /** That of this node, where the machine has joined by one: its end, ISO 8601, or why it cannot be used. */
  certificate?: { endsAt: string } | { problem: string } | null
}

export interface SystemdFacts {
  /** Name of process 1. */
  pid1: string
  isRunning: boolean
  /** null: there are no programs of systemd here. */
  version: number | null
  /** The way by which units are started and watched: why it does not work; null: it does, or it is not tried. */
  connectionProblem: string | null
  /** Path of the socket that was tried. */
  socket: string | null
}

export interface CgroupFacts {
  /** `hybrid`: v1, with an empty v2 hierarchy beside it. */
  version: 'v2' | 'hybrid' | 'v1' | 'none'
  controllers: string[]
}

export interface UserManagerFacts {
  isRunning: boolean
  /** Does it go on when the user has logged out? */
  lingers: boolean
  /** Why limits cannot be set there; null: they can. */
  problem: string | null
}

export interface NumactlFacts {
  /** As configured; empty: from PATH. */
  path: string
  problem: string | null
  numaNodes: number
}

export interface TaskUserFacts {
  /** Of the tasks of those whom `users` does not name, or of the first that it names. */
  name: string
  exists: boolean
  /** Did somebody choose it? */
  isNamed: boolean
  /** Is it the runner's own? */
  isOwn: boolean
  /** The section [users]; null: there is none. */
  users: Record<string, string> | null
  /** Those local users in it that are not there. */
  missing: string[]
}

/** A file that was written to the shared directory here, as the host sees it. */
export interface SharedFileFacts {
  answer: SharedFileCheck | null
  /** Why the host did not say. */
  why: string | null
  /** What was written. */
  size: number
  sha256: string
}

export interface HostFacts {
  version: string
  configError: string | null
  /** Is there a host on this machine: one that runs, or the state of one? */
  isHere: boolean
  config: HostConfigFacts | null
  isRunning: boolean
  /** Of a host that runs from the state directory: where it listens. */
  runningUrl: string | null
  /** Why the port cannot be listened on; null: it can, or our own host has it. */
  portProblem: string | null
  stateDir: StateDirFacts | null
  databaseDir: DirectoryFacts | null
  sharedDir: DirectoryFacts | null
  /** The host, tried under the address that others are told; null: none is set. */
  reachable: HostProbe | null
}

export interface HostConfigFacts {
  bindAddress: string
  port: number
  reachableAddress: string | null
  isTls: boolean
  stateDir: string
  databaseFile: string
}

export interface StateDirFacts {
  path: string
  exists: boolean
  isOwn: boolean
  /** Permission bits; null: it is not there. */
  mode: number | null
  /** Files with secrets in it that others may read. */
  openFiles: string[]
}
