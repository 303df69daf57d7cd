/** What an attempt needs before its start: its files, and the plan of its unit. */
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { AppError } from '../../../core/errors.ts'
import { becomeUser, type LocalUser, userVariables } from '../../users.ts'
import { type AttemptFiles, numaWrapper, recordPath, userOf } from '../attempt-files.ts'
import type { LaunchSpec } from '../executor.ts'
import type { SystemdOptions } from './options.ts'
import { isPlainPath, type UnitPlan, unitNameOf } from './unit.ts'

/** A PID namespace of its own for systemd before 257 (unshare(1)). */
const unshareWords = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', '--']
/** How long systemd waits from SIGTERM to SIGKILL. */
const defaultGraceMs = 10_000

export class Launcher {
  private readonly options: SystemdOptions
  private readonly files: AttemptFiles
  private readonly recorderPath: string

  constructor(options: SystemdOptions, files: AttemptFiles, recorderPath: string) {
    this.options = options
    this.files = files
    this.recorderPath = recorderPath
  }

  /**
   * Writes the start script and answers the plan of the unit that runs it.
   * @throws AppError for what cannot be had on this node
   */
  prepare(launch: LaunchSpec, cgroupOf: (unit: string) => string): UnitPlan {
    this.refuseUnsupported(launch)
    const numa = numaWrapper(this.options.numactlPath, launch.numaId)
    if (!this.startsAsRoot(launch)) {
      this.files.prepare(launch, { wrapper: numa, env: [] })
      return this.planFor(launch, launch.user, cgroupOf)
    }
    const user = userOf(launch) ?? ownUser()
    const unshare = this.usesUnshare(launch) ? unshareWords : []
    const become = user === null ? [] : becomeUser(user)
    this.files.prepare(
      { ...launch, user: null },
      { wrapper: [...unshare, ...become, ...numa], env: user === null ? [] : userVariables(user) },
    )
    return this.planFor(launch, null, cgroupOf)
  }

  private refuseUnsupported(launch: LaunchSpec): void {
    const { features, name } = this.options.info
    const refuse = (what: string) => {
      throw new AppError('unsatisfiable', `cannot run the task: ${what}`)
    }
    for (const path of [launch.taskDir, launch.stdoutPath, launch.stderrPath, this.files.runDir]) {
      if (!isPlainPath(path)) refuse(`the path "${path}" may hold letters, digits and ._-/ only`)
    }
    if (launch.spec.privateNetwork && !features.privateNetwork)
      refuse(`${name} gives no private network here`)
    if (launch.spec.privatePids && !features.privatePids) refuse(`${name} gives no private PIDs here`)
    if (launch.numaId === null) return
    if (!features.numa) refuse('numactl is missing on this node')
    if (!existsSync(`/sys/devices/system/node/node${launch.numaId}`)) {
      refuse(`this node has no NUMA node ${launch.numaId}`)
    }
  }

  /**
   * Must the unit begin as root and become the user by itself? For `unshare`, and where the runner is not root
   * but its systemd is: then only root can read what the runner wrote and be any user.
   */
  private startsAsRoot(launch: LaunchSpec): boolean {
    return this.usesUnshare(launch) || (this.options.info.name === 'systemd' && process.getuid?.() !== 0)
  }

  /** Does `unshare` have to make the PID namespace? */
  private usesUnshare(launch: LaunchSpec): boolean {
    return launch.spec.privatePids && !this.options.hasPrivatePids
  }

  private planFor(launch: LaunchSpec, user: string | null, cgroupOf: (unit: string) => string): UnitPlan {
    const { spec } = launch
    const name = unitNameOf(launch.taskId, launch.attempt)
    return {
      name,
      scriptPath: this.files.scriptOf(launch),
      recorderPath: this.recorderPath,
      recordPath: recordPath(launch),
      cgroup: cgroupOf(name),
      stdoutPath: launch.stdoutPath,
      stderrPath: launch.stderrPath,
      user,
      cores: this.options.setsLimits ? spec.cores : null,
      memoryBytes: this.options.setsLimits ? spec.memoryBytes : null,
      timeoutMs: spec.timeoutMs,
      graceMs: this.options.graceMs ?? defaultGraceMs,
      privateNetwork: spec.privateNetwork,
      privatePids: spec.privatePids && this.options.hasPrivatePids,
      recordAsRoot: this.options.recordAsRoot,
    }
  }
}

/** The runner's own user; null where it is root. */
function ownUser(): LocalUser | null {
  const { username, uid, gid, homedir, shell } = userInfo()
  return uid === 0 ? null : { name: username, uid, gid, home: homedir, shell: shell ?? '/bin/sh' }
}
