/** What an attempt needs before its start: its files, and the plan of its unit. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
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
    const wrapper = numaWrapper(this.options.numactlPath, launch.numaId)
    const plan = this.planFor(launch, cgroupOf)
    if (this.usesUnshare(launch)) {
      const user = userOf(launch)
      this.files.prepare(launch, { wrapper, env: user === null ? [] : userVariables(user) })
      return { ...plan, scriptPath: this.writeEntry(launch, user), user: null }
    }
    const user = this.hasMoreRights() ? userOf(launch) : null
    if (user === null || user.uid === process.getuid?.()) {
      this.files.prepare(launch, { wrapper, env: [] })
      return this.hasMoreRights() ? { ...plan, user: ownName() } : plan
    }
    this.files.prepare({ ...launch, user: null }, { wrapper, env: [] })
    return { ...plan, handOver: this.handOver(launch, user), recordAsRoot: true }
  }

  /**
   * Where `unshare` needs root: what it does before the start script is the user's own. Nothing that the user gave
   * may be in its environment or words.
   */
  private writeEntry(launch: LaunchSpec, user: LocalUser | null): string {
    const path = join(this.files.dirOf(launch), 'enter.sh')
    const words = [...unshareWords, ...(user === null ? [] : becomeUser(user)), '/bin/sh']
    writeFileSync(path, `exec ${words.join(' ')} ${this.files.scriptOf(launch)}\n`, { mode: 0o600 })
    return path
  }

  /** The runner keeps the right to read what the user notes. */
  private handOver(launch: LaunchSpec, user: LocalUser): string[] {
    const dir = this.files.dirOf(launch)
    const paths = ['run.sh', 'ran', 'note'].map((name) => join(dir, name))
    chmodSync(join(dir, 'note'), 0o640)
    return ['/bin/chown', '--no-dereference', `${user.uid}:${process.getgid?.()}`, ...paths]
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

  /** Is the runner an ordinary user, but its systemd root? */
  private hasMoreRights(): boolean {
    return this.options.info.name === 'systemd' && process.getuid?.() !== 0
  }

  /** Does `unshare` have to make the PID namespace? */
  private usesUnshare(launch: LaunchSpec): boolean {
    return launch.spec.privatePids && !this.options.hasPrivatePids
  }

  private planFor(launch: LaunchSpec, cgroupOf: (unit: string) => string): UnitPlan {
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
      user: launch.user,
      handOver: [],
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

/** The runner's own user. */
function ownName(): string {
  return userInfo().username
}
